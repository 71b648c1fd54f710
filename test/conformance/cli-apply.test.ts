/** `tailrace apply` and `tailrace diff` against a real server: the plan, what is done, what is left, and secrets. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

let dir: string;
let file: string;
let server: TestServer;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-apply-'));
  file = path.join(dir, 'declared.yaml');
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true });
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server, cwd: dir });
const linesOf = ({ stdout }: CliResult) => stdout.split('\n').slice(0, -1);

const BASINS = `
basins:
  - name: shop-basin
    config:
      create_stream_on_append: true
      default_stream_config: {retention_policy: 30days}
      otlp_required_resource_attributes: [service.name]
    streams:
      - {name: returns, config: {retention_policy: infinite}}
      - {name: plain}
`;

test('what is declared is planned, made once, and then nothing differs', async () => {
  writeFileSync(file, BASINS);
  const plan = [
    '+ basin shop-basin  create-stream-on-append true, otlp-required-attribute service.name, retention-policy 30d',
    '+ stream shop-basin/returns  retention-policy infinite',
    '+ stream shop-basin/plain',
  ];
  const sorted = (result: CliResult) =>
    linesOf(result).map((line) =>
      line
        .split(/, | {2}/)
        .sort()
        .join(),
    );
  const before = await run('diff', '-f', file);
  expect([before.code, sorted(before)]).toEqual([
    1,
    plan.map((line) =>
      line
        .split(/, | {2}/)
        .sort()
        .join(),
    ),
  ]);
  const dry = await run('apply', '-f', file, '--dry-run');
  expect([dry.code, dry.stdout]).toEqual([0, before.stdout]);
  expect(dry.stderr).toContain('nothing is changed');
  expect((await run('basins', 'get', 'shop-basin')).code).toBe(4);
  const done = await run('apply', '-f', file);
  expect([done.code, done.stdout]).toEqual([0, before.stdout]);
  const again = await run('apply', '-f', file);
  expect([again.code, again.stdout, again.stderr]).toEqual([0, '', '= 3 unchanged: nothing differs\n']);
  expect(await run('diff', '-f', file, '--quiet')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect((await run('streams', 'get', 's2://shop-basin/plain')).stdout).toMatch(/retention-policy +30d/);
});

test('a change is shown from what is there to what is declared, and a setting that is not declared is the default', async () => {
  writeFileSync(file, BASINS.replace('infinite', '7days').replace('      create_stream_on_append: true\n', ''));
  const diff = await run('diff', '-f', file, '--json');
  expect([diff.code, linesOf(diff).map((line) => JSON.parse(line))]).toEqual([
    1,
    [
      {
        action: 'change',
        kind: 'basin',
        name: 'shop-basin',
        changes: [{ setting: 'create-stream-on-append', from: 'true', to: 'false' }],
      },
      {
        action: 'change',
        kind: 'stream',
        name: 'shop-basin/returns',
        changes: [{ setting: 'retention-policy', from: 'infinite', to: '7d' }],
      },
    ],
  ]);
  const done = await run('apply', '-f', file);
  expect(linesOf(done)).toEqual([
    '~ basin shop-basin  create-stream-on-append true → false',
    '~ stream shop-basin/returns  retention-policy infinite → 7d',
  ]);
  expect(done.stderr).toBe('= 1 unchanged\n');
  expect((await run('diff', '-f', file)).code).toBe(0);
});

test('the same file is what a server takes at its start', async () => {
  const other = await startServer({ args: ['--init-file', file] });
  const same = await runCli(['diff', '-f', file], { server: other });
  await other.stop();
  expect([same.code, same.stdout]).toEqual([0, '']);
});

const TOKENS = (ops: string) => `
access_tokens:
  - {id: in-file, scope: {basins: {prefix: ""}, streams: {prefix: ""}, ops: [${ops}]}, secret_file: in-file.token}
  - {id: printed, scope: {basins: {prefix: ""}, ops: [list-streams]}, limits: {bytes_per_second: 1000}}
`;

test('secrets of new tokens go to their files, readable by their owner, or are printed once; another definition makes another', async () => {
  writeFileSync(file, TOKENS('read'));
  const secretFile = path.join(dir, 'in-file.token');
  const made = await run('apply', '-f', file);
  expect(made.code).toBe(0);
  const first = readFileSync(secretFile, 'utf8').trim();
  expect(statSync(secretFile).mode & 0o777).toBe(0o600);
  expect(made.stdout).not.toContain(first);
  const [, printed = ''] = /^ {2}the secret of printed, shown once: (\S+)$/m.exec(made.stdout) ?? [];
  const who = (token: string) =>
    runCli(['whoami', '--json'], { env: { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: token } });
  expect(JSON.parse((await who(first)).stdout)).toMatchObject({ id: 'in-file' });
  expect(JSON.parse((await who(printed)).stdout)).toMatchObject({ id: 'printed' });
  expect((await run('apply', '-f', file)).stdout).toBe('');
  // The order of operations means nothing.
  writeFileSync(file, TOKENS('read, append'));
  const changed = await run('apply', '-f', file);
  expect(linesOf(changed)).toEqual(['~ token in-file  may read → append read, a new secret, the old one stops']);
  const second = readFileSync(secretFile, 'utf8').trim();
  expect([(await who(first)).code, (await who(second)).code]).toEqual([3, 0]);
  writeFileSync(file, TOKENS('append, read'));
  expect((await run('diff', '-f', file)).code).toBe(0);
});

test('secrets go to a new file of their own with --secrets-file, and a file that is there is not overwritten', async () => {
  const secrets = path.join(dir, 'secrets.jsonl');
  const declared = 'access_tokens: [{id: filed, scope: {basins: {prefix: ""}, ops: [list-streams]}}]';
  writeFileSync(file, declared);
  const made = await run('apply', '-f', file, '--secrets-file', secrets);
  expect([made.code, made.stdout.includes('secret')]).toEqual([0, false]);
  expect(statSync(secrets).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(secrets, 'utf8'))).toEqual({ token: 'filed', secret: expect.stringMatching(/^trk_/) });
  writeFileSync(file, declared.replace('filed', 'other'));
  const refused = await run('apply', '-f', file, '--secrets-file', secrets);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--secrets-file must be a new file')]);
  writeFileSync(file, declared.replace('filed', 'other').replace(']}}', ']}, secret_file: secrets.jsonl}'));
  const taken = await run('apply', '-f', file);
  expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('is there already: remove it')]);
  expect((await run('tokens', 'get', 'other')).code).toBe(4);
});

test('a failure in the middle says what was done and what was not, and another run goes on from there', async () => {
  const secretFile = path.join(dir, 'missing', 'late.token');
  const text = (place: string) => `
basins: [{name: half-basin, streams: [{name: one}]}]
access_tokens:
  - {id: late, scope: {basins: {prefix: ""}, ops: [read]}, secret_file: ${place}}
  - {id: last, scope: {basins: {prefix: ""}, ops: [read]}, secret_file: last.token}
`;
  writeFileSync(file, text(secretFile));
  const failed = await run('apply', '-f', file);
  expect([failed.code, linesOf(failed)]).toEqual([
    2,
    ['+ basin half-basin', '+ stream half-basin/one', expect.stringContaining('+ token late')],
  ]);
  expect(failed.stderr).toContain('not done:\n  token last\n');
  expect(failed.stderr).toContain('token late: it was made, but its secret could not be kept');
  writeFileSync(file, text('late.token'));
  const rest = await run('apply', '-f', file);
  expect([rest.code, linesOf(rest)]).toEqual([0, [expect.stringMatching(/^\+ token last /)]]);
});

test('what the server refuses in the middle ends the run with the code of the refusal, and what was done stays', async () => {
  const may = 'get-basin-config,create-basin,reconfigure-basin,get-stream-config';
  const { stdout: token } = await run(
    'tokens',
    'issue',
    'half',
    '--basins-prefix',
    '',
    '--streams-prefix',
    '',
    '--ops',
    may,
  );
  writeFileSync(file, 'basins: [{name: their-basin, streams: [{name: one}, {name: two}]}]\n');
  const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: token.trim() };
  const refused = await runCli(['apply', '-f', file, '--json'], { env });
  const rows = linesOf(refused).map((line) => JSON.parse(line));
  expect([refused.code, rows.map(({ name, done }) => [name, done])]).toEqual([
    3,
    [
      ['their-basin', true],
      ['their-basin/one', false],
      ['their-basin/two', false],
    ],
  ]);
  expect(refused.stderr).toContain('stream their-basin/one: ');
  expect(refused.stderr).toContain('(1 of 3 steps done; run it again to go on)');
  expect((await run('basins', 'get', 'their-basin')).code).toBe(0);
});

test('with --prune goes what the lists of the file do not name, except the default basin and what has no list', async () => {
  await run('basins', 'create', 'stray-basin');
  await run('streams', 'create', 's2://half-basin/stray');
  writeFileSync(
    file,
    'basins: [{name: half-basin, streams: [{name: one}]}, {name: shop-basin}, {name: their-basin}]\n',
  );
  expect((await run('diff', '-f', file)).stdout).not.toMatch(/^-/m);
  const wanted = ['- stream half-basin/stray', '- basin stray-basin'];
  const diff = await run('diff', '-f', file, '--prune');
  expect(linesOf(diff).filter((line) => line.startsWith('-'))).toEqual(wanted);
  if (HAS_TERMINAL) {
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token };
    const asked = await runAtTerminal(['apply', '-f', file, '--prune'], { prompt: 'Go on? [y/N]', typed: 'n\n', env });
    expect([asked.code, asked.screen]).toEqual([
      1,
      expect.stringContaining('Delete 1 basin, 1 stream, with what they hold'),
    ]);
    expect(asked.screen).toContain('- basin stray-basin');
    // Colours of a line that is not theirs would be shown as escapes.
    expect(asked.screen).not.toContain('\\x1b');
    expect((await run('basins', 'get', 'stray-basin')).code).toBe(0);
  }
  const done = await run('apply', '-f', file, '--prune', '--yes');
  expect(linesOf(done).filter((line) => line.startsWith('-'))).toEqual(wanted);
  expect((await run('basins', 'list')).stdout).not.toMatch(/stray-basin$/m);
  expect((await run('basins', 'get', 'telemetry')).code).toBe(0);
  expect((await run('tokens', 'get', 'last')).code).toBe(0);
});

test('the whole file is checked before the first call, stdin too, with the line of each fault', async () => {
  const text = '{"basins": [\n  {"name": "fresh-basin"},\n  {"name": "No"}],\n "more": 1}';
  const wrong = await runShell('printf %s "$TEXT" | tailrace apply -f -', { server, env: { TEXT: text } });
  expect([wrong.code, wrong.stdout]).toEqual([2, '']);
  expect(wrong.stderr).toContain('stdin:1:1: the file: unknown field `more`');
  const named = await runShell('printf %s "$TEXT" | tailrace diff -f -', {
    server,
    env: { TEXT: text.replace(',\n "more": 1', '') },
  });
  expect([named.code, named.stderr]).toEqual([
    2,
    expect.stringContaining('stdin:3:12: basins[1].name: basin name must be'),
  ]);
  expect((await run('basins', 'get', 'fresh-basin')).code).toBe(4);
  const missing = await run('diff', '-f', 'nowhere.yaml');
  expect([missing.code, missing.stderr]).toEqual([
    2,
    'tailrace: nowhere.yaml cannot be read: there is no such file (ENOENT)\n',
  ]);
  const unreachable = await runCli(['apply', '-f', path.join(dir, 'declared.yaml')], {
    env: { TAILRACE_ENDPOINT: 'http://127.0.0.1:9' },
  });
  expect(unreachable.code).toBe(75);
});
