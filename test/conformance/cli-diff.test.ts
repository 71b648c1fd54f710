/** `tailrace diff --against`: two files, a file and another server, and two servers, with a token for each. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

const BEFORE = `
basins:
  - name: gone-basin
    streams: [{name: goes-with-it}]
  - name: shop-basin
    config: {default_stream_config: {retention_policy: 30days}}
    streams:
      - {name: kept}
      - {name: left-out}
      - {name: returns, config: {retention_policy: infinite}}
access_tokens: [{id: web, scope: {basins: {prefix: ""}, streams: {prefix: ""}, ops: [read]}}]
`;
const AFTER = `
basins:
  - name: shop-basin
    config: {default_stream_config: {retention_policy: 30days}}
    streams:
      - {name: returns, config: {retention_policy: 7days}}
      - {name: kept, config: {retention_policy: 30days}}
      - {name: added}
access_tokens:
  - {id: web, scope: {basins: {prefix: ""}, streams: {prefix: ""}, ops: [read, append]}}
  - {id: app, scope: {basins: {prefix: ""}, streams: {prefix: ""}, ops: [append]}}
`;
/** From the first to the second. */
const STEPS = [
  '- basin gone-basin',
  '+ stream shop-basin/added',
  '- stream shop-basin/left-out',
  '~ stream shop-basin/returns  retention-policy infinite → 7d',
  '+ token app  expires never, basins all, streams all, access-tokens none, may append, prefix trk',
  '~ token web  may read → append read',
];

let dir: string;
let one: TestServer;
let other: TestServer;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-diff-'));
  writeFileSync(path.join(dir, 'before.yaml'), BEFORE);
  writeFileSync(path.join(dir, 'after.yaml'), AFTER);
  [one, other] = await Promise.all([startServer(), startServer()]);
  writeFileSync(path.join(dir, 'other.token'), other.token);
  const applied = await Promise.all([
    runCli(['apply', '-f', 'after.yaml', '--secrets-file', 'after.secrets'], { server: one, cwd: dir }),
    runCli(['apply', '-f', 'before.yaml', '--secrets-file', 'before.secrets'], { server: other, cwd: dir }),
  ]);
  expect(applied.map(({ code }) => code)).toEqual([0, 0]);
});

afterAll(async () => {
  await Promise.all([one.stop(), other.stop()]);
  rmSync(dir, { recursive: true });
});

/** By default there is no server to ask. */
const diff = (args: readonly string[], env: Record<string, string> = { TAILRACE_ENDPOINT: 'http://127.0.0.1:9' }) =>
  runCli(['diff', ...args], { cwd: dir, env });
const asOne = () => ({ TAILRACE_ENDPOINT: one.url, TAILRACE_TOKEN: one.token });
const linesOf = ({ stdout }: CliResult) => stdout.split('\n').slice(0, -1);

describe('two files', () => {
  test('are compared without a server, by everything that either of them declares', async () => {
    const changed = await diff(['-f', 'after.yaml', '--against', 'before.yaml']);
    expect([changed.code, linesOf(changed), changed.stderr]).toEqual([1, STEPS, '= 2 unchanged\n']);
  });

  test('that say the same in other words do not differ', async () => {
    writeFileSync(
      path.join(dir, 'same.json'),
      JSON.stringify({
        access_tokens: [
          { id: 'app', scope: { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['append'] } },
          { id: 'web', scope: { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['append', 'read'] } },
        ],
        basins: [
          {
            name: 'shop-basin',
            config: { default_stream_config: { retention_policy: { age: 2_592_000 } } },
            streams: [
              { name: 'added', config: { retention_policy: '30days' } },
              { name: 'kept' },
              { name: 'returns', config: { retention_policy: '1week' } },
            ],
          },
        ],
      }),
    );
    const same = await diff(['-f', 'same.json', '--against', 'after.yaml']);
    expect([same.code, same.stdout, same.stderr]).toEqual([0, '', '= 6 unchanged: nothing differs\n']);
  });

  test('are objects with --json, one a line', async () => {
    const json = await diff(['-f', 'before.yaml', '--against', 'after.yaml', '--json']);
    const steps = linesOf(json).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(steps.map(({ action, name }) => `${action} ${name}`)).toEqual([
      'create gone-basin',
      'create gone-basin/goes-with-it',
      'delete shop-basin/added',
      'create shop-basin/left-out',
      'change shop-basin/returns',
      'delete app',
      'change web',
    ]);
    expect(steps).toContainEqual({
      action: 'change',
      kind: 'stream',
      name: 'shop-basin/returns',
      changes: [{ setting: 'retention-policy', from: '7d', to: 'infinite' }],
    });
    expect(json.stderr).toBe('');
  });
});

describe('another server', () => {
  test('is compared with this one: what it would take to make it like this one', async () => {
    const url = await diff(['--against', other.url, '--against-token-file', 'other.token'], asOne());
    expect([url.code, linesOf(url), url.stderr]).toEqual([1, STEPS, '= 3 unchanged\n']);
    const config = { XDG_CONFIG_HOME: path.join(dir, 'config') };
    const add = `tailrace context add staging --endpoint ${other.url} < other.token`;
    expect((await runShell(add, { cwd: dir, env: config })).code).toBe(0);
    const context = await diff(['--against', 'staging'], { ...asOne(), ...config });
    expect([context.code, linesOf(context)]).toEqual([1, STEPS]);
  });

  test('is planned for as this one is with a file of -f', async () => {
    const args = ['-f', 'before.yaml', '--against', other.url, '--against-token-file', 'other.token'];
    expect(await diff(args)).toEqual({ code: 0, stdout: '', stderr: '= 7 unchanged: nothing differs\n' });
  });

  test('and a file: what it would take to make the file declare this server', async () => {
    const file = await diff(['--against', 'after.yaml'], asOne());
    expect([file.code, linesOf(file)]).toEqual([
      1,
      [expect.stringMatching(/^\+ basin telemetry {2}create-stream-on-append true/)],
    ]);
  });

  test('gets no token but its own, and its refusal says which server refused', async () => {
    const refused = await diff(['--against', other.url], asOne());
    expect([refused.code, refused.stdout]).toEqual([3, '']);
    expect(refused.stderr).toContain('a token is needed');
    expect(refused.stderr).toContain(`endpoint ${other.url} (from --against)`);
    const down = await diff(['--against', 'http://127.0.0.1:9'], asOne());
    expect([down.code, down.stderr]).toEqual([75, expect.stringContaining('http://127.0.0.1:9')]);
  });
});

test.each([
  [[], 'say what to compare with: -f <file>'],
  [['-f', 'after.yaml', '--against-token-file', 'other.token'], 'says nothing without --against'],
  [['-f', 'after.yaml', '--against', 'before.yaml', '--against-token-file', 'other.token'], 'is for a server'],
  [['-f', 'after.yaml', '--against', 'nowhere'], 'nowhere is no file, no context and no URL'],
])('%j is refused before any server is called', async (args, words) => {
  expect(await diff(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
});
