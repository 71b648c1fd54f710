/**
 * Access tokens by the command line, against a real server: what is printed where, what works, and the exit codes.
 * Cases that are only refused run in this process: a process for each would take a minute.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Command, CommanderError } from 'commander';
import { addTokens } from '../../cli/commands/tokens.ts';
import { EXIT, EXIT_CODES } from '../../cli/exit.ts';
import { TailraceError } from '../../src/model/error.ts';
import { type CliResult, runCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });
const runAs = (secret: string, ...args: string[]): Promise<CliResult> =>
  runCli(args, { env: { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: secret } });
const rows = (result: CliResult): unknown[] =>
  result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

describe('a token', () => {
  test('is issued, works, is listed, gets a new secret and ends', async () => {
    const flags = ['--basins-exact', 'telemetry', '--streams-prefix', 'web-', '--op-groups', 'stream=rw,basin=rw'];
    const issued = await run('tokens', 'issue', 'web', ...flags, '--auto-prefix', '--expires-in', '30d');
    expect(issued).toMatchObject({ code: 0, stdout: expect.stringMatching(/^trk_[0-9a-f]{48}\n$/) });
    expect(issued.stderr).toBe('issued web; the secret is shown this once\n');
    const secret = issued.stdout.trim();

    expect(await runAs(secret, 'streams', 'create', 'a')).toMatchObject({ code: 0 });
    const [seen, denied, listed, got] = await Promise.all([
      run('streams', 'get', 'web-a'),
      runAs(secret, 'basins', 'list'),
      run('tokens', 'list', '--prefix', 'web'),
      run('tokens', 'get', 'web', '--json'),
    ]);
    expect([seen.code, denied.code]).toEqual([0, 3]);
    expect(listed.stdout).toMatch(
      /^ID {3}MAY {17}BASINS {5}STREAMS {2}EXPIRES {19}LAST USED\nweb {2}basin=rw stream=rw {2}telemetry {2}web-… {4}\d{4}-[-T\d:.]+Z {2}\d+ s ago\n$/,
    );
    const [token] = rows(got) as { expires_at: string }[];
    expect(token).toMatchObject({ id: 'web', auto_prefix_streams: true, scope: { streams: { prefix: 'web-' } } });
    const days = (Date.parse(token?.expires_at ?? '') - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(30);

    const rotated = await run('tokens', 'rotate', 'web', '--quiet');
    expect(rotated).toEqual({ code: 0, stdout: expect.stringMatching(/^trk_[0-9a-f]{48}\n$/), stderr: '' });
    const both = [secret, rotated.stdout.trim()].map((one) => runAs(one, 'streams', 'get', 'a'));
    expect((await Promise.all(both)).map(({ code }) => code)).toEqual([3, 0]);
    expect(await run('tokens', 'revoke', 'web')).toEqual({ code: 0, stdout: 'revoked web\n', stderr: '' });
    expect((await runAs(rotated.stdout.trim(), 'streams', 'get', 'a')).code).toBe(3);
    expect(await run('tokens', 'list', '--prefix', 'web')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('is an object with --json, with everything that was given', async () => {
    const issued = await run(
      ...['tokens', 'issue', 'vpc-7', '--json', '--basins-prefix', '', '--streams-exact', 'vpc-7', '--prefix', 'vpc'],
      ...['--access-tokens-exact', 'none', '--ops', 'append,read', '--ops', 'read', '--stream', 'vpc-7'],
      ...['--tenant', 'workspace_id=ws-1,vpc_id=0f3c9a1e77', '--attribute', 'team=a=b', '--limits', 'frametail-pro'],
      ...['--spans-per-minute', '9', '--expires-at', '2099-01-31T12:00:00Z'],
    );
    const expires = '2099-01-31T12:00:00.000Z';
    const secret = expect.stringMatching(/^vpc_[0-9a-f]{48}$/);
    expect(rows(issued)).toEqual([{ id: 'vpc-7', expires_at: expires, access_token: secret }]);
    const off = { read: false, write: false };
    expect(rows(await run('tokens', 'get', 'vpc-7', '--json'))).toEqual([
      {
        id: 'vpc-7',
        expires_at: expires,
        auto_prefix_streams: false,
        scope: {
          basins: { prefix: '' },
          streams: { exact: 'vpc-7' },
          access_tokens: { exact: 'none' },
          op_groups: { account: off, basin: off, stream: off },
          ops: ['append', 'read'],
        },
        stream: 'vpc-7',
        resource_attributes: {
          workspace_id: 'ws-1',
          vpc_id: '0f3c9a1e77',
          stream_id: 'vpc-7',
          source: 'otel',
          namespace: 'vpc-0f3c9a1e',
          team: 'a=b',
        },
        limits: { profile: 'frametail-pro', spans_per_minute: 9 },
        prefix: 'vpc',
        last_used_at: null,
      },
    ]);
    expect((await run('tokens', 'get', 'vpc-7')).stdout.split('\n')).toEqual(
      expect.arrayContaining(['basins            all', 'streams           vpc-7', 'may               append read']),
    );
  });
});

test('when a token was last used is shown in lists, also after a restart of the server and by another secret', async () => {
  const first = await startServer({ dataDir: await mkdtemp(join(tmpdir(), 'tailrace-last-uses-')) });
  const { dataDir } = first;
  const uses = async (on: TestServer) => {
    const listed = rows(await runCli(['tokens', 'list', '--json'], { server: on }));
    return Object.fromEntries(
      (listed as { id: string; last_used_at?: string }[]).map((one) => [one.id, one.last_used_at]),
    );
  };
  const [used, idle] = await Promise.all(
    ['used', 'idle'].map((id) => runCli(['tokens', 'issue', id, '--ops', 'list-basins'], { server: first })),
  );
  expect(await uses(first)).toEqual({ idle: null, used: null });
  const before = Date.now();
  const call = await runCli(['basins', 'list'], {
    env: { TAILRACE_ENDPOINT: first.url, TAILRACE_TOKEN: used?.stdout.trim() ?? '' },
  });
  expect(call.code).toBe(0);
  const { idle: never, used: at = '' } = await uses(first);
  expect(never).toBeNull();
  expect(Date.parse(at ?? '')).toBeGreaterThanOrEqual(before);
  expect(Date.parse(at ?? '')).toBeLessThanOrEqual(Date.now());
  // A secret that is not known, or not in use, changes nothing.
  await runCli(['whoami'], { env: { TAILRACE_ENDPOINT: first.url, TAILRACE_TOKEN: `${idle?.stdout.trim()}0` } });
  await first.stop();

  const second = await startServer({ dataDir });
  expect(await uses(second)).toEqual({ idle: null, used: at });
  expect((await runCli(['tokens', 'rotate', 'used', '--quiet'], { server: second })).code).toBe(0);
  expect(await uses(second)).toEqual({ idle: null, used: at });
  const [shown, listed] = await Promise.all(
    [['get', 'idle'], ['list']].map((args) => runCli(['tokens', ...args], { server: second })),
  );
  expect(shown?.stdout).toContain('last-used      never\n');
  expect(listed?.stdout).toMatch(/LAST USED\nidle .* never {4}never\nused .* never {4}\d+ (s|min) ago\n$/);
  await second.stop();
  await rm(dataDir, { recursive: true });
});

test('the signing key of short-lived tokens is replaced, and the old keys are voided on request', async () => {
  const first = await run('tokens', 'rotate-signing-key');
  expect(first).toMatchObject({ code: 0, stderr: '' });
  const [, kid] = /^signing with ([\w-]{12}); no older one is good\n$/.exec(first.stdout) ?? [];
  const [second] = rows(await run('tokens', 'rotate-signing-key', '--json'));
  const verifying = [
    { kid, until: expect.any(String) },
    { kid: expect.any(String), until: null },
  ];
  expect(second).toEqual({ kid: expect.any(String), created_at: expect.any(String), verifying });
  const third = await run('tokens', 'rotate-signing-key');
  expect(third.stdout).toMatch(/^signing with [\w-]{12}; 2 older ones good until \d{4}-\S+Z\n$/);
  const last = await run('tokens', 'rotate-signing-key', '--void-old');
  expect(last.stdout).toMatch(/; no older one is good\n$/);
});

describe('a holder', () => {
  test('is told who it is, and where its token came from', async () => {
    const root = await run('whoami');
    expect(root.stdout).toBe('id   root\nmay  everything (the root token)\n');
    expect(root.stderr).toBe(`${server.url} (from TAILRACE_ENDPOINT), token from TAILRACE_TOKEN\n`);
    const issued = await run('tokens', 'issue', 'me', '--ops', 'list-basins');
    const me = await runAs(issued.stdout.trim(), 'whoami', '--json');
    expect(rows(me)).toMatchObject([{ id: 'me', root: false, expires_at: null, scope: { ops: ['list-basins'] } }]);
  });

  test('without any reachable stream is created, with a warning', async () => {
    // otel:write is the name of this operation in other receivers.
    const issued = await run('tokens', 'issue', 'blind', '--ops', 'otel:write', '--basins-prefix', '');
    expect(issued).toMatchObject({ code: 0, stdout: expect.stringMatching(/^trk_/) });
    expect(issued.stderr).toContain('it reaches no stream: --streams-prefix "" is all of them');
  });

  test('cannot issue more than it holds', async () => {
    const scope = ['--basins-exact', 'telemetry', '--access-tokens-prefix', 'p-'];
    const parent = await run('tokens', 'issue', 'parent', ...scope, '--ops', 'issue-access-token,read');
    const child = await runAs(parent.stdout.trim(), 'tokens', 'issue', 'p-1', '--ops', 'append');
    expect(child).toMatchObject({ code: 3, stdout: '' });
    expect(child.stderr).toContain('does not hold the operation append');
  });
});

/** The exit code and the output of a command, as main.ts reports them. */
async function refusalOf(args: readonly string[]): Promise<readonly [code: number, said: string]> {
  let said = '';
  const program = new Command('tailrace').exitOverride().configureOutput({
    writeErr: (text) => {
      said += text;
    },
  });
  addTokens(program);
  const before = { ...process.env };
  Object.assign(process.env, { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token });
  try {
    await program.parseAsync(['tokens', ...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return [EXIT.usage, said];
    if (error instanceof TailraceError) return [EXIT_CODES[error.code], error.message];
    throw error;
  } finally {
    process.env = before;
  }
  throw new Error('it was not refused');
}

describe('a wrong tokens command', () => {
  test.each([
    [['issue', 'x'], 2, 'allow something, such as --ops append'],
    [['issue', 'x', '--ops', 'apend'], 2, 'unknown operation "apend": did you mean append?'],
    [['issue', 'x', '--ops', 'otel:wright'], 2, 'unknown operation "otel:wright"'],
    [['issue', 'x', '--ops', 'frobnicate'], 2, 'there are list-basins, list-access-tokens'],
    [['issue', 'x', '--op-groups', 'steam=rw'], 2, 'did you mean stream?'],
    [['issue', 'x', '--op-groups', 'stream=rx'], 2, 'stream=r, stream=w or stream=rw'],
    [['issue', 'x', '--op-groups', 'stream'], 2, 'key=value'],
    [['issue', 'x', '--ops', 'read', '--auto-prefix'], 2, 'add --streams-prefix'],
    [['issue', 'x', '--ops', 'read', '--basins-exact', 'telemetry', '--basins-prefix', 't'], 2, 'give one'],
    [['issue', 'x', '--ops', 'read', '--expires-in', 'soon'], 2, '1h30m or 2d'],
    [['issue', 'x', '--ops', 'read', '--expires-in', '9000y'], 2, 'leave the expiry out'],
    [['issue', 'x', '--ops', 'read', '--expires-in', '1d', '--expires-at', '2099-01-01'], 2, 'contradict'],
    [['issue', 'x', '--ops', 'read', '--expires-at', '2001-01-01'], 1, 'must lie in the future'],
    [['issue', 'x', '--ops', 'read', '--tenant', 'vpc_id=1'], 2, 'workspace_id=…,vpc_id=…'],
    [['issue', 'x', '--ops', 'read', '--attribute', 'plain'], 2, 'key=value'],
    [
      ['issue', 'x', '--ops', 'read', '--tenant', 'workspace_id=1,vpc_id=2', '--attribute', 'source=me'],
      2,
      'it is set to "otel" already',
    ],
    [['issue', 'x', '--ops', 'read', '--prefix', 'X'], 1, '2 to 8 lower-case letters'],
    [['issue', ''], 2, 'must not be empty'],
    [['get', 'unknown'], 4, 'access token `unknown` not found'],
    [['rotate', 'unknown'], 4, 'not found'],
    [['revoke', 'unknown'], 4, 'not found'],
  ])('%j exits with code %i', async (args, code, words) => {
    expect(await refusalOf(args)).toEqual([code, expect.stringContaining(words)]);
  });

  test.each([
    [['issue', 'x', '--ops', 'apend'], 2, 'tailrace: unknown operation "apend": did you mean append?'],
    [['issue', 'x', '--op-groups', 'stream'], 2, 'key=value'],
    [['get', 'unknown'], 4, 'access token `unknown` not found'],
  ])('%j as a process exits with code %i and prints to stderr', async (args, code, words) => {
    const result = await run('tokens', ...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(words);
  });

  test('for an id that is taken exits with code 5', async () => {
    expect((await run('tokens', 'issue', 'twice', '--ops', 'read')).code).toBe(0);
    const again = await run('tokens', 'issue', 'twice', '--ops', 'read');
    expect(again).toMatchObject({ code: 5, stdout: '' });
    expect(again.stderr).toContain('access token `twice` already exists');
  });

  test("with S2's names is answered with ours", async () => {
    expect((await run('issue-access-token')).stderr).toContain('here it is `tailrace tokens issue`');
  });
});
