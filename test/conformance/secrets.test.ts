/**
 * The whole life of a server at its most verbose log level, with secrets issued, used, mistyped and put in wrong
 * places. No secret is in its directory, its log, a backup, a copy, or the output of commands, except where it belongs.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, type CliSetup, runCli } from '../support/cli.ts';
import { type Call, type CallResponse, call } from '../support/http-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { startSeamsServer } from '../support/seams.ts';
import { expectNoLeaks, type Leak, leaksBelow, leaksIn, rememberSecret, secretsKnown } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const SCOPE = { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['append', 'read'] };
const KEY = Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64');

let folder: string;
let dataDir: string;
let server: TestServer;
let root: RecordsClient;
/** Everything that commands wrote to stderr. */
let said = '';
/** Everything that servers wrote. */
let logged = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-secrets-'));
  dataDir = join(folder, 'data');
  mkdirSync(dataDir);
  await start();
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await startServer({ dataDir, args: ['--log-level', 'trace'] });
  root = new RecordsClient(server);
}

/** Also looks for secrets, as every end of a server under test does. */
async function end(how: 'stop' | 'kill'): Promise<void> {
  await server[how]();
  logged += server.stdout() + server.stderr();
}

async function issue(id: string, scope: object = SCOPE): Promise<string> {
  const [status, body] = await root.control('POST', '/v1/access-tokens', { id, scope });
  expect([id, status]).toEqual([id, 201]);
  return (body as { access_token: string }).access_token;
}

async function ticketFor(stream: string): Promise<string> {
  const [, body] = await root.control('POST', '/v1/tickets', { basin: 'telemetry', stream, operation: 'read' });
  return (body as { ticket: string }).ticket;
}

/** Nearly the right one. */
function mistyped(secret: string): string {
  const wrong = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0');
  rememberSecret('mistyped token', wrong);
  return wrong;
}

async function cli(args: readonly string[], setup: CliSetup = { server }): Promise<CliResult> {
  const result = await runCli(args, { cwd: folder, ...setup });
  said += result.stderr;
  return result;
}

test('a server accepts each kind of secret for its purpose', async () => {
  const before = secretsKnown();
  const secret = await issue('kept');
  const client = new RecordsClient({ port: server.port, token: secret });
  await client.texts('open', 'hello');
  await root.append('open', { records: [{ body: 'closed' }] }, { 's2-encryption-key': KEY });

  const [, rotated] = await root.control('POST', '/v1/access-tokens/kept/rotate');
  expect((await client.append('open', { records: [{ body: 'x' }] }))[0]).toBe(401);
  await issue('gone');
  expect((await root.control('DELETE', '/v1/access-tokens/gone'))[0]).toBe(204);
  expect((await root.control('GET', '/v1/access-tokens'))[0]).toBe(200);
  const { access_token: credential } = rotated as { access_token: string };
  const exchanged = await post('/v1/ingest-token/exchange', JSON.stringify({ credential }), {});
  const { token: jwt } = JSON.parse(exchanged.body.toString()) as { token: string };
  const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }] };
  const sent = await post('/v1/logs', JSON.stringify(logs), { authorization: `Bearer ${jwt}` });
  expect(sent.status).toBe(200);

  const path = '/v1/streams/open/records?seq_num=0&count=1';
  const bySocket = new Reader(`ws://127.0.0.1:${server.port}${path}&ticket=${await ticketFor('open')}`);
  expect((await bySocket.ended).code).toBe(1000);
  const byEvents = await fetch(`${server.url}${path}&ticket=${await ticketFor('open')}`, {
    headers: { accept: 'text/event-stream' },
  });
  expect([byEvents.status, await byEvents.text()]).toEqual([200, expect.stringContaining('hello')]);
  const byProtocol = new Reader(`ws://127.0.0.1:${server.port}${path}`, ['s2.v1.json', `bearer.${credential}`]);
  expect((await byProtocol.ended).code).toBeGreaterThan(0);
  const holder = new RecordsClient({ port: server.port, token: credential });
  const [, issued] = await holder.control('POST', '/v1/logins');
  const { login } = issued as { login: string };
  const signedIn = await post('/v1/logins/exchange', JSON.stringify({ login }), {});
  const { access_token: session } = JSON.parse(signedIn.body.toString()) as { access_token: string };
  const page = new RecordsClient({ port: server.port, token: session });
  expect([(await page.read('open', '?seq_num=0'))[0], (await page.control('DELETE', '/v1/logins/current'))[0]]).toEqual(
    [200, 204],
  );
  expect(secretsKnown()).toBeGreaterThanOrEqual(before + 9);
});

test('a server refuses wrong secrets, and right ones in wrong places, over both HTTP versions', async () => {
  const secret = await issue('misplaced');
  const exchanged = await post('/v1/ingest-token/exchange', JSON.stringify({ credential: secret }), {});
  const { token: jwt } = JSON.parse(exchanged.body.toString()) as { token: string };
  const http2 = await connectHttp2(server.url);
  for (const shown of [secret, mistyped(secret), jwt]) {
    for (const wrong of misplaced(shown)) {
      const statuses = [(await call(server.port, wrong)).status, (await http2.call(wrong)).status];
      expect([wrong.path, statuses.every((status) => status >= 400)]).toEqual([wrong.path, true]);
    }
    const answers = [
      await call(server.port, { method: 'GET', path: '/health', headers: { 'x-correlation-id': shown } }),
      await http2.call({ method: 'GET', path: '/health', headers: { 'x-correlation-id': shown } }),
    ];
    for (const { headers } of answers) expect(headers['x-correlation-id']).not.toBe(shown);
  }
  await http2.close();

  const used = await ticketFor('open');
  for (const wrong of [used, used, mistyped(used)]) {
    await new Reader(`ws://127.0.0.1:${server.port}/v1/streams/open/records?ticket=${wrong}&count=1&seq_num=0`).ended;
  }
  const offered = `bearer.${mistyped(secret)}`;
  await new Reader(`ws://127.0.0.1:${server.port}/v1/streams/open/records`, ['s2.v1.json', offered]).ended;
  // They were logged: a secret that is not logged at all cannot be redacted.
  expect(server.stderr()).toContain('[secret]');
});

test('a server uses secrets before and after kill -9', async () => {
  let issuing = true;
  const work = (async () => {
    for (let i = 0; issuing; i++) await issue(`amid-${i}`);
  })().catch(() => {});
  const seen = secretsKnown();
  while (secretsKnown() < seen + 20) await new Promise((resolve) => setImmediate(resolve));
  await end('kill');
  issuing = false;
  await work;
  await start();
  expect((await root.control('GET', '/v1/access-tokens/amid-0'))[0]).toBe(200);
});

test('commands accept and refuse secrets', async () => {
  await sayAll();
});

test('backups and copies are made of a store that knows secrets', async () => {
  const metrics = await call(server.port, { method: 'GET', path: '/metrics', headers: root.headers() });
  expect([metrics.status, leaksIn('/metrics', metrics.body)]).toEqual([200, []]);
  expect((await cli(['backup', join(folder, 'file.backup')])).code).toBe(0);
  await end('stop');
  for (const args of [
    ['verify', join(folder, 'file.backup')],
    ['verify', '--data-dir', dataDir],
    ['restore', join(folder, 'file.backup'), '--data-dir', join(folder, 'restored')],
    ['compact', '--data-dir', dataDir, '--to', join(folder, 'compacted')],
    ['root-token', 'reset', '--data-dir', dataDir],
  ]) {
    expect([args, (await cli(args, {})).code]).toEqual([args, 0]);
  }
  // The new one is known from here on, and the old one must be gone with its file.
  rememberSecret('root token', readFileSync(join(dataDir, 'root-token'), 'utf8').trim());
  await start();
  await end('stop');
});

test('no secret is left anywhere except where it belongs', async () => {
  expect(secretsKnown()).toBeGreaterThan(30);
  expect(logged).toContain('refused');
  expect(said).toContain('tailrace: ');
  const leaks = [...leaksIn('logs', Buffer.from(logged)), ...leaksIn('stderr of commands', Buffer.from(said))];
  expectNoLeaks([...leaks, ...(await leaksBelow(folder))]);
});

/** Commands with secrets, most of them wrong, in right and in wrong places. */
async function sayAll(): Promise<void> {
  const env = { TAILRACE_ENDPOINT: server.url, XDG_CONFIG_HOME: join(folder, 'config') };
  const issued = await cli(['tokens', 'issue', 'by-cli', '--ops', 'read', '--basins-prefix', '']);
  const secret = issued.stdout.trim();
  expect(secret).toMatch(/^trk_/);
  const wrong = mistyped(secret);
  const runs: readonly (readonly [readonly string[], CliSetup?])[] = [
    [['tokens', 'rotate', 'by-cli']],
    [['whoami'], { env: { ...env, TAILRACE_TOKEN: wrong } }],
    [['ls'], { env: { ...env, TAILRACE_TOKEN: wrong } }],
    [['doctor'], { env: { ...env, TAILRACE_TOKEN: wrong } }],
    [['ls', '--token', wrong], { env }],
    [['ls', `--tokn=${wrong}`], { env }],
    [['ls', wrong], { env }],
    [['tail', wrong, '--no-follow'], { server }],
    [['ls', '--token-file', wrong], { env }],
    [['tokens', 'get', wrong], { server }],
    [['context', 'use', wrong], { env }],
    [['ls', '--endpoint', `http://root:${wrong}@127.0.0.1:${server.port}`], { env }],
    [['serve', '--root-token-file', wrong, '--data-dir', join(folder, 'none')], { env }],
    [['serve', '--data-dir', join(folder, 'none')], { env: { ...env, TAILRACE_ROOT_TOKEN: wrong.slice(0, 31) } }],
  ];
  const results = await Promise.all(runs.map(([args, setup]) => cli(args, setup)));
  expect(results.slice(1).map(({ code }) => code)).not.toContain(0);
  expect(results[0]?.code).toBe(0);
}

/** Requests with a secret at a wrong place; each is refused. */
function misplaced(secret: string): readonly Call[] {
  const headers = root.headers();
  const basic = `Basic ${Buffer.from(`root:${secret}`).toString('base64')}`;
  const exporter = { authorization: headers.authorization ?? '' };
  return [
    { method: 'GET', path: `/v1/streams?token=${secret}` },
    { method: 'GET', path: `/v1/streams?access_token=${secret}` },
    { method: 'GET', path: `/v1/streams?limit=${secret}`, headers },
    { method: 'GET', path: `/${secret}` },
    { path: `/${secret}/v1/logs` },
    { method: 'GET', path: `/v1/streams/${secret}/records?seq_num=0` },
    { method: 'GET', path: `/v1/streams/${secret}/records?seq_num=0`, headers },
    { method: 'GET', path: `/v1/streams/${secret.replace('_', '%5F')}/records?seq_num=0`, headers },
    { method: 'GET', path: '/v1/streams', headers: { ...headers, 's2-basin': secret } },
    { method: 'GET', path: '/v1/streams', headers: { authorization: basic } },
    { method: 'GET', path: '/v1/streams', headers: { authorization: secret } },
    { method: 'GET', path: '/v1/streams', headers: { authorization: `Bearer ${secret} ${secret}` } },
    { method: 'GET', path: '/v1/streams', headers: { authorization: `Bearer%20${secret}` } },
    { path: '/v1/access-tokens', headers: { ...headers, ...JSON_TYPE }, body: `{"id":"x","scope":${secret}` },
    { path: '/v1/access-tokens', headers: { ...headers, ...JSON_TYPE }, body: `"${secret}"` },
    {
      path: '/v1/access-tokens',
      headers: { ...headers, ...JSON_TYPE },
      body: JSON.stringify({ id: 'x', scope: { ops: [secret] }, limits: { profile: secret } }),
    },
    {
      path: '/v1/access-tokens',
      headers: { ...headers, ...JSON_TYPE },
      body: JSON.stringify({ id: 'x', scope: { ops: ['read'] }, limits: { profile: secret } }),
    },
    { path: '/v1/ingest-token/exchange', headers: JSON_TYPE, body: `{"credential":"${secret}"` },
    { path: '/v1/ingest-token/exchange', headers: JSON_TYPE, body: `{"credential":"Bearer ${secret}"}` },
    { path: '/v1/logins/exchange', headers: JSON_TYPE, body: `{"login":"${secret}"}` },
    { path: '/v1/logins', headers: { ...headers, ...JSON_TYPE }, body: `{"${secret}":1}` },
    { path: `/v1/logins/${secret}`, headers: { ...headers, ...JSON_TYPE }, body: '{}' },
    { path: '/v1/logs', headers: { ...exporter, ...JSON_TYPE }, body: `{"resourceLogs":${secret}}` },
    { path: '/v1/logs', headers: { ...exporter, 'content-type': 'application/x-protobuf' }, body: `\xff${secret}` },
    { path: '/v1/logs', headers: { ...exporter, 'content-type': secret }, body: '{}' },
  ];
}

function post(path: string, body: string, headers: Readonly<Record<string, string>>): Promise<CallResponse> {
  return call(server.port, { path, headers: { ...JSON_TYPE, ...headers }, body });
}

describe('the search finds', () => {
  const outcome = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : 'nothing was found');

  test.each([
    ['log', 'stderr holds a secret: root token, as it is'],
    ['row', /tailrace\.mdb holds a secret: root token, base64/],
  ] as const)('a secret that a server leaks into its %s', async (leak, expected) => {
    const leaky = await startSeamsServer({ leak });
    await new RecordsClient(leaky).texts('open', 'hello');
    const found = await leaky.stop().then(outcome, outcome);
    expect(found).toMatch(expected);
    expect(found).not.toContain(leaky.token.slice(-20));
    // The file for the root token is not reported.
    expect(found).not.toContain('root-token');
  });

  const secret = `trk_${'3f9a1c7e05b2d846'.repeat(3)}`;
  test.each<readonly [string, (text: Buffer) => Buffer | string]>([
    ['as it is', (text) => text],
    ['its first half', (text) => text.subarray(0, 30)],
    ['its second half', (text) => text.subarray(-30)],
    ['hexadecimal', (text) => text.toString('hex')],
    ['its random bytes', (text) => Buffer.from(text.subarray(4).toString(), 'hex')],
    ['base64', (text) => text.toString('base64')],
    ['base64', (text) => Buffer.concat([Buffer.from('a'), text]).toString('base64')],
    ['base64', (text) => Buffer.concat([Buffer.from('ab'), text, Buffer.from('c')]).toString('base64')],
  ])('a secret in the form: %s', (form, written) => {
    rememberSecret('a made-up one', secret);
    const bytes = Buffer.concat([Buffer.alloc(777), Buffer.from(written(Buffer.from(secret))), Buffer.alloc(3)]);
    const leaks: Leak[] = leaksIn('here', bytes);
    expect(leaks).toContainEqual({ place: 'here', kind: 'a made-up one', form });
    expect(leaksIn('here', Buffer.alloc(777))).toEqual([]);
  });

  test.each([
    ['percent-encoded', encodeURIComponent(KEY)],
    ['its decoded bytes', Buffer.from(KEY, 'base64')],
  ])('a key in the form: %s', (form, written) => {
    rememberSecret('encryption key', KEY);
    expect(leaksIn('here', Buffer.from(written))).toContainEqual({ place: 'here', kind: 'encryption key', form });
  });
});
