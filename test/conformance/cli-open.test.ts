/** `tailrace open`, and the link of `serve`: what is printed where, what the browser gets, and that the link works once. */

import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { call } from '../support/http-call.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

const LOGIN = /#login=(lgn_[0-9a-f]{48})/;

let folder: string;
let server: TestServer;
let browsers = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-open-'));
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A program that takes note of what it was started with, and ends with a code. */
async function browser(code = 0): Promise<{ readonly program: string; opened(): Promise<string> }> {
  const program = join(folder, `browser-${browsers++}`);
  await writeFile(
    program,
    `#!/bin/sh\nprintf '%s\\n' "$*" > ${program}.part\nmv ${program}.part ${program}.url\nexit ${code}\n`,
  );
  await chmod(program, 0o755);
  const opened = async (): Promise<string> => {
    for (;;) {
      const url = await readFile(`${program}.url`, 'utf8').catch(() => undefined);
      if (url !== undefined) return url.trim();
      await sleep(10);
    }
  };
  return { program, opened };
}

/** Who the page is with the login of a link; undefined when the login is not good. */
async function signedIn(link: string, { port } = server): Promise<unknown> {
  const body = JSON.stringify({ login: LOGIN.exec(link)?.[1] ?? '' });
  const headers = { 'content-type': 'application/json' };
  const answer = await call(port, { path: '/v1/logins/exchange', headers, body });
  if (answer.status !== 200) return undefined;
  const { access_token: token } = JSON.parse(answer.body.toString()) as { access_token: string };
  return (await new RecordsClient({ port, token }).control('GET', '/v1/whoami'))[1];
}

async function open(...args: readonly string[]): Promise<string> {
  const result = await runCli(['open', ...args], { server });
  expect(result).toMatchObject({ code: 0 });
  return result.stdout.trim();
}

describe('a link that is printed into a pipe', () => {
  test('signs in once, as the token in use', async () => {
    const link = await open();
    expect(link).toMatch(new RegExp(`^${server.url}/#login=lgn_[0-9a-f]{48}$`));
    expect(await signedIn(link)).toMatchObject({ id: 'root', root: true, session: true });
    expect(await signedIn(link)).toBeUndefined();
  });

  test('gives a token with few rights no more than these', async () => {
    const root = new RecordsClient(server);
    const scope = { basins: { exact: 'telemetry' }, streams: { prefix: 'shop' }, ops: ['read'] };
    const [, body] = await root.control('POST', '/v1/access-tokens', { id: 'shop-reader', scope });
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: (body as { access_token: string }).access_token };
    const { stdout } = await runCli(['open'], { env });
    expect(await signedIn(stdout)).toMatchObject({ id: 'shop-reader', root: false, scope: { ops: ['read'] } });
  });

  test.each([
    ['s2://telemetry/shop/eu & us', { basin: 'telemetry', streams: 'shop/eu & us' }],
    ['my-app', { basin: 'telemetry', streams: 'my-app' }],
    ['s2://telemetry', { basin: 'telemetry' }],
    ['s2://telemetry/', { basin: 'telemetry' }],
  ])('leads to %s', async (name, query) => {
    const to = /&to=([^&]*)$/.exec(await open(name))?.[1] ?? '';
    const [path = '', search = ''] = decodeURIComponent(to).split('?');
    expect([path, Object.fromEntries(new URLSearchParams(search))]).toEqual(['/live', query]);
  });

  test('has no login where the server asks for no token', async () => {
    const free = await startServer({ args: ['--no-auth'] });
    const { stdout } = await runCli(['open', 'my-app'], { env: { TAILRACE_ENDPOINT: free.url } });
    await free.stop();
    expect(stdout).toBe(`${free.url}/#/live?basin=telemetry&streams=my-app\n`);
    expect(free.stdout()).toContain(`# open the page:  ${free.url}/\n`);
  });

  test('is not made for a token that the server does not know', async () => {
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: `trk_${'0'.repeat(48)}` };
    const { code, stdout, stderr } = await runCli(['open'], { env });
    expect([code === 0, stdout]).toEqual([false, '']);
    expect(stderr).toMatch(/not known here.*\n.*endpoint.*\n.*token from TAILRACE_TOKEN/);
  });
});

const describeAtTerminal = HAS_TERMINAL ? describe : describe.skip;
describeAtTerminal('at a terminal (skipped where python3 has no pty)', () => {
  const atTerminal = (BROWSER: string, ...args: readonly string[]) => {
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token, BROWSER };
    return runAtTerminal(['open', ...args, '--color', 'never'], { prompt: '#login=', typed: '', env });
  };

  test('the browser gets the link that is shown', async () => {
    const { program, opened } = await browser();
    const { code, screen } = await atTerminal(`${program} --new-window`, 'my-app');
    const url = await opened();
    expect([code, screen]).toEqual([0, expect.stringContaining('opened in the browser')]);
    expect(url).toMatch(/^--new-window http:.*#login=lgn_.*&to=/);
    expect(screen.split('\r\n')).toContain(url.replace('--new-window ', ''));
    expect(await signedIn(url)).toMatchObject({ id: 'root' });
  });

  test.each([
    ['is not there', 'no-such-browser-here', 'no-such-browser-here (from BROWSER) is not on this machine'],
    ['fails', undefined, /browser-\d+ \(from BROWSER\) ended with 3/],
  ])('a browser that %s is told in one line, and the link is left', async (_how, command, told) => {
    const { code, screen } = await atTerminal(command ?? (await browser(3)).program);
    expect(code).toBe(0);
    const [link = '', line = '', ...rest] = screen.split('\r\n');
    expect(line).toMatch(told);
    expect(line).toMatch(/open the link yourself$/);
    expect(rest).toEqual(['']);
    expect(await signedIn(link)).toMatchObject({ id: 'root' });
  });

  test('--print opens nothing', async () => {
    const { screen } = await atTerminal('no-such-browser-here', '--print');
    expect(screen).toMatch(/^http:\S+\r\n$/);
  });

  test('serve shows a link with a login, and none into a pipe', async () => {
    const args = ['serve', '--port', '0', '--grpc-port', '0', '--data-dir', join(folder, 'shown')];
    const { screen } = await runAtTerminal(args, { prompt: 'then watch it', typed: '\x03', env: {} });
    expect(screen).toMatch(
      /\n# open the page: {2}http:\/\/127\.0\.0\.1:\d+\/#login=lgn_[0-9a-f]{48} {2}\(60 s, once\)\r\n/,
    );
    expect(server.stdout()).toContain(`\n# open the page:  ${server.url}/\n`);
    expect(server.stdout() + server.stderr()).not.toContain('login=');
  });
});

describe('serve --open', () => {
  test('opens a link that signs in, and writes the login nowhere', async () => {
    const { program, opened } = await browser();
    const opening = await startServer({ args: ['--open'], env: { BROWSER: program } });
    const url = await opened();
    expect(url.startsWith(`${opening.url}/#login=`)).toBe(true);
    expect(await signedIn(url, opening)).toMatchObject({ id: 'root', root: true });
    await opening.stop();
    expect(opening.stdout() + opening.stderr()).not.toContain(LOGIN.exec(url)?.[1]);
  });

  test('goes on without a browser, and says so in one line', async () => {
    const opening = await startServer({ args: ['--open'], env: { BROWSER: 'no-such-browser-here' } });
    while (!opening.stderr().includes('no browser was opened')) await sleep(10);
    expect(await runCli(['whoami'], { server: opening })).toMatchObject({ code: 0 });
    await opening.stop();
    expect(opening.stderr().match(/no browser was opened/g)).toHaveLength(1);
    expect(opening.stderr()).toContain(`open the link yourself: ${opening.url}/`);
    expect(opening.stderr()).not.toContain('login=');
  });
});
