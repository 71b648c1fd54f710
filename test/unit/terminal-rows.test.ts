/** Each kind of row on a terminal, and each choice of the user about it; limits just under and just over. */

import { describe, expect, test } from '@jest/globals';
import { traceLinks } from '../../cli/print/terminal/trace-id.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import { type LayoutSetup, log, metric, one, rowAt, rowOf, said, span } from '../support/terminal-rows.ts';

describe('attributes', () => {
  const row = rowAt(3);

  test('are hidden where the summary says them, or all, none or named ones are shown', () => {
    expect(one(row, { stack: 'none' })[0]).toBe(
      'ERROR payments charge failed  httpx.ConnectTimeout: timed out after 2.0s (host=payments.internal:8443)  order.id=A-10923',
    );
    expect(one(row, { stack: 'none', attributes: 'none' }).join()).not.toContain('order.id');
    expect(one(row, { stack: 'none', attributes: 'all' }).join()).toContain('exception.type=httpx.ConnectTimeout');
    const named = one(row, { stack: 'none', attributes: ['exception.t*', 'host.name'] }).join();
    expect(named).toContain('exception.type=httpx.ConnectTimeout  host.name=shop-7c9f4d5b6b-xk2lp');
    expect(named).not.toContain('order.id');
  });

  test('of the resource are shown on request', () => {
    const shown = one(rowAt(1), { resource: true }).join(' ');
    expect(shown).toContain('service.version=1.4.2');
    expect(shown).not.toContain('telemetry.sdk');
    expect(one(rowAt(1), { resource: true, attributes: 'all' }).join(' ')).toContain(
      'telemetry.sdk.name=opentelemetry',
    );
  });

  test('are in quotes only where they must be', () => {
    const metadata = { a: 'plain', b: 'two words', c: '', d: ['x', 1], e: { f: true }, g: null, h: 'a\u0007b' };
    expect(said(log('m', { metadata }))).toBe(
      'm  a=plain  b="two words"  c=""  d=["x",1]  e.f=true  g=null  h="a\\u0007b"',
    );
  });

  test('beyond four rows are counted, and shown when asked for', () => {
    const many = (count: number) => ({
      metadata: Object.fromEntries(Array.from({ length: count }, (_, i) => [`key.number.${i}`, 'v'.repeat(40)])),
    });
    const shown = (count: number, setup: LayoutSetup = {}) =>
      one(log('m', many(count)), { columns: 100, ...setup }).join(' ');
    expect(shown(4)).not.toContain('…');
    expect(shown(12)).toMatch(/… \+\d+ attributes$/);
    expect(shown(12, { attributes: 'all' })).toContain('key.number.11=');
  });
});

describe('several lines', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}`).join('\n');
  const quoted = (count: number, setup: LayoutSetup = {}) =>
    one(log(lines(count + 1)), setup)
      .slice(1)
      .map((line) => line.trim());

  test('eight are whole; of nine the first five and the last two are shown', () => {
    expect(quoted(8)).toHaveLength(8);
    expect(quoted(9)).toEqual([...[1, 2, 3, 4, 5].map((i) => `│ line ${i}`), '│ … 2 lines', '│ line 8', '│ line 9']);
    expect(quoted(9, { stack: 'all' })).toHaveLength(9);
    expect(one(log(lines(9)), { stack: 'none' })).toEqual(['INFO  shop     line 0  … +8 lines']);
  });

  test('long ones wrap at words: five rows are whole, of six the first four are shown', () => {
    const rows = (count: number) =>
      one(log(Array.from({ length: count }, () => 'w'.repeat(85)).join(' ')), { columns: 100 });
    expect(rows(5)).toHaveLength(5);
    expect(rows(6)).toHaveLength(5);
    expect(rows(6).at(-1)).toBe(`${' '.repeat(15)}… +2 lines`);
    expect(one(log('x '.repeat(500).trim()), { wrap: false })).toHaveLength(1);
  });

  test('the headline of a Python stack is its last line, of another one its first', () => {
    expect(said(rowAt(4))).toMatch(/^httpx\.ConnectTimeout: timed out/);
    const java = 'java.lang.IllegalStateException: no\n\tat shop.Cart.add(Cart.java:7)\n';
    expect(one(log(java))).toEqual([
      'INFO  shop     java.lang.IllegalStateException: no',
      '               │     at shop.Cart.add(Cart.java:7)',
    ]);
  });

  test('a stack that is in the message too is shown once', () => {
    const stack = 'Error: boom\n    at here';
    const metadata = { 'exception.type': 'Error', 'exception.message': 'boom', 'exception.stacktrace': stack };
    expect(one(log(stack, { metadata }))).toEqual(['INFO  shop     Error: boom', '               │     at here']);
  });
});

describe('spans', () => {
  test('show direction, duration, slow ones in yellow, status code and failure', () => {
    expect(said(span({ kind: 'consumer', durationMs: 0.25 }))).toBe('▸ work  250 µs');
    expect(said(span({ kind: 'producer' }))).toBe('◂ work');
    expect(said(span({ kind: 'internal', status: { code: 'ok' } }))).toBe('· work');
    expect(
      said(
        span({ status: { code: 'error' }, metadata: { 'error.type': 'timeout', 'http.response.status_code': 504 } }),
      ),
    ).toBe('· work  504  ✗ timeout');
    const yellow = (durationMs: number, slowMs: number) =>
      one(span({ durationMs }), { colors: true, slowMs })[0]?.includes('\u001b[33m');
    expect([yellow(1_000, 1_000), yellow(1_001, 1_000), yellow(201, 200)]).toEqual([false, true, true]);
  });

  test('the stack of an exception event is shown with --stack all', () => {
    expect(one(rowAt(11))).toHaveLength(2);
    expect(one(rowAt(11), { stack: 'all' })).toHaveLength(8);
  });

  test('--messages prints the conversation, from columns and attributes, of every shape', () => {
    const conversation = (row: MessageRow) =>
      one(row, { messages: true, columns: 400 })
        .slice(1)
        .map((line) => line.trim());
    expect(conversation(rowAt(14)).map((line) => line.slice(0, 30).trim())).toEqual([
      '│ user: Summarise the incident',
      '│ assistant: The payment provi',
    ]);
    const input = [
      { role: 'system', content: 'be short' },
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
    ];
    expect(conversation(span({ input, output: 'hello\nyou' }))).toEqual([
      '│ system: be short',
      '│ user: hi',
      '│ assistant: hello',
      '│ you',
    ]);
    expect(
      conversation(span({ output: [{ role: 'assistant', parts: [{ type: 'tool_call', name: 'get' }] }] })),
    ).toEqual(['│ assistant: {"type":"tool_call","name":"get"}']);
  });
});

describe('metrics', () => {
  test.each([
    ['By', 183_500_800, '175 MiB'],
    ['By/s', 1_536, '1.5 KiB/s'],
    ['s', 0.002, '2.0 ms'],
    ['ms', 59_949, '59.9 s'],
    ['ms', 59_950, '1 min'],
    ['ms', 999.4, '999 ms'],
    ['ms', 999.6, '1.00 s'],
    ['s', 3_725, '1 h 2 min'],
    ['%', 12.5, '12.5 %'],
    ['1', 1_042, '1,042'],
    ['{order}', 1, '1 order'],
    ['{request}/s', 2_500, '2,500 requests/s'],
    ['Cel', -3.25, '-3.25 Cel'],
    ['', '9223372036854775807', '9,223,372,036,854,775,807'],
    ['s', 'NaN', 'NaN'],
  ])('the unit %j is applied to %j', (unit, number, shown) => {
    expect(said(metric(unit, { value: number }))).toBe(`m  ${shown}`);
  });

  test('five points are whole, of six four are shown', () => {
    const points = (count: number) => one(metric('', ...Array.from({ length: count }, (_, value) => ({ value }))));
    expect(points(5)).toHaveLength(6);
    expect(
      points(6)
        .slice(-2)
        .map((line) => line.trim()),
    ).toEqual(['3', '… 2 more']);
    expect(said(metric(''))).toBe('m  no points');
    expect(said(metric('', { noRecordedValue: true }))).toBe('m  no value');
  });
});

describe('records of S2', () => {
  const plain = (body: string, headers: readonly (readonly string[])[] = [], more: object = {}): string =>
    one(rowOf({ signal: null, body, headers, ...more })).join('\n');

  test('have their headers behind the body, and commands are named', () => {
    expect(plain('third', [['kind', 'note']])).toBe('third  kind=note');
    expect(plain('writer-1', [['', 'fence']])).toBe('FENCE writer-1');
    expect(plain('', [['', 'fence']])).toBe('FENCE removed');
    expect(plain('\0\0\0\0\0\0\0\u0002', [['', 'trim']])).toBe('TRIM before 2');
    expect(plain('AAAAAAAAAMg=', [['', 'dHJpbQ==']], { encoding: 'base64' })).toBe('TRIM before 200');
    expect(plain('/w==', [], { encoding: 'base64' })).toBe('1 byte  /w==');
  });
});

describe('a trace id', () => {
  const kitty = { TERM: 'xterm-kitty' };

  test('is a link where the terminal takes links', () => {
    const url = 'http://127.0.0.1:4318/#trace=5b8aa5a2d2c872e8321cf37308d69df2';
    const traceUrl = traceLinks('http://127.0.0.1:4318', kitty);
    expect(traceUrl).toBeDefined();
    expect(one(rowAt(2), { ...(traceUrl && { traceUrl }) })[0]).toContain(
      ` \u001b]8;;${url}\u001b\\⟨5b8aa5a2⟩\u001b]8;;\u001b\\`,
    );
  });

  test.each([
    [{ TERM: 'xterm' }, false],
    [{ TERM: 'xterm-256color', VTE_VERSION: '7600' }, true],
    [{ TERM: 'xterm-256color', VTE_VERSION: '4999' }, false],
    [{ ...kitty, TMUX: '1' }, false],
    [{ TERM: 'xterm', FORCE_HYPERLINK: '1' }, true],
    [{ ...kitty, FORCE_HYPERLINK: '0' }, false],
  ])('in the environment %j: %s', (env, isLink) => {
    expect(traceLinks('http://127.0.0.1:4318', env) !== undefined).toBe(isLink);
  });

  test('leads where TAILRACE_TRACE_URL says, and a wrong address breaks nothing', () => {
    const to = (template: string) =>
      traceLinks('http://127.0.0.1:4318', { ...kitty, TAILRACE_TRACE_URL: template })?.('ab12');
    expect(to('https://jaeger.example/trace/{trace_id}')).toBe('https://jaeger.example/trace/ab12');
    expect(to('https://x.example/\u0007\u001b{trace_id}')).toBe('https://x.example/%07%1Bab12');
    expect(to('nowhere')).toBe('');
  });
});
