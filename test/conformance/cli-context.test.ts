/** Contexts: what is stored where, and which endpoint and token win, against a real server. */

import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell, startCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

const SOME_TOKEN = 'trk_0123456789';
let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-contexts-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

type Env = Readonly<Record<string, string>>;
const run = (args: string[], env: Env = {}): Promise<CliResult> =>
  runCli(args, { env: { XDG_CONFIG_HOME: folder, ...env }, cwd: folder });
const file = (): string => join(folder, 'tailrace', 'contexts.json');

async function add(name: string, endpoint: string, secret: string, ...flags: string[]): Promise<CliResult> {
  const args = ['context', 'add', name, '--endpoint', endpoint, '--no-check', ...flags];
  const command = startCli(args, { env: { XDG_CONFIG_HOME: folder } });
  command.child.stdin?.end(secret);
  return command.done;
}

test('contexts are added, listed, used and removed; the token is read from stdin and never shown', async () => {
  const added = await add('prod', `${server.url}/`, `${server.token}\n`);
  expect(added).toEqual({ code: 0, stdout: `added prod: ${server.url}, in use\n`, stderr: '' });
  expect((await add('dev', 'localhost:9', '', '--without-token')).stdout).toBe('added dev: http://localhost:9\n');
  expect((await stat(file())).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'tailrace'))).mode & 0o777).toBe(0o700);

  expect((await run(['context', 'list'])).stdout).toBe(
    `* prod  ${server.url}\n  dev  http://localhost:9  (without token)\n`,
  );
  const who = await run(['whoami']);
  expect(who.stdout).toContain('the root token');
  expect(who.stderr).toBe(`${server.url} (from context prod), token from context prod\n`);

  expect((await run(['context', 'use', 'dev'])).stdout).toBe('using dev: http://localhost:9\n');
  const listed = (await run(['context', 'list', '--json'])).stdout.trim().split('\n');
  expect(listed.map((line) => JSON.parse(line) as unknown)).toEqual([
    { name: 'prod', endpoint: server.url, has_token: true, current: false },
    { name: 'dev', endpoint: 'http://localhost:9', has_token: false, current: true },
  ]);
  const removed = await run(['context', 'remove', 'dev']);
  expect(removed.stdout).toContain('removed dev; none is in use');
  expect(await readFile(file(), 'utf8')).not.toContain('localhost:9');
});

test('a list without contexts says how to add one', async () => {
  const empty = await run(['context', 'list']);
  expect(empty).toMatchObject({ code: 0, stdout: '' });
  expect(empty.stderr).toContain('no contexts yet: `tailrace context add <name> --endpoint <url>`');
  expect((await run(['context', 'list', '--json', '--quiet'])).stderr).toBe('');
});

describe('the server is asked about the token of a new context:', () => {
  const checked = async (name: string, endpoint: string, secret: string, ...flags: string[]): Promise<CliResult> => {
    const args = ['context', 'add', name, '--endpoint', endpoint, ...flags];
    const command = startCli(args, { env: { XDG_CONFIG_HOME: folder } });
    command.child.stdin?.end(secret);
    return command.done;
  };

  test.each([
    ['a wrong token', () => server.url, SOME_TOKEN, [], 3, '(from --endpoint)'],
    ['no token where one is needed', () => server.url, '', ['--without-token'], 3, 'no token: '],
    ['no server', () => 'http://127.0.0.1:9', SOME_TOKEN, [], 75, 'cannot reach http://127.0.0.1:9'],
    ['a path', () => `${server.url}/v1`, SOME_TOKEN, [], 4, 'the endpoint has the path /v1'],
  ])('%s is refused, and nothing is kept', async (_, endpoint, secret, flags, code, words) => {
    const refused = await checked('prod', endpoint(), secret, ...flags);
    expect(refused).toMatchObject({ code, stdout: '' });
    expect(refused.stderr).toContain(words);
    expect(refused.stderr).toContain('nothing was kept; with --no-check it is kept all the same');
    expect(refused.stderr).not.toContain(SOME_TOKEN);
    await expect(readFile(file())).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a good one is kept', async () => {
    expect(await checked('prod', server.url, server.token)).toMatchObject({ code: 0, stderr: '' });
  });
});

test('a 401 says where endpoint and token came from', async () => {
  await add('prod', server.url, SOME_TOKEN);
  const refused = await run(['basins', 'list']);
  expect(refused).toMatchObject({ code: 3, stdout: '' });
  expect(refused.stderr).toContain(`endpoint ${server.url} (from context prod)\n  token from context prod`);
  expect(refused.stderr).not.toContain(SOME_TOKEN);
});

test('flags win over the environment, which wins over the context', async () => {
  await add('prod', 'http://127.0.0.1:9', SOME_TOKEN);
  const said = async (args: string[], env: Env) => (await run(['whoami', ...args], env)).stderr.split('\n')[0];
  const ours: Env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token };
  const theirs: Env = { S2_ACCOUNT_ENDPOINT: server.url, S2_ACCESS_TOKEN: server.token };
  expect(await said([], {})).toBe('http://127.0.0.1:9 (from context prod), token from context prod');
  expect(await said([], theirs)).toBe(`${server.url} (from S2_ACCOUNT_ENDPOINT), token from S2_ACCESS_TOKEN`);
  expect(await said([], { ...theirs, ...ours })).toBe(
    `${server.url} (from TAILRACE_ENDPOINT), token from TAILRACE_TOKEN`,
  );
  const secret = join(folder, 'secret');
  await writeFile(secret, server.token);
  expect(await said(['--endpoint', server.url, '--token-file', secret], ours)).toBe(
    `${server.url} (from --endpoint), token from ${secret}`,
  );
});

test('the token of a context goes to its own server only', async () => {
  await add('prod', 'http://127.0.0.1:9', SOME_TOKEN);
  const other = await run(['whoami', '--endpoint', server.url]);
  expect(other.code).toBe(3);
  expect(other.stderr).toContain('(from --endpoint), no token\n');
  const same = await run(['whoami', '--endpoint', 'http://127.0.0.1:9/']);
  expect(same.stderr).toContain('(from --endpoint), token from context prod');
});

test('a file that others may read, or that is damaged, is refused with advice', async () => {
  await add('prod', server.url, SOME_TOKEN);
  await chmod(file(), 0o644);
  const open = await run(['whoami']);
  expect(open).toMatchObject({ code: 2, stdout: '' });
  expect(open.stderr).toContain(`others may read it: chmod 600 ${file()}`);
  await writeFile(file(), '{');
  await chmod(file(), 0o600);
  expect((await run(['context', 'list'])).stderr).toContain('is not a list of contexts: fix it, or remove it');
});

test('wrong uses of contexts are refused with their exit code', async () => {
  await add('prod', server.url, SOME_TOKEN);
  expect(await run(['context', 'use', 'prd'])).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('did you mean prod?'),
  });
  expect(await run(['context', 'remove', 'nowhere'])).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('there is prod'),
  });
  expect(await add('x', server.url, '')).toMatchObject({ code: 2, stderr: expect.stringContaining('pipe it in') });
  expect(await add('x', server.url, 'a b')).toMatchObject({ code: 2, stderr: expect.stringContaining('blanks') });
  expect(await add('x', 'ftp://x', 'a')).toMatchObject({ code: 2, stderr: expect.stringContaining('not an http') });
  expect(await add('-x/', server.url, 'a')).toMatchObject({ code: 2 });
  const argument = await run(['context', 'add', 'x', SOME_TOKEN, '--endpoint', server.url]);
  expect(argument).toMatchObject({ code: 2, stderr: expect.stringContaining('too many arguments') });
});

const atTerminal = HAS_TERMINAL ? describe : describe.skip;
atTerminal('at a terminal (skipped where python3 has no pty) the token', () => {
  const addTyping = (typed: string) =>
    runAtTerminal(['context', 'add', 'typed', '--endpoint', server.url, '--color', 'never'], {
      prompt: 'Token for',
      typed,
      env: { XDG_CONFIG_HOME: folder },
    });
  const prompt = () => `Token for ${server.url}: `;

  test('is prompted for, and not shown while it is typed', async () => {
    const added = await addTyping(`${server.token}\r`);
    expect(added).toEqual({ code: 0, screen: `${prompt()}\r\nadded typed: ${server.url}, in use\r\n` });
    expect((await run(['whoami'])).stdout).toContain('the root token');
  });

  test('may be corrected while it is typed', async () => {
    const added = await addTyping(`${server.token}xy\x7f\x7f\r`);
    expect(added.code).toBe(0);
    expect(JSON.parse(await readFile(file(), 'utf8'))).toMatchObject({ contexts: { typed: { token: server.token } } });
  });

  test.each([
    ['nothing', '\r', 2, 'no token: pipe it in'],
    ['the end of input', '\x04', 2, 'no token: pipe it in'],
    ['blanks', `${SOME_TOKEN} x\r`, 2, 'that is not a token'],
    ['Ctrl-C', `${SOME_TOKEN}\x03`, 130, ''],
  ])('is not stored when it is %s', async (_, typed, code, words) => {
    const refused = await addTyping(typed);
    expect(refused.code).toBe(code);
    expect(refused.screen.startsWith(prompt())).toBe(true);
    expect(refused.screen).toContain(words);
    expect(refused.screen).not.toContain(SOME_TOKEN);
    await expect(readFile(file())).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('without XDG_CONFIG_HOME contexts are stored below the home directory', async () => {
  const env = { HOME: folder, XDG_CONFIG_HOME: '' };
  const line = `echo ${SOME_TOKEN} | tailrace context add home --no-check --endpoint ${server.url}`;
  expect(await runShell(line, { env })).toMatchObject({ code: 0 });
  expect(await readFile(join(folder, '.config', 'tailrace', 'contexts.json'), 'utf8')).toContain(SOME_TOKEN);
});
