/** The examples of README.md and of the READMEs beside the code that need a server or the library, run as they are written. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCli, runShell } from '../support/cli.ts';
import { noticeSecrets } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(path.join(tmpdir(), 'tailrace-readme-'));
  // As if they were installed there.
  const modules = path.join(folder, 'node_modules');
  await mkdir(path.join(modules, '@s2-dev'), { recursive: true });
  await symlink(ROOT, path.join(modules, 'tailrace'));
  for (const name of ['ws', '@s2-dev/streamstore']) {
    await symlink(path.join(ROOT, 'node_modules', name), path.join(modules, name));
  }
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('the call with curl in the quick start stores its record, and tail shows it', async () => {
  const call = blockAfter('README.md', '```sh\ncurl ');
  const [, url = ''] = /^curl (\S+)/.exec(`curl ${call}`) ?? [];
  const [, body = ''] = /-d '([^']+)'/.exec(call) ?? [];
  expect(call).toContain('-H "Authorization: Bearer $(cat data/root-token)"');
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  expect((await fetch(here(url), { method: 'POST', headers, body })).status).toBe(200);
  expect((await runCli(['tail', 'my-app', '--no-follow'], { server })).stdout).toContain('hello from curl');
});

test('follow.mjs prints the records of a stream', async () => {
  const child = await start('README.md', 'follow.mjs', { TAILRACE_TOKEN: server.token });
  const [text] = await once(child.stdout.setEncoding('utf8'), 'data');
  expect(text).toBe('0 info hello from curl\n');
  child.kill();
});

test('produce.mjs appends with the SDK of S2', async () => {
  const child = await start('README.md', 'produce.mjs', { TOKEN: server.token });
  expect(await outputOf(child)).toBe('records 0 to 0 are on disk\n');
});

test('embed.mjs uses a store and a server in its own process', async () => {
  const child = await start('scripts/examples/embedded/README.md', 'embed.mjs', {});
  const output = await outputOf(child);
  expect(output).toMatch(/^0 \d+ hello\nerror charge failed\ninfo 2\nerror 1\n\[ '.*hello.*' \]\n$/);
});

test('the call in src/access/README.md that issues a token issues one', async () => {
  const call = blockAfter('src/access/README.md', '```sh\ncurl ');
  const [, body = ''] = /-d '([^']+)'/.exec(call) ?? [];
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const response = await fetch(`${server.url}/v1/access-tokens`, { method: 'POST', headers, body });
  const { access_token: secret } = (await response.json()) as { access_token: string };
  noticeSecrets(secret);
  expect([response.status, secret]).toEqual([201, expect.stringMatching(/^trk_[0-9a-f]{48}$/)]);
});

test('the smoke sender of the README prints what the server says', async () => {
  const command = /`npx (tailrace send log "hello" --stream my-app)`/.exec(read('README.md'))?.[1] ?? 'false';
  expect(await runShell(command, { server })).toMatchObject({ code: 0, stdout: expect.stringContaining('200') });
});

/** Runs the example that begins with its own file name, against this server. */
async function start(document: string, name: string, env: Readonly<Record<string, string>>) {
  const text = blockAfter(document, `\`\`\`js\n// ${name}`);
  await writeFile(path.join(folder, name), `//${here(text)}`);
  return spawn(process.execPath, [name], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function outputOf({ stdout }: Awaited<ReturnType<typeof start>>): Promise<string> {
  let output = '';
  for await (const text of stdout.setEncoding('utf8')) output += text;
  return output;
}

/** What stands behind the beginning of a block, to its end. */
function blockAfter(document: string, beginning: string): string {
  const [, rest] = read(document).split(beginning);
  expect(rest).toBeDefined();
  return rest?.split('\n```')[0] ?? '';
}

function read(document: string): string {
  return readFileSync(path.join(ROOT, document), 'utf8');
}

/** The port of the examples is that of a server that a developer may have running. */
function here(text: string): string {
  return text.replaceAll('127.0.0.1:4318', `127.0.0.1:${server.port}`);
}
