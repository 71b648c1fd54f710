/** `tailrace version`: what it says of itself and of the server, also of one that does not answer. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

const { version: VERSION } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const MACHINE = `node ${process.versions.node}, ${process.platform} ${process.arch}`;

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server.stop());

test('-V and --version say the version of the package and nothing else', async () => {
  for (const flag of ['-V', '--version']) {
    expect(await runCli([flag])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
  }
});

test('the versions of the program, of Node and of the server that answers', async () => {
  const expected = `tailrace ${VERSION}\n${MACHINE}\nserver ${VERSION} at ${server.url}\n`;
  expect(await runCli(['version'], { server })).toEqual({ code: 0, stdout: expected, stderr: '' });
  const json = JSON.parse((await runCli(['version', '--json'], { server })).stdout);
  const { version: node, platform, arch } = process;
  const theirs = { endpoint: server.url, version: VERSION, error: null };
  expect(json).toEqual({ version: VERSION, node: node.slice(1), platform, arch, server: theirs });
});

test('a server that knows no such token does not say its version, and the command says why', async () => {
  const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: 'of-another-server' };
  const { code, stdout } = await runCli(['version'], { env });
  expect(code).toBe(0);
  expect(stdout).toMatch(/\nserver at http:\/\/127\.0\.0\.1:\d+: .*token/);
});

test('without a server it says so and succeeds', async () => {
  const { code, stdout } = await runCli(['version', '--endpoint', 'http://127.0.0.1:9']);
  expect(code).toBe(0);
  expect(stdout).toBe(
    `tailrace ${VERSION}\n${MACHINE}\nserver at http://127.0.0.1:9: cannot reach http://127.0.0.1:9: connect ECONNREFUSED 127.0.0.1:9\n`,
  );
});

test('a server that never answers is given up', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const { code, stdout } = await runCli(['version', '--endpoint', endpoint, '--json']);
  silent.close();
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ server: { endpoint, version: null, error: 'no answer within 1 s' } });
});
