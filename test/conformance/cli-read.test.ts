/** The command line against a real server: what `send` sends is what `tail`, `read` and `ls` show. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CLI_VIEWS } from '../../cli/print/printer.ts';
import { type CliResult, runCli, runShell, startCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });
const rows = (result: CliResult) =>
  result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function send(...args: string[]): Promise<void> {
  const result = await run('send', ...args);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(result.stdout).toMatch(/^200 \d+ of \d+ (logs|traces|metrics) accepted by http/);
}

describe('send → read, for each signal and encoding:', () => {
  const json = ['--encoding', 'json'];
  const encodings = [[], json, ['--gzip'], [...json, '--gzip']];

  test.each(encodings.map((flags) => [flags.join(' ') || 'protobuf', flags] as const))(
    'read returns what send %s sent',
    async (name, flags) => {
      const stream = `signals ${name}`;
      const attrs = ['--attr', 'i=7', '--attr', 'd=0.5', '--attr', 'b=true', '--attr', 's="7"', '--attr', 'l=["a",1]'];
      await send('log', 'hello', '--level', 'error', '--stream', stream, '--service', 'shop', ...attrs, ...flags);
      await send('span', '--name', 'GET /', '--duration', '120ms', '--failed', '--stream', stream, ...flags);
      await send('metric', '--name', 'depth', '--value', '1.5', '--kind', 'sum', '--stream', stream, ...flags);
      const result = await run('read', stream, '-s', '0', '--no-follow', '--json');
      expect(result.code).toBe(0);
      expect(rows(result)).toMatchObject([
        {
          seqNum: 0,
          signal: 'logs',
          body: 'hello',
          level: 'error',
          serviceName: 'shop',
          metadata: { i: 7, d: 0.5, b: true, s: '7', l: ['a', 1] },
        },
        { seqNum: 1, signal: 'traces', type: 'GET /', durationMs: 120, status: { code: 'error' } },
        { seqNum: 2, signal: 'metrics', type: 'depth', unit: '1' },
      ]);
    },
  );

  test('more records than a request holds arrive in order', async () => {
    await send('log', 'x', '--count', '1001', '--stream', 'many');
    const result = await run('read', 'many', '-s', '0', '--no-follow', '--format', 'json');
    expect(rows(result).map((row) => row.seq_num)).toEqual(Array.from({ length: 1_001 }, (_, index) => index));
  });
});

describe('read', () => {
  beforeAll(async () => {
    for (const body of ['a', 'b', 'c', 'd', 'e']) await send('log', body, '--stream', 'five');
  });
  const bodies = async (...args: string[]) => {
    const result = await run('read', 'five', '--json', ...args);
    expect(result.code).toBe(0);
    return rows(result).map((row) => row.body);
  };

  test('follows starts and bounds', async () => {
    expect(await bodies('-s', '0', '--no-follow')).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await bodies('-s', '1', '-n', '2')).toEqual(['b', 'c']);
    expect(await bodies('--tail-offset', '2', '--no-follow')).toEqual(['d', 'e']);
    expect(await bodies('--ago', '1h', '-n', '1')).toEqual(['a']);
    expect(await bodies('--timestamp', '2000-01-01T00:00:00Z', '-n', '1')).toEqual(['a']);
    expect(await bodies('-s', '0', '--until', '2000-01-01T00:00:00Z')).toEqual([]);
    expect(await bodies('-s', '0', '-b', '1')).toEqual([]);
    expect(await bodies('-s', '99', '--clamp', '--no-follow')).toEqual([]);
  });

  test('returns nothing for a bounded read at the tail, and an error beyond it', async () => {
    expect(await run('read', 'five', '-s', '5', '-n', '1')).toMatchObject({ code: 0, stdout: '' });
    const beyond = await run('read', 'five', '-s', '6', '-n', '1');
    expect(beyond.code).toBe(5);
  });

  test('writes to a file instead of stdout', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-cli-'));
    try {
      const file = join(folder, 'five.jsonl');
      const result = await run('read', 'five', '-s', '0', '-n', '5', '--view', 'otlp-json', '--output-file', file);
      expect(result).toMatchObject({ code: 0, stdout: '' });
      const messages = (await readFile(file, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object);
      expect(messages.every((message) => 'resourceLogs' in message)).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('prints raw records in the formats of S2', async () => {
    const [json] = rows(await run('read', 'five', '-s', '0', '-n', '1', '--format', 'json-base64'));
    const text = await runShell(`tailrace read five -s 0 -n 1 --view raw --format text | base64 -w0`, { server });
    const body = Buffer.from(String(json?.body), 'base64');
    expect(Buffer.from(text.stdout, 'base64')).toEqual(Buffer.concat([body, Buffer.from('\n')]));
    expect(json?.headers).toContainEqual([
      Buffer.from('otel.signal').toString('base64'),
      Buffer.from('logs').toString('base64'),
    ]);
  });
});

describe('tail', () => {
  test('prints the last records, then new ones, until Ctrl-C', async () => {
    for (const body of ['one', 'two', 'three']) await send('log', body, '--stream', 'tailed');
    const tail = startCli(['tail', 'tailed', '-n', '2'], { server });
    await tail.saw('three');
    await send('log', 'four', '--stream', 'tailed');
    await tail.saw('four');
    const result = await tail.stop('SIGINT');
    expect(result).toMatchObject({ code: 130, stderr: '' });
    expect(result.stdout).not.toContain('one');
    expect(result.stdout.trimEnd().split('\n')).toHaveLength(3);
  });

  test('ends at the tail with --no-follow', async () => {
    await send('log', 'once', '--stream', 'short');
    const result = await run('tail', 's2://telemetry/short', '--no-follow');
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toContain('once');
  });

  test('waits for a missing stream, suggests similar ones, and begins when it appears', async () => {
    await send('log', 'x', '--stream', 'checkout');
    const tail = startCli(['tail', 's2://telemetry/checkuot'], { server });
    await tail.saw('waiting for s2://telemetry/checkuot (there is s2://telemetry/checkout');
    await send('log', 'first', '--stream', 'checkuot');
    await tail.saw('first');
    expect((await tail.stop('SIGINT')).code).toBe(130);
  });

  test('exits with code 4 for a missing stream or basin without following', async () => {
    expect(await run('tail', 'nowhere', '--no-follow')).toMatchObject({ code: 4, stdout: '' });
    expect(await run('tail', 's2://no-such-basin/x')).toMatchObject({ code: 4, stdout: '' });
  });

  test('uses colours only on request', async () => {
    await send('log', 'red', '--level', 'error', '--stream', 'painted');
    const plain = await run('tail', 'painted', '--no-follow');
    expect(plain.stdout).not.toContain('\u001b');
    const colored = await run('tail', 'painted', '--no-follow', '--color', 'always');
    expect(colored.stdout).toContain('\u001b[31m');
  });

  test('lets no record send control characters to the terminal', async () => {
    const hostile = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202etxt\r\n2026-01-01 INFO forged';
    await send('log', hostile, '--attr', `k=${hostile}`, '--stream', 'hostile', '--service', hostile);
    for (const view of CLI_VIEWS) {
      const result = await run('tail', 'hostile', '--no-follow', '--view', view);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: this test is about control characters
      expect(result.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      expect(result.stdout.trimEnd().split('\n')).toHaveLength(1);
      expect(result.code).toBe(0);
    }
    const [row] = rows(await run('tail', 'hostile', '--no-follow', '--json'));
    expect(row?.body).toBe(hostile);
  });
});

describe('a closed pipe is not an error', () => {
  const commands = ['read piped -s 0 --no-follow', 'tail piped -n 1000', 'read piped -s 0 --json'];

  beforeAll(async () => {
    await send('log', 'x', '--count', '1001', '--stream', 'piped');
  });

  test.each(commands)('for %s | head -1', async (command) => {
    const result = await runShell(`tailrace ${command} | head -1`, { server });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout.trimEnd().split('\n')).toHaveLength(1);
  });

  test('when the reader leaves after everything is written and a tail waits for more', async () => {
    const leaving = '(read -r line; echo "$line"; sleep 0.3)';
    const result = await runShell(`tailrace tail piped -n 5 | ${leaving}`, { server });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout.trimEnd().split('\n')).toHaveLength(1);
  });

  test('when it is a named pipe', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-cli-'));
    const line = `mkfifo "$D/fifo"; tailrace tail piped -n 5 > "$D/fifo" & head -1 "$D/fifo"; wait $!`;
    try {
      const result = await runShell(line, { server, env: { D: folder } });
      expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(result.stdout.trimEnd().split('\n')).toHaveLength(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('ls', () => {
  test('lists basins, streams with their tail, and a prefix', async () => {
    await send('log', 'x', '--count', '3', '--stream', 'list/a');
    expect(await run('ls', '--quiet')).toEqual({ code: 0, stdout: 's2://telemetry\n', stderr: '' });
    const result = await run('ls', 's2://telemetry/list/');
    expect(result.stdout).toMatch(
      /^RECORDS +SIZE {2}LAST +RATE {2}STREAM\n {6}3 {2} *\d+ B {2}\d{4}-\d\d-\d\dT[\d:.]+Z +[\d.]+\/s {2}s2:\/\/telemetry\/list\/a\n$/,
    );
    const [row] = rows(await run('ls', 's2://telemetry/list/', '--json'));
    expect(row).toMatchObject({ basin: 'telemetry', stream: 'list/a', tail: { seq_num: 3 } });
    expect(await run('ls', 's2://no-such-basin')).toMatchObject({ code: 4, stdout: '' });
  });
});

describe('the token of a command', () => {
  test('is named with its source when it is wrong, with exit code 3', async () => {
    for (const args of [['tail', 'five'], ['ls'], ['send', 'log', 'x', '--stream', 'five']]) {
      const result = await runCli(args, { server, env: { TAILRACE_TOKEN: 'trk_wrong' } });
      expect(result.code).toBe(3);
      expect(result.stderr).toContain('(from TAILRACE_ENDPOINT)');
      expect(result.stderr).toContain('token from TAILRACE_TOKEN');
      expect(result.stderr).not.toContain('trk_wrong');
    }
  });

  test('is found in the data directory of the server on this machine without settings', async () => {
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_DATA_DIR: server.dataDir };
    expect(await runCli(['ls', '-q'], { env })).toMatchObject({ code: 0, stdout: 's2://telemetry\n' });
  });
});
