/** `tailrace show`: one record in full, named in each way, with those around it, as JSON, as bytes, and when it is not there. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { keyValues, logs, post, SPAN_ID, spans, TRACE_ID } from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

const NANOS = `${Date.parse('2026-11-29T22:09:33.713Z')}000000`;
const MESSAGES = JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'Summarise\nthe incident' }] }]);

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const resource = { 'service.name': 'shop', 's2.stream': 'shop', 'host.name': 'a\u001b[2Jb' };
  const record = (text: string, more: object = {}) => ({
    timeUnixNano: NANOS,
    severityNumber: 9,
    body: { stringValue: text },
    ...more,
  });
  const stack = 'Traceback:\n  File "pay.py", line 88\ntimed out';
  const failed = { attributes: keyValues({ 'order.id': 'A-1', 'exception.stacktrace': stack }), traceId: TRACE_ID };
  await post(server, '/v1/logs', logs(resource, record('order placed'), record('{"a":{"b":[1]}}', failed)));
  const call = {
    startTimeUnixNano: NANOS,
    endTimeUnixNano: `${BigInt(NANOS) + 1_820_000_000n}`,
    kind: 3,
    name: 'chat',
  };
  const attributes = keyValues({ 'gen_ai.request.model': 'gpt-4o', 'gen_ai.input.messages': MESSAGES });
  const links = [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }];
  const events = [{ timeUnixNano: NANOS, name: 'exception', attributes: keyValues({ 'exception.type': 'Timeout' }) }];
  const status = { code: 2, message: 'timed out' };
  await post(server, '/v1/traces', spans(resource, { ...call, attributes, links, events, status }));
  const piped = `printf '{"body":"third\\\\nline","headers":[["kind","note"]]}' | tailrace append shop --format json`;
  expect((await runShell(piped, { server })).code).toBe(0);
});

afterAll(async () => {
  await server.stop();
});

const show = (...args: readonly string[]): Promise<CliResult> => runCli(['show', ...args], { server });

test('a log is shown whole: its fields, its body as indented JSON, attributes, and the resource', async () => {
  const { code, stdout, stderr } = await show('shop', '1');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.split('\n');
  expect(lines[0]).toBe('s2://telemetry/shop#1');
  expect(lines.slice(1, 4)).toEqual(['  signal   logs', '  level    info', '  service  shop']);
  expect(lines).toContain('  time     2026-11-29T22:09:33.713000000Z');
  expect(lines).toContain(`  trace    ${TRACE_ID}`);
  expect(stdout).toMatch(/\n {2}stored {3}\d{4}-\d\d-\d\dT[\d:.]+Z\n {2}size {5}\d+ B\n/);
  expect(stdout).toContain('\nbody\n  {\n    "a": {\n      "b": [\n        1\n      ]\n    }\n  }\n');
  const below = `${' '.repeat(24)}`;
  expect(stdout).toContain(
    `\n  exception.stacktrace  Traceback:\n${below}  File "pay.py", line 88\n${below}timed out\n`,
  );
  expect(stdout).toContain('\nresource\n');
  expect(stdout).toContain('a\\x1b[2Jb');
});

test('a span of a language model is shown with its conversation, events and links', async () => {
  const { stdout } = await show('s2://telemetry/shop', '2');
  expect(stdout).toContain('\n  duration  1.82 s\n');
  expect(stdout).toContain('\n  status    error: timed out\n');
  expect(stdout).toContain(`\n  span      ${SPAN_ID}\n`);
  expect(stdout).toContain('\nconversation\n  │ user: Summarise\n  │ the incident\n');
  expect(stdout).toMatch(
    /\nevents\n {2}• timestamp +2026-.*\n {4}name +exception\n {4}attributes\.exception\.type +Timeout\n/,
  );
  expect(stdout).toMatch(/\nlinks\n {2}• traceId +a{32}\n/);
});

test('a record is named in each way, and without a number it is the last one', async () => {
  const [last] = await Promise.all([show('shop', '3')]);
  expect(last.stdout).toContain('\nheaders\n  kind  note\n');
  expect(last.stdout).toContain('\nbody\n  third\n  line\n');
  for (const args of [['shop#3'], ['s2://telemetry/shop#3'], ['shop']]) expect(await show(...args)).toEqual(last);
});

test('--json is the row with where and when it is stored, and --raw the bytes of its body', async () => {
  const json = JSON.parse((await show('shop', '3', '--json')).stdout) as object;
  expect(json).toMatchObject({ stream: 's2://telemetry/shop', bodyBytes: 10, seqNum: 3, body: 'third\nline' });
  expect((await show('shop', '3', '--raw')).stdout).toBe('third\nline');
});

test('--around shows a line for each record around it, and fewer at the ends', async () => {
  const { stdout } = await show('shop', '1', '--around', '2');
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^ {2}── Sun, 29 Nov 2026 ─+$/);
  expect(lines.slice(1, 5)).toEqual([
    expect.stringMatching(/^ {2} {5}0 22:09:33\.713 INFO {2}shop {5}order placed$/),
    expect.stringMatching(/^▸ {6}1 22:09:33\.713 INFO {2}shop/),
    expect.stringMatching(/^ {2} {5}2 22:09:35\.533 SPAN {2}shop {5}◂ chat gpt-4o {2}1\.82 s/),
    expect.stringMatching(/^ {2}── /),
  ]);
  expect(lines.indexOf('s2://telemetry/shop#1')).toBe(7);
  expect(await show('shop', '1', '--around', '101')).toMatchObject({ code: 2 });
  expect(await show('shop', '1', '--around', '100')).toMatchObject({ code: 0 });
});

describe('what is not there', () => {
  test('is said with the numbers that there are, with exit code 4', async () => {
    const none = await show('shop', '4');
    expect(none).toMatchObject({ code: 4, stdout: '' });
    expect(none.stderr).toBe('tailrace: s2://telemetry/shop has no record 4: it has 0..3\n');
    expect(await show('shopp', '4')).toMatchObject({ code: 4, stderr: expect.stringContaining('s2://telemetry/shop') });
    await runShell('for i in 1 2 3; do echo $i; done | tailrace append cut && tailrace trim cut 2', { server });
    expect((await show('cut', '1')).stderr).toBe('tailrace: s2://telemetry/cut has no record 1: it has 2..3\n');
  });

  test('is refused when flags contradict each other or a number is none', async () => {
    expect(await show('shop', 'x')).toMatchObject({ code: 2, stderr: expect.stringContaining('whole number') });
    expect(await show('shop', '1', '--raw', '--json')).toMatchObject({ code: 2 });
    expect(await show('shop', '1', '--json', '--around', '1')).toMatchObject({ code: 2 });
  });
});

(HAS_TERMINAL ? test : test.skip)(
  'a terminal gets the commands that lead on, and no control character of a record',
  async () => {
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token, NO_COLOR: '1' };
    const { screen, code } = await runAtTerminal(['show', 'shop', '1'], { prompt: '', typed: '', columns: 100, env });
    expect(code).toBe(0);
    expect(screen).toContain(
      `go on with:\r\n  tailrace trace ${TRACE_ID}\r\n  tailrace show s2://telemetry/shop 1 --around 3`,
    );
    expect(screen).not.toContain('\u001b');
    const raw = await runAtTerminal(['show', 'shop', '2', '--raw'], { prompt: '', typed: '', columns: 100, env });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what must not get through
    expect(raw.screen).not.toMatch(/[\u0000-\u0008\u000e-\u001f]/);
  },
);
