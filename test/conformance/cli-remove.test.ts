/** Commands that remove something: what they ask at a terminal, what `--dry-run` says, and that scripts are never asked. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { ControlClient } from '../support/control-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal, type Terminal } from '../support/terminal.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  await append('web', 'one\ntwo\nthree\n');
  await append('app', 'one\n');
  await run('tokens', 'issue', 'asked', '--ops', 'read', '--basins-exact', 'telemetry');
});

afterAll(async () => {
  await server.stop();
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });

async function append(stream: string, lines: string): Promise<void> {
  const appended = await runShell(`printf '${lines.replaceAll('\n', '\\n')}' | tailrace append ${stream}`, { server });
  expect(appended.code).toBe(0);
}

const atTerminal = (typed: string, ...args: string[]): Promise<Terminal> =>
  runAtTerminal([...args, '--color', 'never'], {
    prompt: '[y/N] ',
    typed,
    env: { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token },
  });

const streams = async (): Promise<string[]> => {
  const { body } = await new ControlClient(server).call('GET /streams', { basin: 'telemetry' });
  return (body as { streams: { name: string }[] }).streams.map(({ name }) => name);
};

/** What a refused command must leave as it is. */
const state = async (): Promise<unknown> => {
  const s2 = new ControlClient(server);
  const tail = await s2.call('GET /streams/web/records/tail', { basin: 'telemetry' });
  return [await streams(), tail.body, (await s2.call('GET /access-tokens/asked')).status];
};

describe('with --dry-run nothing is changed, and what would be removed is said', () => {
  test('by a basin, with its streams, records and bytes, and that the default one is made again', async () => {
    const dry = await run('basins', 'delete', 'telemetry', '--dry-run');
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    expect(dry.stdout).toMatch(
      /^nothing is changed; without --dry-run: Delete s2:\/\/telemetry and what it holds: 2 streams, 4 records, \d+ B\n/,
    );
    expect(dry.stdout).toContain('It is the default basin of the server, which makes it again at once, empty');
    const json = JSON.parse((await run('basins', 'delete', 'telemetry', '--dry-run', '--json')).stdout) as unknown;
    expect(json).toEqual({
      basin: 'telemetry',
      streams: 2,
      records: 4,
      bytes: expect.any(Number),
      default_basin: true,
      dry_run: true,
    });
    expect(await streams()).toEqual(['app', 'web']);
  });

  test('by a stream, by a trim of a part of it, and by a trim beyond its tail', async () => {
    const deleted = await run('streams', 'delete', 'web', '--dry-run', '--yes');
    expect(deleted.stdout).toMatch(/Delete s2:\/\/telemetry\/web and what it holds: 3 records, \d+ B\n$/);
    const trimmed = await run('trim', 'web', '2', '--dry-run');
    expect(trimmed.stdout).toMatch(/before 2 of s2:\/\/telemetry\/web \(0 to 1\): 2 records of 3 records, \d+ B\n$/);
    const beyond = await run('trim', 'web', '9', '--dry-run', '--json');
    expect(JSON.parse(beyond.stdout)).toEqual({
      basin: 'telemetry',
      stream: 'web',
      records: 3,
      kept_from: 3,
      dry_run: true,
    });
    expect((await run('check-tail', 'web')).stdout).toMatch(/^3 @/);
  });

  test('by tokens, and by a new signing key', async () => {
    expect((await run('tokens', 'revoke', 'asked', '--dry-run')).stdout).toContain('Revoke asked, which may read\n');
    expect((await run('tokens', 'get', 'asked')).code).toBe(0);
    const rotated = await run('tokens', 'rotate', 'asked', '--dry-run');
    expect(rotated.stdout).toMatch(/Give asked, which may read, another secret, and make the old one void at once\n$/);
    const voided = await run('tokens', 'rotate-signing-key', '--void-old', '--dry-run');
    expect(voided.stdout).toContain('void all short-lived tokens that are out');
    const kept = await run('tokens', 'rotate-signing-key', '--dry-run');
    expect(kept.stdout).toContain('let the older ones live until they expire');
  });

  test('also when it is not there, with its code and the nearest names', async () => {
    expect(await run('streams', 'delete', 'wep', '--dry-run')).toMatchObject({
      code: 4,
      stdout: '',
      stderr: expect.stringContaining('(there is s2://telemetry/web'),
    });
    expect((await run('basins', 'delete', 'telemetri', '--dry-run')).stderr).toContain('(there is s2://telemetry)');
    expect((await run('tokens', 'revoke', 'nobody', '--dry-run')).code).toBe(4);
  });

  test('and it does not count records twice that were trimmed before', async () => {
    await append('short', 'one\ntwo\nthree\n');
    expect((await run('trim', 'short', '2')).code).toBe(0);
    const dry = await run('streams', 'delete', 'short', '--dry-run');
    // The third record, and the record with the command.
    expect(dry.stdout).toContain('what it holds: 2 records, ');
    expect((await run('streams', 'delete', 'short')).code).toBe(0);
  });
});

const describeAtTerminal = HAS_TERMINAL ? describe : describe.skip;
describeAtTerminal('at a terminal (skipped where python3 has no pty)', () => {
  test.each([
    ['streams delete', 'n\r', ['streams', 'delete', 'web'], 'Delete s2://telemetry/web and what it holds: 3 records'],
    ['trim', '\r', ['trim', 'web', '1'], '(0 to 0): 1 record of 3 records'],
    ['basins delete', '\x04', ['basins', 'delete', 'telemetry'], '2 streams, 4 records'],
    ['tokens revoke', 'no\r', ['tokens', 'revoke', 'asked'], 'Revoke asked, which may read'],
    ['tokens rotate', 'n\r', ['tokens', 'rotate', 'asked'], 'Give asked, which may read, another secret'],
    ['rotate-signing-key --void-old', 'x\r', ['tokens', 'rotate-signing-key', '--void-old'], 'void all short-lived'],
  ])('%s asks, and anything but a yes (%j) changes nothing and exits with code 1', async (_, typed, args, words) => {
    const before = await state();
    const refused = await atTerminal(typed, ...args);
    expect(refused.screen).toContain(words);
    expect(refused.screen).toContain('Go on? [y/N] ');
    expect(refused.screen).toContain('nothing was changed');
    expect(refused.code).toBe(1);
    expect(await state()).toEqual(before);
  });

  test('Ctrl-C at the question changes nothing and exits with code 130', async () => {
    const refused = await atTerminal('\x03', 'streams', 'delete', 'web');
    expect(refused.code).toBe(130);
    expect(await streams()).toContain('web');
  });

  test('a yes goes on, and --yes does not ask', async () => {
    await append('going', 'one\n');
    const asked = await atTerminal('y\r', 'streams', 'delete', 'going');
    expect(asked).toMatchObject({ code: 0, screen: expect.stringContaining('deleting s2://telemetry/going') });
    const unasked = await atTerminal('', 'trim', 'web', '1', '--yes');
    expect(unasked.code).toBe(0);
    expect(unasked.screen).not.toContain('[y/N]');
  });

  test('the default basin says that it is made again, before and after', async () => {
    const deleted = await atTerminal('yes\r', 'basins', 'delete', 's2://telemetry');
    expect(deleted.code).toBe(0);
    expect(deleted.screen.split('It is the default basin of the server')).toHaveLength(2);
    expect(deleted.screen).toContain('deleting s2://telemetry: the default basin of the server, which makes it again');
    expect(await streams()).toEqual([]);
    await append('after', 'one\n');
  });
});

test('a script is not asked: whatever its stdin is, it is done as before', async () => {
  await append('scripted', 'one\n');
  const piped = await runShell('yes n | tailrace streams delete scripted', { server });
  expect(piped.stdout).toBe('deleting s2://telemetry/scripted\n');
  const lone = await runShell('tailrace basins delete telemetry --json < /dev/null', { server });
  expect(lone).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(lone.stdout)).toEqual({ basin: 'telemetry', result: 'deleting', default_basin: true });
});
