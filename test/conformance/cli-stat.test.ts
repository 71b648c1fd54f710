/** `tailrace stat`: what one stream holds, tables of several, counts and sums in a pipe, as JSON and on a terminal. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';
import { type CliResult, runCli } from '../support/cli.ts';
import { logs, post, spans } from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

const START = Date.parse('2026-11-29T22:09:00.000Z');
const nanos = (ms: number) => `${START + ms}000000`;

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const shop = { 'service.name': 'shop', 's2.stream': 'shop' };
  const levels = [9, 9, 9, 17, 5, 9];
  const at = [0, 1, 2, 3, 180, 181];
  const records = levels.map((severityNumber, i) => ({
    ...{ timeUnixNano: nanos((at[i] ?? 0) * 1_000), severityNumber },
    body: { stringValue: 'x' },
  }));
  await post(server, '/v1/logs', logs(shop, ...records));
  const span = (name: string, ms: number) => ({ name, startTimeUnixNano: nanos(0), endTimeUnixNano: nanos(ms) });
  const calls = [span('GET /', 100), span('GET /', 300), span('POST /', 2_000)];
  for (const [i, call] of calls.entries()) {
    const resource = { 'service.name': 'shop', 's2.stream': 'shop-calls' };
    await post(server, '/v1/traces', spans(resource, { ...call, spanId: `eee19b7ec3c1b17${i}` }));
  }
});

afterAll(async () => {
  await server.stop();
});

const stat = (...args: readonly string[]): Promise<CliResult> => runCli(['stat', ...args], { server });
const linesOf = ({ stdout }: CliResult) => stdout.trimEnd().split('\n');

describe('without anything to count', () => {
  test('one stream is a line with its records, times, size, retention, and readers', async () => {
    const reader = new AbortController();
    const frames = createClient({ endpoint: server.url, token: server.token }).read('shop', {
      ...{ view: 'text', start: { seqNum: 0 }, signal: reader.signal },
    });
    for await (const frame of frames) {
      if (frame.type !== 'caught_up') continue;
      const { code, stdout } = await stat('shop');
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^s2:\/\/telemetry\/shop {2}records 0\.\.5 {2}oldest 2026-11-29T22:09:00\.000Z {2}newest 2026-11-29T22:12:01\.000Z {2}\d+ B( {2}[\d.]+\/s)? {2}kept .+ {2}readers 1 \(lag 0\)\n$/,
      );
      break;
    }
    reader.abort();
    await runCli(['streams', 'create', 's2://telemetry/empty', '--retention-policy', '7d'], { server });
    expect((await stat('empty')).stdout).toBe('s2://telemetry/empty  records none  0 B  kept 7d  readers 0\n');
    const json = JSON.parse((await stat('shop', '--json')).stdout) as object;
    expect(json).toMatchObject({ stream: 's2://telemetry/shop', figures: { records: 6 }, deleting: false });
  });

  test('several streams, or those of a glob, are a table', async () => {
    const lines = linesOf(await stat('shop*'));
    expect(lines[0]).toMatch(/^STREAM +RECORDS +SIZE +OLDEST +NEWEST +RATE$/);
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^s2:\/\/telemetry\/shop +6 +\d+ B +2026-\S+ +2026-\S+ +\S+$/),
      expect.stringMatching(/^s2:\/\/telemetry\/shop-calls +3 +\d+ B /),
    ]);
    expect(linesOf(await stat('shop', 'shop-calls'))).toHaveLength(3);
    const rows = linesOf(await stat('*-calls', '--json')).map((line) => JSON.parse(line) as object);
    expect(rows).toEqual([expect.objectContaining({ stream: 's2://telemetry/shop-calls' })]);
    const none = await stat('no*');
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('no streams match no*') });
  });

  test('a stream that does not exist is said with the nearest name, and one who may only read it gets its records', async () => {
    expect(await stat('shopp')).toMatchObject({ code: 4, stderr: expect.stringContaining('s2://telemetry/shop') });
    const grants = ['--basins-exact', 'telemetry', '--streams-exact', 'shop', '--ops', 'read,check-tail'];
    const issued = await runCli(['tokens', 'issue', 'reads-only', ...grants], { server });
    const env = { TAILRACE_TOKEN: issued.stdout.trim() };
    const { code, stdout } = await runCli(['stat', 'shop'], { server, env });
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('s2://telemetry/shop') });
  });
});

describe('counts', () => {
  test('--levels has the most serious first, with a bar', async () => {
    expect(linesOf(await stat('shop', '--levels'))).toEqual([
      'LEVEL  COUNT',
      'error      1  ██████',
      'info       4  ████████████████████████',
      'debug      1  ██████',
    ]);
  });

  test('--histogram has every bucket between the first and the last, also the empty ones', async () => {
    expect(linesOf(await stat('shop', '--histogram', '1m'))).toEqual([
      'TIME                      COUNT',
      '2026-11-29T22:09:00.000Z      4  ████████████████████████',
      '2026-11-29T22:10:00.000Z      0',
      '2026-11-29T22:11:00.000Z      0',
      '2026-11-29T22:12:00.000Z      2  ████████████',
    ]);
    expect(linesOf(await stat('shop', '--histogram', '1m', '--since', '2026-11-29T22:10:00Z'))).toHaveLength(2);
    expect(linesOf(await stat('shop', '--histogram', '1m', '--until', '2026-11-29T22:10:00Z'))).toHaveLength(2);
  });

  test('--sum has quantiles by group, the largest sum first, and durations have their unit', async () => {
    const lines = linesOf(await stat('shop-calls', '--sum', 'durationMs', '--by', 'name'));
    expect(lines[0]).toMatch(/^NAME +COUNT +SUM +MIN +AVG +P50 +P95 +P99 +MAX$/);
    expect(lines[2]).toMatch(/^GET \/ +2 +400 ms +100 ms +200 ms +\S+ ms .* 300 ms {2}█+.?$/);
    expect(lines[1]).toMatch(/^POST \/ +1 +2\.00 s +2\.00 s .* {2}█{24}$/);
    const [row] = linesOf(await stat('shop-calls', '--sum', 'durationMs', '--by', 'name,service', '--json'));
    expect(JSON.parse(row ?? '')).toMatchObject({
      ...{ stream: 's2://telemetry/shop-calls', group: { name: 'GET /', service: 'shop' }, count: 2, sum: 400 },
    });
  });

  test('of several streams each has its own, and a filter that wants nothing says so', async () => {
    expect(linesOf(await stat('shop*', '--by', 'signal'))).toEqual([
      ...['s2://telemetry/shop', 'SIGNAL  COUNT', 'logs        6  ████████████████████████'],
      ...['s2://telemetry/shop-calls', 'SIGNAL  COUNT', 'traces      3  ████████████████████████'],
    ]);
    const none = await stat('shop', '--filter', 'level=fatal');
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('none of 6 records counts') });
  });

  test('columns that do not exist and two widths are refused', async () => {
    expect(await stat('shop', '--sum', 'durationsMs')).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('durationMs') },
    });
    expect(await stat('shop', '--histogram', '7')).toMatchObject({ code: 2, stderr: expect.stringContaining('90s') });
    expect(await stat('shop', '--histogram', '1m', '--interval', '1h')).toMatchObject({ code: 2 });
  });
});

(HAS_TERMINAL ? test : test.skip)('a terminal gets lines as wide as it is and how long ago things were', async () => {
  const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token, NO_COLOR: '1', TZ: 'Asia/Kolkata' };
  const setup = { prompt: '', typed: '', columns: 60, env };
  const { screen, code } = await runAtTerminal(['stat', 'shop'], setup);
  expect(code).toBe(0);
  const lines = screen.trimEnd().split('\r\n');
  expect(lines.length).toBeGreaterThan(1);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  expect(screen).toMatch(/newest \d+ \w+ ago/);
  const counted = await runAtTerminal(['stat', 'shop', '--histogram', '1m'], setup);
  // Half past five hours ahead of UTC.
  expect(counted.screen).toContain('2026-11-30 03:39      4  ████');
});
