/** `--init-file` of a real server: what it declares exists before the first request, at every start. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { failToStart, startServer, type TestServer } from '../support/server.ts';

let dir: string;
let file: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-init-'));
  file = path.join(dir, 'init.json');
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('the declared resources exist when the server listens, and follow the file at the next start', async () => {
  const dataDir = path.join(dir, 'data');
  declare('7days');
  let server = await startServer({ dataDir, args: ['--init-file', file] });
  expect(await get(server, '/v1/basins/orders-basin')).toMatchObject({ create_stream_on_append: true });
  expect(await get(server, '/v1/streams/a%2Fb')).toMatchObject({ retention_policy: { age: 604_800 } });
  expect(server.stderr()).toContain('applied the init file');
  // Changes over the API to resources in the file are undone; other changes stay.
  await send(server, 'PATCH', '/v1/streams/a%2Fb', { retention_policy: { age: 5 } });
  await send(server, 'POST', '/v1/streams', { stream: 'made-by-hand' });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  declare('1day');
  server = await startServer({ dataDir, env: { TAILRACE_INIT_FILE: file } });
  expect(await get(server, '/v1/streams/a%2Fb')).toMatchObject({ retention_policy: { age: 86_400 } });
  expect(await get(server, '/v1/streams')).toMatchObject({
    streams: [{ name: 'a/b' }, { name: 'made-by-hand' }],
  });
  await server.kill();
});

test('a server with a mistake in its file does not start, creates nothing, and says where the mistake is', async () => {
  const dataDir = path.join(dir, 'none');
  declare('7 dayz');
  const failed = await failToStart({ dataDir, args: ['--init-file', file] });
  expect(failed.code).not.toBe(0);
  expect(failed.stderr).toContain(file);
  expect(failed.stderr).toContain('basins[0].streams[0].config.retention_policy');
  expect(failed.stderr).toContain('write it as "7days"');
  expect(() => readdirSync(dataDir)).toThrow(/ENOENT/);
  const missing = await failToStart({ dataDir, args: ['--init-file', path.join(dir, 'nowhere.json')] });
  expect(missing.stderr).toMatch(/nowhere\.json .*cannot be read/);
});

function declare(retention: string): void {
  const streams = [{ name: 'a/b', config: { retention_policy: retention } }];
  const basins = [{ name: 'orders-basin', config: { create_stream_on_append: true }, streams }];
  writeFileSync(file, JSON.stringify({ basins }));
}

async function get(server: TestServer, path: string): Promise<unknown> {
  return send(server, 'GET', path);
}

async function send(server: TestServer, method: string, path: string, body?: unknown): Promise<unknown> {
  const headers = {
    authorization: `Bearer ${server.token}`,
    's2-basin': 'orders-basin',
    'content-type': 'application/json',
  };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await call(server.port, { method, path, headers, ...sent });
  expect(answer.status).toBeLessThan(300);
  return JSON.parse(answer.body.toString());
}
