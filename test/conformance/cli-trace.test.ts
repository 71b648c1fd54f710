/** `tailrace trace` against a server: where it looks, several traces with one prefix, nothing found, a terminal and a pipe. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli } from '../support/cli.ts';
import { logs, post, SPAN_ID, spans, TRACE_ID } from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

const OTHER_TRACE = `5b8eaaaa${'0'.repeat(24)}`;
const nanos = (ms: number) => `${Date.parse('2026-11-29T22:09:33.000Z') + ms}000000`;

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const shop = { 'service.name': 'shop', 's2.stream': 'shop-eu' };
  const call = { startTimeUnixNano: nanos(0), endTimeUnixNano: nanos(2_431), kind: 2, name: 'POST /checkout' };
  // Open, then closed.
  await post(server, '/v1/traces', spans(shop, { ...call, endTimeUnixNano: undefined }));
  await post(server, '/v1/traces', spans(shop, { ...call, status: { code: 2, message: 'timed out' } }));
  const pay = { spanId: 'aaaaaaaaaaaaaaaa', parentSpanId: SPAN_ID, kind: 3, name: 'charge' };
  const payments = { 'service.name': 'payments', 's2.stream': 'payments' };
  const times = { startTimeUnixNano: nanos(430), endTimeUnixNano: nanos(2_430) };
  await post(server, '/v1/traces', spans(payments, { ...pay, ...times }));
  const said = { timeUnixNano: nanos(500), severityNumber: 13, traceId: TRACE_ID, spanId: SPAN_ID };
  await post(server, '/v1/logs', logs(payments, { ...said, body: { stringValue: 'retrying \u001b[2J' } }));
  await post(server, '/v1/traces', spans(shop, { ...call, traceId: OTHER_TRACE, name: 'GET /' }));
});

afterAll(async () => {
  await server.stop();
});

const trace = (...args: readonly string[]): Promise<CliResult> => runCli(['trace', ...args], { server });

test('a prefix finds the spans and logs of a trace in all streams, and a pipe gets them at 100 columns', async () => {
  const { code, stdout, stderr } = await trace('5b8efff7');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0]).toBe('2.43 s  2 spans  1 log  1 error');
  expect(lines[1]).toBe(`${TRACE_ID}  2026-11-29T22:09:33.000Z  payments, shop-eu`);
  expect(lines[3]).toMatch(/^ {3}0 s {2}▸ shop POST \/checkout {2}█+ 2\.43 s ✗ timed out$/);
  expect(lines[4]).toMatch(/^430 ms {4}◂ payments charge +[█▏▎▍▌▋▊▉]+ 2\.00 s$/u);
  expect(lines[5]).toBe('500 ms    WARN  payments retrying \\x1b[2J');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
});

test('ids come as people copy them: whole, in brackets, from a header', async () => {
  const [whole] = await Promise.all([trace(TRACE_ID)]);
  expect(whole.code).toBe(0);
  for (const id of [`⟨${TRACE_ID.slice(0, 8)}⟩`, `00-${TRACE_ID}-${SPAN_ID}-01`]) {
    expect(await trace(id)).toEqual(whole);
  }
});

test('--json is the tree', async () => {
  const { stdout } = await trace('5b8efff7', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ trace_id: TRACE_ID, duration_ms: 2431, spans: 2, logs: 1, errors: 1 },
    entries: [
      {
        type: 'POST /checkout',
        entries: [
          { offset_ms: 430, entries: [] },
          { body: 'retrying \u001b[2J', level: 'warn' },
        ],
      },
    ],
  });
});

describe('where it looks', () => {
  test('is in named streams, those of a glob, and in what came at a time', async () => {
    const spansIn = async (...args: string[]) => (await trace('5b8efff7', ...args)).stdout.split('\n')[0];
    expect(await spansIn('--stream', 'payments')).toBe('2.00 s  1 span  1 log');
    expect(await spansIn('--stream', 'shop-*')).toBe('2.43 s  1 span  1 error');
    expect(await spansIn('--stream', 's2://telemetry/payments', '--stream', 'shop-eu')).toMatch(/2 spans/);
    expect(await spansIn('--since', '2026-11-29T22:00:00Z')).toMatch(/2 spans {2}1 log/);
    expect(await spansIn('--since', '2026-11-29T22:00:00Z', '--stream', 'pay*')).toMatch(/1 span {2}1 log/);
  });

  test('is said when there is nothing, with exit code 4', async () => {
    const { code, stderr, stdout } = await trace('00000000');
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toContain('no trace whose id begins with 00000000 in 2 streams of s2://telemetry');
    const later = await trace('5b8efff7', '--until', '2020-01-01T00:00:00Z');
    expect(later.stderr).toContain('in 0 streams of s2://telemetry before 2020-01-01T00:00:00.000Z');
    expect(await trace('5b8efff7', '--basin', 'no-such-basin')).toMatchObject({ code: 4 });
  });
});

test('several traces with the prefix are listed, and more digits are asked for, with exit code 2', async () => {
  const { code, stdout, stderr } = await trace('5b8e');
  expect(code).toBe(2);
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0]).toBe(`TRACE${' '.repeat(29)}BEGAN${' '.repeat(21)}DURATION  SPANS  LOGS  ERRORS  WHAT`);
  expect(
    lines
      .slice(1)
      .map((line) => line.slice(0, 32))
      .sort(),
  ).toEqual([OTHER_TRACE, TRACE_ID].sort());
  expect(stderr).toContain('2 traces begin with 5b8e: give more digits of one');
});

test.each([
  ['5b8', '4 to 32 hexadecimal digits'],
  ['xyzw', '4 to 32 hexadecimal digits'],
  ['0'.repeat(33), '4 to 32 hexadecimal digits'],
])('%s is no beginning of an id', async (id, words) => {
  expect(await trace(id)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
});

test('names of two basins, and a glob beside a name, are refused', async () => {
  const both = await trace('5b8e', '--basin', 'telemetry', '--stream', 's2://other-basin/x');
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('one search is in one basin') });
  const glob = await trace('5b8e', '--stream', 'a', '--stream', 'b*');
  expect(glob).toMatchObject({ code: 2, stderr: expect.stringContaining('stands alone') });
});

(HAS_TERMINAL ? test : test.skip)('a terminal gets it as wide as it is, in colours and in its own time', async () => {
  const target = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token, TZ: 'Asia/Kolkata' };
  const setup = { prompt: '', typed: '', columns: 80, env: target };
  const { screen, code } = await runAtTerminal(['trace', '5b8efff7'], setup);
  expect(code).toBe(0);
  expect(screen).toContain('Mon Nov 30 2026 03:39:33');
  expect(screen).toContain('\u001b[31m✗ timed out\u001b[39m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours
  const plain = screen.replaceAll(/\u001b\[\d+m/g, '').split('\r\n');
  expect(Math.max(...plain.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(plain.join('')).not.toContain('\u001b');
});
