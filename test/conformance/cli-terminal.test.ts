/** `tail` and `read` at a real terminal: the layout, its width after a resize, links, Ctrl-C, pagers; and pipes, which stay as they are. */

import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Client, createClient } from '../../src/client/client.ts';
import { runCli, runShell } from '../support/cli.ts';
import { keyValues, logs, post, spans, TRACE_ID } from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal, type TerminalSetup } from '../support/terminal.ts';

const NANOS = `${Date.parse('2026-11-29T22:09:33.713Z')}000000`;
const HOSTILE = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202etxt \u001b[32mgreen\u001b[0m 日本語 e\u0301';

const LESS = 'less';
const HAS_LESS = spawnSync(LESS, ['--version']).status === 0;

let server: TestServer;
let client: Client;

beforeAll(async () => {
  server = await startServer();
  client = createClient({ endpoint: server.url, token: server.token, basin: 'telemetry' });
  const resource = { 'service.name': 'shop', 's2.stream': 'shop' };
  const record = (text: string, severityNumber: number) => ({
    timeUnixNano: NANOS,
    severityNumber,
    body: { stringValue: text },
    attributes: keyValues({ 'order.id': 'A-1', 'http.route': '/x' }),
    traceId: TRACE_ID,
  });
  await post(server, '/v1/logs', logs(resource, record('order placed', 9), record(HOSTILE, 17)));
  const nanos = (ms: number) => `${BigInt(NANOS) + BigInt(ms) * 1_000_000n}`;
  const call = { startTimeUnixNano: NANOS, endTimeUnixNano: nanos(2_431), kind: 2, name: 'POST /checkout' };
  await post(server, '/v1/traces', spans(resource, { ...call, status: { code: 2, message: 'timed out' } }));
  const piped = `echo '{"body":"third","headers":[["kind","note"]]}' | tailrace append shop --format json`;
  expect((await runShell(`${piped} && tailrace fence shop writer-1`, { server })).code).toBe(0);
});

afterAll(async () => {
  await server.stop();
});

const onScreen = async (args: readonly string[], setup: Partial<TerminalSetup> = {}) => {
  const { env = {}, ...rest } = setup;
  const target = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token, TZ: 'Asia/Kolkata', NO_COLOR: '1' };
  const ran = await runAtTerminal(args, { prompt: '', typed: '', columns: 100, ...rest, env: { ...target, ...env } });
  return { ...ran, lines: ran.screen.replaceAll('\r\n', '\n').trimEnd().split('\n') };
};
const READ = ['read', 'shop', '-s', '0', '--no-follow'];
const PLACED = `order placed  order.id=A-1 ⟨${TRACE_ID.slice(0, 8)}⟩`;

(HAS_TERMINAL ? describe : describe.skip)('on a terminal', () => {
  test('read lays out records as wide as it is, in the time of this machine, without a control character', async () => {
    const { lines, code } = await onScreen(READ, { columns: 120 });
    expect(code).toBe(0);
    // Half past five hours ahead of UTC it is the next day.
    expect(lines[0]).toBe(`── Mon, 30 Nov 2026 ${'─'.repeat(100)}`);
    expect(lines[1]).toBe(`03:39:33.713 INFO  shop     ${PLACED}`);
    expect(lines[2]).toBe(
      `03:39:33.713 ERROR shop     \\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\u202etxt green 日本語 e\u0301  order.id=A-1 ⟨${TRACE_ID.slice(0, 8)}⟩`,
    );
    expect(lines[3]).toBe(
      `03:39:36.144 SPAN  shop     ▸ POST /checkout  2.43 s  ✗ timed out ⟨${TRACE_ID.slice(0, 8)}⟩`,
    );
    expect(lines.slice(-2).map((line) => line.slice(13))).toEqual(['third  kind=note', 'FENCE writer-1']);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what must not get through
    expect(lines.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  test('a narrow one gets no milliseconds and wrapped lines, and one without a size is taken for 80 columns', async () => {
    const [narrow, unknown] = await Promise.all([
      onScreen([...READ, '-n', '1', '--time', 'utc'], { columns: 50 }),
      onScreen([...READ, '-n', '1', '--time', 'utc'], { columns: 0 }),
    ]);
    expect(narrow.lines).toEqual([
      `── Sun, 29 Nov 2026 ${'─'.repeat(30)}`,
      '22:09:33 INFO  shop     order placed  order.id=A-1',
      `         ⟨${TRACE_ID.slice(0, 8)}⟩`,
    ]);
    expect(unknown.lines[0]).toHaveLength(80);
  });

  test('colours and links come where they are taken, and --view text is what it was', async () => {
    const env = { NO_COLOR: '', TERM: 'xterm-kitty' };
    const one = ['read', 'shop', '-s', '0', '-n', '1'];
    const [colored, never, text, piped] = await Promise.all([
      onScreen(one, { env }),
      onScreen([...one, '--color', 'never'], { env }),
      onScreen([...one, '--view', 'text']),
      runCli(one, { server }),
    ]);
    expect(colored.screen).toContain('\u001b[32mINFO \u001b[39m');
    expect(colored.screen).toContain(`\u001b]8;;${server.url}/#trace=${TRACE_ID}\u001b\\`);
    expect(never.screen).not.toContain('\u001b');
    expect(text.screen.replaceAll('\r\n', '\n')).toBe(piped.stdout);
    expect(piped.stdout).toMatch(/^2026-11-29T22:09:33\.713000000Z INFO {2}shop order placed \{/);
  });

  test('tail is laid out anew after a resize, and Ctrl-C says how to go on from there', async () => {
    const resource = { 'service.name': 'shop', 's2.stream': 'resized' };
    const record = (text: string, day: string) => ({
      timeUnixNano: `${Date.parse(`2026-11-${day}T12:00:00Z`)}000000`,
      body: { stringValue: text },
    });
    await post(server, '/v1/logs', logs(resource, record('before', '28')));
    const more = () => void post(server, '/v1/logs', logs(resource, record('after', '29')));
    const { screen, code } = await onScreen(['tail', 'resized', '-n', '1', '--seq', '--attrs', 'order.id,http.*'], {
      resize: { at: 'before', columns: 60, done: more },
      prompt: 'after',
      typed: '\u0003',
    });
    expect(code).toBe(130);
    expect(screen).toContain(`── Sat, 28 Nov 2026 ${'─'.repeat(80)}\r\n`);
    expect(screen).toContain(`── Sun, 29 Nov 2026 ${'─'.repeat(40)}\r\n`);
    expect(screen).toContain("go on with: tailrace read s2://telemetry/resized -s 2 --seq --attrs 'order.id,http.*'");
  });
});

(HAS_TERMINAL ? describe : describe.skip)('many streams on a terminal', () => {
  const NOW = '2026-11-29T08:00:00Z';
  const add = (stream: string, ...bodies: string[]) =>
    client.append(
      stream,
      bodies.map((body) => ({ body, timestamp: Date.parse(NOW) })),
    );
  const UTC = ['--time', 'utc'];

  test('have a column for their names, laid out anew after a resize, and a note for one that joins', async () => {
    await add('many-a', 'first');
    await add('many-bb', 'second', `long ${'word '.repeat(14)}`);
    const more = () => void add('many-new', `late ${'word '.repeat(14)}end`);
    const { lines, code, screen } = await onScreen(['tail', 'many-*', '-n', '2', ...UTC], {
      resize: { at: 'long', columns: 60, done: more },
      prompt: 'end',
      typed: '\u0003',
    });
    expect(code).toBe(130);
    expect(lines.slice(0, 6)).toEqual([
      `── Sun, 29 Nov 2026 ${'─'.repeat(80)}`,
      '08:00:00.000 many-bb  second',
      `08:00:00.000 many-bb  long ${'word '.repeat(13)}word`,
      '+ s2://telemetry/many-new joined',
      '08:00:00 many-new late word word word word word word word',
      `${' '.repeat(18)}${'word '.repeat(7)}end`,
    ]);
    const [, words = ''] = /go on with: tailrace (read 's2:\/\/telemetry\/many-.*)/.exec(screen) ?? [];
    expect(words).toMatch(/ --resume '\{"many-a":\{"seq_num":1,"stream_id":"\d+"\},/);
    expect(words).toContain(' --time utc');
    await add('many-bb', 'third');
    const again = await runShell(`tailrace ${words.trim().replace('--time utc', '')} --no-follow`, { server });
    expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/^many-bb \S+ .*third\n$/) });
  });

  test('have coloured names, and dim records around those that a filter wants', async () => {
    const env = { NO_COLOR: '', TERM: 'xterm' };
    const args = ['read', 'shop', 'nowhere', '-s', '0', '--no-follow', '--grep', 'placed', '-A', '1', ...UTC];
    const { screen } = await onScreen(args, { env });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
    expect(screen).toMatch(/\u001b\[2m22:09:33\.713\u001b\[22m \u001b\[\d\dmshop {4}\u001b\[39m \u001b\[32mINFO/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
    expect(screen).toMatch(/\u001b\[2m22:09:33\.713 shop {5}ERROR \\x1b\[2J/);
  });

  test('whose positions are too long for a command line are written to a file, from which a read goes on', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `wide-${i}-${'x'.repeat(90)}`);
    for (const name of names) await add(name, 'seen');
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-resume-'));
    const { screen } = await onScreen(['tail', 'wide-*', '-n', '1', ...UTC], {
      prompt: 'seen',
      typed: '\u0003',
      columns: 300,
      env: { TMPDIR: folder },
    });
    const [, file = ''] = /go on with: .* --resume (\S+\.json)/.exec(screen) ?? [];
    expect(dirname(file)).toBe(folder);
    await add(names[3] ?? '', 'unseen');
    const read = ['read', 'wide-*', '--no-follow', '--resume', file, '--format', '{{body}}'];
    expect(await runCli(read, { server })).toMatchObject({ code: 0, stdout: 'unseen\n' });
    await rm(folder, { recursive: true });
  });
});

(HAS_TERMINAL ? describe : describe.skip)('more than a screen', () => {
  const PAGED = ['read', 'long', '-s', '0', '--no-follow', '--time', 'none'];
  const MARKING = { TAILRACE_PAGER: 'sed s/^/paged:/' };

  beforeAll(async () => {
    for (const [stream, count] of [
      ['long', 30],
      ['short', 22],
      ['longer', 23],
    ] as const) {
      await client.append(
        stream,
        Array.from({ length: count }, (_, i) => ({ body: `line ${i}` })),
      );
    }
  });

  test('goes through the pager of the user, and what fits is printed as it is', async () => {
    const [long, tail, off, empty, short, longer] = await Promise.all([
      onScreen(PAGED, { env: MARKING }),
      onScreen(['tail', 'long', '-n', '30', '--no-follow', '--time', 'none'], { env: MARKING }),
      onScreen([...PAGED, '--no-pager'], { env: MARKING }),
      onScreen(PAGED, { env: { TAILRACE_PAGER: '' } }),
      onScreen(['read', 'short', ...PAGED.slice(2)], { env: MARKING }),
      onScreen(['read', 'longer', ...PAGED.slice(2)], { env: { PAGER: 'sed s/^/paged:/' } }),
    ]);
    const all = Array.from({ length: 30 }, (_, i) => `line ${i}`);
    expect(long).toMatchObject({ code: 0, lines: all.map((line) => `paged:${line}`) });
    expect(tail.lines).toEqual(long.lines);
    expect(off.lines).toEqual(all);
    expect(empty.lines).toEqual(all);
    expect(short.lines).toEqual(all.slice(0, 22));
    expect(longer.lines).toEqual(all.slice(0, 23).map((line) => `paged:${line}`));
  });

  test('ends quietly when the pager is left, and is never paged while it follows', async () => {
    const [left, following] = await Promise.all([
      onScreen(PAGED, { env: { TAILRACE_PAGER: 'head -1' } }),
      onScreen(['tail', 'long', '-n', '30', '--time', 'none'], { env: MARKING, prompt: 'line 29', typed: '\u0003' }),
    ]);
    expect(left).toMatchObject({ code: 0, lines: ['line 0'] });
    expect(following.code).toBe(130);
    expect(following.screen).not.toContain('paged:');
  });

  (HAS_LESS ? test : test.skip)(
    'goes through less when no pager is named, with colours, until q is pressed',
    async () => {
      const env = { NO_COLOR: '', LESS: 'FRXPsMORE$' };
      const read = ['read', 'long', '-s', '0', '--no-follow'];
      const { screen, code } = await onScreen(read, { env, prompt: 'MORE', typed: 'q' });
      expect(code).toBe(0);
      expect(screen).toContain('\u001b[2m');
      expect(screen).toContain('line 20');
      expect(screen).not.toContain('line 29');
    },
  );
});

describe('elsewhere', () => {
  test('| head and | jq get what they got, and flags of the layout are said to be for a terminal', async () => {
    const lines = await runShell(
      'tailrace read shop -s 0 --no-follow | head -1; tailrace read shop -s 0 --no-follow --json | head -1',
      { server },
    );
    expect(lines.stdout).toMatch(/^2026-11-29T22:09:33\.713000000Z INFO {2}shop order placed \{.*\n\{"seqNum":0,/);
    const flagged = await runCli([...READ, '--seq', '--time', 'utc'], { server });
    expect(flagged).toMatchObject({ code: 0, stderr: expect.stringContaining('--time, --seq: for a terminal') });
    expect(flagged.stdout).toBe((await runCli(READ, { server })).stdout);
  });

  test('flags of the layout contradict another view, and wrong ones are refused with an example', async () => {
    for (const [args, words] of [
      [['--json', '--attrs', 'all'], '--attrs: for the layout on a terminal'],
      [['--attrs', 'a,,b'], 'order.id,http.*'],
      [['--slow', '7'], '90s'],
      [['--time', 'zulu'], 'Allowed choices are local, utc, iso, relative, none'],
    ] as const) {
      expect(await runCli([...READ, ...args], { server })).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining(words),
      });
    }
  });
});
