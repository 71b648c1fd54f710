/** `tailrace senders` and the last line of `tailrace doctor`: whether anything arrives, from whom, and why not. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli, startCli } from '../support/cli.ts';
import { call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-senders-'));
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server, cwd: folder });

interface Sending {
  readonly agent: string;
  readonly path?: string;
  readonly token?: string;
  readonly stream?: string;
  readonly service?: string;
  /** Of the record. */
  readonly ms?: number;
  readonly basin?: string;
}

async function send({ agent, path = '/v1/logs', token, ms = Date.now(), basin, ...named }: Sending): Promise<number> {
  const { stream = 'shop', service = 'checkout' } = named;
  const attributes = Object.entries({
    's2.stream': stream,
    'service.name': service,
    'telemetry.sdk.language': 'python',
    'telemetry.sdk.version': '1.45.2',
  }).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  const logRecords = [{ timeUnixNano: `${ms}000000`, body: { stringValue: 'x' } }];
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
  const headers = {
    'user-agent': agent,
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(basin === undefined ? {} : { 's2-basin': basin }),
  };
  return (await call(server.port, { path, headers, body })).status;
}

/** The last finding of doctor, with the lines below it. */
async function lastFinding(): Promise<string> {
  const { code, stdout } = await run('doctor', '--endpoint', server.url);
  expect(code).toBe(0);
  return stdout.slice(stdout.search(/^(\w+ +data|arriving) /m));
}

test('nothing has arrived yet: both say so, and how to try', async () => {
  const seen = await run('senders');
  expect(seen).toMatchObject({ code: 0, stdout: '' });
  expect(seen.stderr).toMatch(/^nothing has arrived since the server started at \d{4}-.*Z: `tailrace doctor` checks/);
  expect(await lastFinding()).toMatch(
    /^warning {2}data {4}nothing since the server started \d+ \w+ ago\n {17}fix: set OTEL_EXPORTER_OTLP_ENDPOINT /,
  );
});

test('while every request is refused, both say who, why, and the fix', async () => {
  expect(await send({ agent: 'python-exporter/1', token: 'trk_unknown' })).toBe(401);
  expect(await send({ agent: 'python-exporter/1' })).toBe(401);
  const { code, stdout, stderr } = await run('senders');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^LAST +FROM +SERVICE +SDK +SIGNALS +BASIN +ACCEPTED +REJECTED +REFUSED$/);
  expect(lines[1]).toMatch(/^\d+ s ago +127\.0\.0\.1 +- +python-exporter\/1 +- +- +0 +0 +2$/);
  expect(lines[2]).toMatch(/^ {2}401 2 times, last \d+ s ago, POST \/v1\/logs: a token is needed: send the header /);
  expect(lines[3]).toMatch(/^ {4}fix: set OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20<token>"/);
  expect(lines.slice(4)).toEqual(['']);
  const finding = await lastFinding();
  expect(finding).toMatch(/^warning {2}data {4}nothing was stored since the server started \d+ \w+ ago: 401 2 times, /);
  expect(finding).toMatch(
    /POST \/v1\/logs from 127\.0\.0\.1 \(python-exporter\/1\): a token is needed: .*\n +fix: set OTEL/,
  );
});

test('what arrives is in a table, and doctor ends with each signal, from whom and when last', async () => {
  expect(await send({ agent: 'good', token: server.token })).toBe(200);
  const { stdout } = await run('senders');
  const [header = '', row = ''] = stdout.split('\n');
  expect(row).toMatch(/^\d+ s ago +127\.0\.0\.1 +checkout +python 1\.45\.2 +logs +telemetry +1 +0 +0$/);
  for (const title of ['SERVICE', 'SDK', 'BASIN']) expect(row[header.indexOf(title)]).toMatch(/\w/);
  expect(row[header.indexOf('REJECTED') - 3]).toBe('1');
  const finding = await lastFinding();
  expect(finding).toMatch(/^warning {2}data {4}401 2 times, /);
  expect(finding).toMatch(
    /\narriving {2}logs \d+ s ago from 127\.0\.0\.1 \(python 1\.45\.2\), traces never, metrics never\n$/,
  );
});

test('what is rejected, a wrong path and a wrong clock have a line and the fix', async () => {
  const token = server.token;
  expect(await send({ agent: 'rejected', token, stream: '..', service: 'wrong-stream' })).toBe(200);
  expect(await send({ agent: 'lost', token, path: '/v1/v1/logs' })).toBe(404);
  const grpc = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
  expect(await send({ agent: 'grpc-client', token, path: grpc })).toBe(404);
  expect(await send({ agent: 'late', token, service: 'slow-clock', ms: Date.now() - 7_200_000 })).toBe(200);
  expect(await send({ agent: 'early', token, service: 'fast-clock', ms: Date.now() + 3_600_000 })).toBe(200);
  const { stdout } = await run('senders');
  expect(stdout).toMatch(/ wrong-stream .* 0 +1 +0\n {2}rejected 1 logs: s2\.stream is not a valid stream name: /);
  expect(stdout).toMatch(
    / lost .*\n {2}404 1 time, last \d+ s ago, POST \/v1\/v1\/logs: no such path: logs go to http/,
  );
  expect(stdout).toMatch(
    / grpc-client .*\n {2}404 1 time, .*\n {4}fix: set OTEL_EXPORTER_OTLP_PROTOCOL=http\/protobuf/,
  );
  expect(stdout).toMatch(/ slow-clock .*\n {2}its newest data is 2h\S* behind this server\n {4}fix: set the clock of /);
  expect(stdout).toMatch(/ fast-clock .*\n {2}its newest data is \S+ ahead of this server\n {4}fix: set the clock of /);
});

describe('senders', () => {
  test('prints JSON lines as the API has them, and more columns when asked to', async () => {
    const [json, short, wide] = await Promise.all([
      run('senders', '-o', 'json'),
      run('senders', '--json', '-n', '1'),
      run('senders', '-o', 'wide'),
    ]);
    const rows = json.stdout.split('\n').filter((line) => line !== '');
    expect(rows.map((line) => JSON.parse(line) as unknown)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ user_agent: 'good', token: 'root', streams: ['shop'], encodings: ['json'] }),
      ]),
    );
    expect(short).toMatchObject({ stdout: `${rows[0]}\n`, stderr: 'there are more, which sent before these\n' });
    expect(wide.stdout).toMatch(/^LAST .* REFUSED +ACK P99 +TOKEN +OVER +SINCE +CLOCK +STREAMS +USER-AGENT\n/);
    expect(wide.stdout).toMatch(/ checkout .* 0 +[\d.]+ m?s +root +http json +\d+ s ago +[+-]?\d+ s +shop +good\n/);
    expect(await run('senders', '--json', '-o', 'wide')).toMatchObject({ code: 2, stdout: '' });
  });

  test('of a basin are those of it', async () => {
    const seen = await run('senders', 's2://telemetry', '--json');
    const basins = seen.stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as object]));
    expect(new Set(basins.map((row) => (row as { basin: unknown }).basin))).toEqual(new Set(['telemetry']));
    expect(await run('senders', 's2://elsewhere-1', '--json')).toMatchObject({ code: 0, stdout: '' });
  });

  test('are those of its own basin for a token that may ask only there', async () => {
    const scope = ['--basins-exact', 'telemetry', '--streams-prefix', ''];
    const issued = await run('tokens', 'issue', 'of-basin', ...scope, '--ops', 'basin-metrics');
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: issued.stdout.trim() };
    const seen = await runCli(['senders'], { env, cwd: folder });
    expect(seen).toMatchObject({ code: 0, stderr: '' });
    expect(seen.stdout).toContain(' checkout ');
    expect(seen.stdout).not.toContain('401');
    const none = await run('tokens', 'issue', 'of-none', ...scope, '--ops', 'append');
    const denied = { ...env, TAILRACE_TOKEN: none.stdout.trim() };
    expect(await runCli(['senders'], { env: denied, cwd: folder })).toMatchObject({ code: 3, stdout: '' });
    const found = await runCli(['doctor'], { env: denied, cwd: folder });
    expect(found.stdout).toContain('ok       data    this token may not see who sends\n');
  });

  test('show no control characters that a sender wrote', async () => {
    expect(await send({ agent: 'evil', token: server.token, service: 'a\u001b[2J\nb\u009b' })).toBe(200);
    for (const args of [[], ['-o', 'json'], ['-o', 'wide'], ['--color', 'never']]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect((await run('senders', ...args)).stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
    expect((await run('senders')).stdout).toContain('a\\x1b[2J\\x0ab\\x9b');
  });

  test('are followed: each one that sends is printed again, until the command is interrupted', async () => {
    const following = startCli(['senders', '-f'], { server, cwd: folder });
    await following.saw(' checkout ');
    const before = following.stdout().length;
    expect(await send({ agent: 'good', token: server.token })).toBe(200);
    await following.saw(' telemetry         2         0        0\n');
    const { code, stdout } = await following.stop('SIGINT');
    expect(code).toBe(130);
    expect(stdout.slice(before)).toMatch(/^\d+ s ago .* checkout .* 2 +0 +0$/m);
    expect(stdout.match(/^LAST /gm)).toHaveLength(1);
  });
});

test('data for another basin than the usual one is said to go there', async () => {
  const made = await run('basins', 'create', 'elsewhere', '--create-stream-on-append');
  expect(made.code).toBe(0);
  expect(await send({ agent: 'astray', token: server.token, basin: 'elsewhere' })).toBe(200);
  expect(await lastFinding()).toMatch(
    /(?:^|\n)arriving {2}logs \d+ s ago from 127\.0\.0\.1 \(python 1\.45\.2\) into s2:\/\/elsewhere, traces never, metrics never\n$/,
  );
});

test('what was repaired has a line', async () => {
  expect(await send({ agent: 'odd', token: server.token, service: 'half \ud83d' })).toBe(200);
  expect((await run('senders')).stdout).toMatch(
    / half \ufffd .*\n {2}took 1 time in logs: repaired strings: not UTF-8/,
  );
});
