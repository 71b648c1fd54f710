/** `tailrace ping`: what health checks get as an exit code, from servers that live, that need a restart, stop, or are others. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let others: Server[] = [];

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  for (const other of others) other.close().closeAllConnections();
  others = [];
  await server.stop();
});

/** A server in a state that ours is rarely in, or another one; without an answer it is silent. */
async function serverThatSays(answer?: { readonly status: number; readonly body: string }): Promise<string> {
  const other = createServer((_request, response) => {
    if (answer !== undefined) response.writeHead(answer.status).end(answer.body);
  });
  others.push(other);
  await once(other.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
}

test('a server that lives is 0, without a token', async () => {
  const env = { TAILRACE_ENDPOINT: server.url };
  expect(await runCli(['ping'], { env })).toEqual({ code: 0, stdout: `${server.url} is alive\n`, stderr: '' });
  const ready = { code: 0, stdout: `${server.url} is ready, writes: ok\n`, stderr: '' };
  expect(await runCli(['ping', '--ready'], { env })).toEqual(ready);
  const { stdout } = await runCli(['ping', '--ready', '--json', '--endpoint', server.url]);
  expect(JSON.parse(stdout)).toEqual({ endpoint: server.url, status: 'ready', writes: 'ok' });
  expect(JSON.parse((await runCli(['ping', '--json'], { env })).stdout)).toEqual({
    endpoint: server.url,
    status: 'alive',
  });
});

test('a server that needs a restart is 1, and one that stops is 75 for those who ask whether it is ready', async () => {
  const broken = await serverThatSays({ status: 503, body: 'the store failed' });
  const latched = await runCli(['ping', '--endpoint', broken]);
  expect(latched).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('needs a restart: the store') });
  const body = JSON.stringify({ status: 'draining', writes: 'ok' });
  const stopping = await runCli(['ping', '--ready', '--endpoint', await serverThatSays({ status: 503, body })]);
  expect(stopping).toMatchObject({ code: 75, stdout: '', stderr: expect.stringContaining('takes no requests') });
});

test('a full store is ready, and says that it takes no writes', async () => {
  const full = await serverThatSays({ status: 200, body: JSON.stringify({ status: 'ready', writes: 'full' }) });
  const { code, stdout } = await runCli(['ping', '--ready', '--endpoint', full]);
  expect([code, stdout]).toEqual([0, `${full} is ready, writes: full\n`]);
});

test('another server is no Tailrace that lives', async () => {
  const other = await serverThatSays({ status: 200, body: '<html>' });
  for (const args of [[], ['--ready']]) {
    const { code, stderr } = await runCli(['ping', ...args, '--endpoint', other]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('is not a Tailrace server')]);
  }
});

test('no server, and one that never answers, are 75', async () => {
  const [none, silent] = await Promise.all([
    runCli(['ping', '--endpoint', 'http://127.0.0.1:9']),
    runCli(['ping', '--endpoint', await serverThatSays()]),
  ]);
  expect(none).toMatchObject({ code: 75, stderr: expect.stringContaining('ECONNREFUSED') });
  expect(silent).toMatchObject({ code: 75, stderr: expect.stringContaining('does not answer within 3 s') });
});
