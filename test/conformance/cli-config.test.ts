/** `serve --config` and `tailrace config`: four places of settings, which one counts, and what a mistake does. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CliSetup, runCli } from '../support/cli.ts';
import { call } from '../support/http-call.ts';
import { failToStart, startServer } from '../support/server.ts';

let dir: string;
let file: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-config-'));
  file = path.join(dir, 'tailrace.yaml');
});

afterAll(() => rmSync(dir, { recursive: true }));

/** Of each setting: what it is, and where it comes from. */
async function printed(args: readonly string[], setup: CliSetup = {}) {
  const { code, stdout, stderr } = await runCli(['config', 'print', '--json', ...args], setup);
  expect([code, stderr]).toEqual([0, '']);
  const rows = stdout.trimEnd().split('\n');
  const parsed = rows.map((row) => JSON.parse(row) as { key: string; value: unknown; source: string; line?: number });
  return new Map(
    parsed.map(({ key, value, source, line }) => [key, line === undefined ? [value, source] : [value, source, line]]),
  );
}

/** A setting of each kind: its key, what three places say, and what the server has of each. */
const KINDS = [
  [
    'host',
    ['file.example', 'env.example', 'flag.example'],
    ['file.example', 'env.example', 'flag.example'],
    '127.0.0.1',
  ],
  ['port', [1, '2', '3'], [1, 2, 3], 4318],
  ['memory_limit', ['64MiB', '65MiB', '66MiB'], [64, 65, 66].map((size) => size * 2 ** 20), 2 ** 29],
  ['shutdown_timeout', ['1500ms', '2s', '3s'], [1_500, 2_000, 3_000], 10_000],
  ['log_level', ['warn', 'error', 'debug'], ['warn', 'error', 'debug'], 'info'],
  [
    'cors_origin',
    [['https://f.example'], 'https://e.example', 'https://g.example'],
    [['https://f.example'], ['https://e.example'], ['https://g.example']],
    null,
  ],
  ['trust_proxy', [2, '10.0.0.0/8', '3'], [2, ['10.0.0.0/8'], 3], null],
  ['allow_network_fs', [false, '0', undefined], [false, false, true], false],
] as const;

test('a flag counts before its variable, that before the file, and that before the default, for each kind of value', async () => {
  writeFileSync(file, KINDS.map(([key, [value]]) => `${key}: ${JSON.stringify(value)}\n`).join(''));
  const variable = (key: string) => `TAILRACE_${key.toUpperCase()}`;
  const env = Object.fromEntries(KINDS.map(([key, [, value]]) => [variable(key), value]));
  const flags = KINDS.flatMap(([key, [, , value]]) => [
    `--${key.replaceAll('_', '-')}`,
    ...(value === undefined ? [] : [value]),
  ]);
  const [none, ofFile, ofEnv, ofFlags] = await Promise.all([
    printed([]),
    printed(['--config', file]),
    printed([], { env: { ...env, TAILRACE_CONFIG: file } }),
    printed(['--config', file, ...flags], { env }),
  ]);
  for (const [i, [key, , [inFile, inEnv, inFlags], standard]] of KINDS.entries()) {
    expect([key, none.get(key)]).toEqual([key, [standard, 'default']]);
    expect([key, ofFile.get(key)]).toEqual([key, [inFile, file, i + 1]]);
    expect([key, ofEnv.get(key)]).toEqual([key, [inEnv, variable(key)]]);
    expect([key, ofFlags.get(key)]).toEqual([key, [inFlags, `--${key.replaceAll('_', '-')}`]]);
  }
});

test('a server has what its file says, with paths of the folder of the file, and makes what it declares', async () => {
  const folder = path.join(dir, 'etc');
  mkdirSync(folder);
  const config = path.join(folder, 'server.yaml');
  const text = `
default_basin: from-file
exchange_ttl: 60s
root_token_file: root.secret
init:
  basins:
    - name: orders-eu
      streams: [{name: returns, config: {retention_policy: infinite}}]
  access_tokens:
    - {id: shipper, scope: {basins: {prefix: ""}, ops: [list-streams]}, secret_file: shipper.token}
`;
  writeFileSync(config, text);
  const token = `root-${'r'.repeat(40)}`;
  writeFileSync(path.join(folder, 'root.secret'), token);
  const server = await startServer({ env: { TAILRACE_CONFIG: config } });
  const headers = { authorization: `Bearer ${token}`, 's2-basin': 'orders-eu' };
  const me = JSON.parse((await call(server.port, { method: 'GET', path: '/v1/whoami', headers })).body.toString());
  expect(me).toMatchObject({ root: true, default_basin: 'from-file' });
  const stream = await call(server.port, { method: 'GET', path: '/v1/streams/returns', headers });
  expect(JSON.parse(stream.body.toString())).toMatchObject({ retention_policy: { infinite: {} } });
  const secret = readFileSync(path.join(folder, 'shipper.token'), 'utf8').trim();
  const shipper = { authorization: `Bearer ${secret}`, 's2-basin': 'orders-eu' };
  expect((await call(server.port, { method: 'GET', path: '/v1/streams', headers: shipper })).status).toBe(200);
  await server.stop();
});

test('a server with a mistake in its file does not start, opens nothing, and says each place with exit code 2', async () => {
  const dataDir = path.join(dir, 'never');
  writeFileSync(file, 'prot: 1\nport: abc\ninit:\n  basins: [{name: X}]\n');
  const failed = await failToStart({ dataDir, args: ['--config', file] });
  expect([failed.code, failed.stdout]).toEqual([2, '']);
  const at = (place: string, what: string) => expect.stringContaining(`${file}:${place}: ${what}`);
  expect(failed.stderr.split('\n')).toEqual([
    'tailrace: the configuration file (--config):',
    at('1:1', 'unknown key "prot": did you mean `port`?'),
    at('2:7', 'port must be a whole number from 0 to 65535, not "abc"'),
    at('4:19', 'init: basins[0].name: basin name must be 8 to 48 bytes long'),
    '',
  ]);
  const missing = await failToStart({ dataDir, env: { TAILRACE_CONFIG: path.join(dir, 'nowhere.yaml') } });
  expect([missing.code, missing.stderr]).toEqual([
    2,
    expect.stringMatching(/\(TAILRACE_CONFIG\):\n.*nowhere\.yaml cannot be read: there is no such file/),
  ]);
  // Settings that contradict each other are said by their places.
  writeFileSync(file, 'no_auth: true\n');
  const apart = await failToStart({ dataDir, args: ['--config', file, '--host', '0.0.0.0'] });
  expect([apart.code, apart.stderr]).toEqual([2, expect.stringContaining(`no_auth (${file}:1) is refused on 0.0.0.0`)]);
  expect(existsSync(dataDir)).toBe(false);
});

test('config print aligns what it shows, masks the root token, and is refused as a start is', async () => {
  writeFileSync(file, 'host: "a\\e[31mb"\ninit: {basins: [{name: orders-eu}]}\n');
  const env = { TAILRACE_ROOT_TOKEN: 'never-shown-'.repeat(4) };
  const shown = await runCli(['config', 'print', '--config', file], { env });
  expect([shown.code, shown.stderr]).toEqual([0, '']);
  expect(shown.stdout).not.toContain('never-shown');
  expect(shown.stdout).not.toContain('\x1b');
  const lines = shown.stdout.trimEnd().split('\n');
  expect(lines[0]).toMatch(new RegExp(`^host {20}a\\\\x1b\\[31mb +${file}:1$`));
  expect(lines.find((line) => line.startsWith('root_token '))).toMatch(/^root_token {14}\*{8} +TAILRACE_ROOT_TOKEN$/);
  expect(lines.at(-1)).toMatch(/^init {20}1 basin, 0 tokens +.*:2$/);
  expect(new Set(lines.map((line) => line.search(/(default|TAILRACE_\w+|\S+:\d)$/))).size).toBe(1);
  const wrong = await runCli(['config', 'print', '--port', 'x']);
  expect([wrong.code, wrong.stdout, wrong.stderr]).toEqual([2, '', expect.stringContaining('--port (TAILRACE_PORT)')]);
});

test('config schema prints a JSON Schema of either file', async () => {
  const [settings, declared] = await Promise.all([
    runCli(['config', 'schema']),
    runCli(['config', 'schema', '--declared']),
  ]);
  for (const { stdout } of [settings, declared]) {
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
    });
  }
  expect(JSON.parse(settings.stdout)).toMatchObject({
    properties: { port: { default: 4318 }, init: { type: 'object' } },
  });
  expect(JSON.parse(declared.stdout)).toMatchObject({ properties: { access_tokens: { type: 'array' } } });
});
