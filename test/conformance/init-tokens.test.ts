/** Access tokens that `--init-file` declares, on a real server: they exist before the first request, at every start. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { failToStart, startServer, type TestServer } from '../support/server.ts';

let dir: string;
let file: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-init-tokens-'));
  file = path.join(dir, 'init.json');
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('tokens work from the first request on, with JWTs exchanged for them, until the file changes', async () => {
  const dataDir = path.join(dir, 'tokens');
  declareToken(['append', 'read']);
  let server = await startServer({ dataDir, args: ['--init-file', file] });
  expect(server.stderr()).toMatch(/"created":1.*applied the access tokens of the init file/);
  const made = secret();
  expect(await sendWith(server, made)).toBe(200);
  const jwt = await exchange(server, made);
  await server.stop();

  // The same again: earlier exchanges remain valid.
  declareToken(['read', 'append']);
  server = await startServer({ dataDir, args: ['--init-file', file] });
  expect(server.stderr()).toMatch(/"unchanged":1.*applied the access tokens of the init file/);
  expect([await whoami(server, made), await sendWith(server, jwt)]).toEqual([200, 200]);
  await server.stop();

  const given = `given-${'x'.repeat(40)}`;
  writeFileSync(secretFile(), `${given}\n`);
  server = await startServer({ dataDir, args: ['--init-file', file] });
  expect(server.stderr()).toMatch(/"rotated":1/);
  expect([await whoami(server, given), await whoami(server, made), await sendWith(server, jwt)]).toEqual([
    200, 401, 401,
  ]);
  expect(server.stderr() + server.stdout()).not.toContain(given);
  await server.kill();

  declareToken(['read']);
  server = await startServer({ dataDir, args: ['--init-file', file] });
  expect(server.stderr()).toMatch(/"replaced":1/);
  expect([await whoami(server, given), await sendWith(server, given)]).toEqual([200, 403]);
  await server.stop();

  // It is not declared any more: it stays.
  server = await startServer({ dataDir });
  expect(await whoami(server, given)).toBe(200);
  await server.stop();
});

test('a server with a mistake in a token does not start, and prints no secret', async () => {
  const dataDir = path.join(dir, 'mistaken');
  const inline = 'inline-secret-of-some-forty-characters-00';
  writeFileSync(file, JSON.stringify({ access_tokens: [{ ...token(['read']), secret: inline }] }));
  const failed = await failToStart({ dataDir, args: ['--init-file', file] });
  expect([failed.code, failed.stdout]).toEqual([2, '']);
  expect(failed.stderr).toContain('access_tokens[0].secret: no secret belongs into this file');
  expect(failed.stderr).not.toContain(inline);
  // The root token's secret, given from outside or stored, belongs to no other token.
  declareToken(['read']);
  const rootToken = `root-${'r'.repeat(40)}`;
  writeFileSync(secretFile(), rootToken);
  const env = { TAILRACE_ROOT_TOKEN: rootToken };
  const taken = await failToStart({ dataDir, args: ['--init-file', file], env });
  expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('the secret of the root token')]);
  expect(taken.stderr).not.toContain(rootToken);
  const server = await startServer({ dataDir });
  await server.stop();
  writeFileSync(secretFile(), server.token);
  const stored = await failToStart({ dataDir, args: ['--init-file', file], env });
  expect(stored.stderr).toContain('the secret of the root token');
});

test('tokens are not created without authentication, and the server says so', async () => {
  rmSync(secretFile(), { force: true });
  declareToken(['read']);
  const server = await startServer({ args: ['--init-file', file, '--no-auth'] });
  expect(server.stderr()).toContain('the access tokens of the init file are not made');
  expect(() => secret()).toThrow(/ENOENT/);
  await server.stop();
});

const secretFile = () => path.join(dir, 'shipper.token');
const secret = () => readFileSync(secretFile(), 'utf8').trim();
const token = (ops: readonly string[]) => ({
  id: 'shipper',
  scope: { basins: { prefix: '' }, streams: { prefix: '' }, ops },
  resource_attributes: { 'project.id': 'p1' },
  secret_file: 'shipper.token',
});
const declareToken = (ops: readonly string[]) => writeFileSync(file, JSON.stringify({ access_tokens: [token(ops)] }));
const whoami = async (server: TestServer, credential: string) => {
  const headers = { authorization: `Bearer ${credential}` };
  return (await call(server.port, { method: 'GET', path: '/v1/whoami', headers })).status;
};
const sendWith = async (server: TestServer, credential: string) => {
  const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
  return (await call(server.port, { path: '/v1/logs', headers, body: '{}' })).status;
};

async function exchange(server: TestServer, credential: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ credential });
  const answer = await call(server.port, { path: '/v1/ingest-token/exchange', headers, body });
  return (JSON.parse(answer.body.toString()) as { token: string }).token;
}
