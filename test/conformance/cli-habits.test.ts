/** What users of other tools type: it is taken, or the message names what it is called here. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, type CliSetup, runCli, runShell } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-habits-'));
  const log = [
    'send',
    'log',
    'disk full',
    '--stream',
    'shop',
    '--level',
    'error',
    '--attr',
    'disk=sda',
    '--attr',
    'n=7',
  ];
  expect((await runCli(log, { server })).code).toBe(0);
  expect((await runShell(`printf 'one\\ntwo\\n' | tailrace append shop`, { server })).code).toBe(0);
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const run = (args: readonly string[], setup: CliSetup = { server, cwd: folder }): Promise<CliResult> =>
  runCli(args, setup);
const all = ['read', 'shop', '-s', '0', '--no-follow'];

describe('-o is a format', () => {
  test('json, the same as --json, and no file is written', async () => {
    const [short, long] = await Promise.all([run([...all, '-o', 'json']), run([...all, '--json'])]);
    expect(short).toMatchObject({ code: 0, stderr: '' });
    expect(short.stdout).toBe(long.stdout);
    expect(
      short.stdout
        .split('\n')
        .slice(0, 3)
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([{ seqNum: 0, body: 'disk full' }, { body: 'one' }, { body: 'two' }]);
    expect(await readdir(folder)).toEqual([]);
  });

  test('logfmt, with every field in one line', async () => {
    const lines = (await run(['tail', 'shop', '--no-follow', '-o', 'logfmt'])).stdout.split('\n');
    expect(lines[0]).toMatch(
      /^seqNum=0 timestamp=\S+ signal=logs serviceName=tailrace-send body="disk full" level=error /,
    );
    expect(lines[0]).toMatch(/ disk=sda n=7 .*resource\.s2\.stream=shop/);
    expect(lines[1]).toMatch(/^seqNum=1 timestamp=\S+ body=one$/);
  });

  test('wide, with the sequence number and what the resource holds, or text', async () => {
    const wide = (await run([...all, '--output', 'wide'])).stdout.split('\n');
    expect(wide[0]).toMatch(
      /^ {7}0 {2}\S+Z {2}ERROR {3}tailrace-send {2}disk full {2}.*disk=sda n=7 .*resource\.s2\.stream=shop/,
    );
    expect((await run([...all, '-o', 'text'])).stdout).toBe((await run(all)).stdout);
  });

  test('and a file name is refused with the flag that takes it, like flags that contradict the format', async () => {
    for (const [args, words] of [
      [['-o', 'shop.jsonl'], '--output-file'],
      [['-o', 'wide', '--json'], 'contradicts --output wide'],
      [['-o', 'json', '--view', 'raw'], 'leave out --view'],
    ] as const) {
      expect(await run([...all, ...args])).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining(words),
      });
    }
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('flags of other tools are taken:', () => {
  const bodies = async (...args: string[]): Promise<unknown[]> => {
    const { stdout } = await run([...args, '--json']);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => (JSON.parse(line) as { body: unknown }).body);
  };

  test('--tail and --since of tail and read, and -f of both', async () => {
    const three = ['disk full', 'one', 'two'];
    expect(await bodies('tail', 'shop', '--tail', '1', '--no-follow')).toEqual(['two']);
    expect(await bodies('tail', 'shop', '--since', '10m', '--no-follow')).toEqual(three);
    expect(await bodies('tail', 'shop', '--since', '2099-01-31T12:00:00Z', '--no-follow')).toEqual([]);
    expect(await bodies('read', 'shop', '--since', '1h', '-f', '-n', '3')).toEqual(three);
    expect(await bodies('read', 'shop', '--since', '2000-01-31T12:00:00Z', '-n', '1')).toEqual(['disk full']);
    expect(await bodies('read', 'shop', '--tail', '2', '--no-follow')).toEqual(['one', 'two']);
  });
});

describe('names of other tools lead on:', () => {
  test.each([
    [['follow', 'shop', '-f'], '`tailrace tail <stream>`'],
    [['delete', 'shop'], '`tailrace streams delete <stream>` or `tailrace basins delete <basin>`'],
    [['check', 'shop'], '`tailrace check-tail <stream>`'],
    [['list-basins'], '`tailrace basins list`'],
    [['streams', 'rm', 'shop'], '`tailrace streams delete`'],
    [['basins', 'ls'], '`tailrace basins list`'],
    [['tokens', 'create', 'x', '--ops', 'read'], '`tailrace tokens issue`'],
    [['context', 'delete', 'x'], '`tailrace context remove`'],
  ])('%j', async (args, ours) => {
    const result = await run(args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(`here it is ${ours}`);
    expect(result.stderr).not.toContain('Did you mean');
  });

  test('none of them is in the help', async () => {
    const help = (await run(['--help'])).stdout + (await run(['streams', '--help'])).stdout;
    expect(help).not.toMatch(/^ {2}(logs|rm|list-basins) /m);
  });
});

test('an unknown flag names the help of that command, and a wrong verb that of its group', async () => {
  for (const [args, help] of [
    [['tail', 'shop', '--foo'], '(tailrace tail --help lists its options)'],
    [['send', 'log', '--foo'], '(tailrace send log --help lists its options)'],
    [['streams', 'delete', '--foo'], '(tailrace streams delete --help lists its options)'],
    [['serve', '--foo'], '(tailrace serve --help lists its options)'],
    [['streams', 'foo'], '(tailrace streams --help lists the commands)'],
    [['foo'], '(tailrace --help lists the commands)'],
  ] as const) {
    expect(await run(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(help) });
  }
});

test('near names are told wherever a name is unknown, and a trim makes no stream of a mistyped name', async () => {
  await run(['tokens', 'issue', 'web', '--ops', 'read', '--basins-exact', 'telemetry']);
  for (const [args, near] of [
    [['check-tail', 'shp'], '(there is s2://telemetry/shop'],
    [['streams', 'delete', 's2://telemetri/shop'], '(there is s2://telemetry/shop)'],
    [['basins', 'delete', 'telemetri'], '(there is s2://telemetry)'],
    [['trim', 'shp', '1'], '(there is s2://telemetry/shop'],
    [['tokens', 'get', 'wep'], '(there is web)'],
    [['tokens', 'revoke', 'wep'], '(there is web)'],
    [['tokens', 'rotate', 'wep'], '(there is web)'],
  ] as const) {
    expect(await run(args)).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining(near) });
  }
  expect((await run(['streams', 'list', '--json'])).stdout.trim().split('\n')).toHaveLength(1);
});

describe('an endpoint', () => {
  const calls = [['ls'], ['tail', 'shop', '--no-follow'], ['send', 'log', 'x'], ['doctor']];

  test.each(calls)('with https on a port without TLS says so, to %s', async (...args) => {
    const result = await run([...args, '--endpoint', server.url.replace('http:', 'https:')]);
    expect(result.code).toBe(75);
    expect(result.stdout + result.stderr).toContain('it does not speak TLS there: is it http:// and not https://?');
    expect(result.stdout + result.stderr).not.toContain('SSL routines');
  });

  test.each(calls)('with a path says so, to %s', async (...args) => {
    const result = await run([...args, '--endpoint', `${server.url}/v1`]);
    expect(result.code).not.toBe(0);
    expect(result.stdout + result.stderr).toContain(
      `the endpoint has the path /v1: a server is usually named without one, ${server.url}`,
    );
  });

  test('with a path does not blame it for a stream that is not there', async () => {
    const proxied = await run(['check-tail', 'shp', '--endpoint', `${server.url}/`]);
    expect(proxied.stderr).not.toContain('has the path');
  });
});

describe('send says where it sent', () => {
  test('in words: the URL, and the stream or what the receiver picks it by', async () => {
    const named = await run(['send', 'log', '--stream', 'shop']);
    expect(named.stdout).toMatch(new RegExp(`^200 1 of 1 logs accepted by ${server.url}/v1/logs, stream shop \\(`));
    const unnamed = await run(['send', 'log', '--service', 'till']);
    expect(unnamed.stdout).toContain('stream as its basin names it (no s2.stream; service till)');
  });

  test('as JSON with --json, whatever the body is encoded in', async () => {
    const sent = await run(['send', 'span', '--count', '3', '--encoding', 'json', '--json', '--stream', 'spans']);
    expect(sent).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(sent.stdout)).toEqual({
      status: 200,
      signal: 'traces',
      sent: 3,
      accepted: 3,
      rejected: 0,
      message: null,
      url: `${server.url}/v1/traces`,
      from: 'TAILRACE_ENDPOINT',
      stream: 'spans',
      service: 'tailrace-send',
      correlation_id: expect.any(String),
    });
  });
});
