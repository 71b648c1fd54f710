/** Records by the command line, against a real server: append, check-tail, and reading everything back. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, type CliRun, runCli, runShell, startCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-cli-'));
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });
const shell = (line: string) => runShell(line, { server, env: { D: folder } });
const rows = ({ stdout }: CliResult) =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const read = async (stream: string) => rows(await run('read', stream, '-s', '0', '--no-follow', '--format', 'json'));
const bodies = async (stream: string) => (await read(stream)).map((row) => row.body);

function feed(input: CliRun, text: string): void {
  input.child.stdin?.write(text);
}

describe('append turns lines into records:', () => {
  test('each line is a record, including empty lines, Windows line ends, and a last line without an end', async () => {
    const result = await shell(String.raw`printf 'a\r\n\nb c\nlast' | tailrace append lines`);
    expect(result).toMatchObject({ code: 0, stdout: '' });
    expect(result.stderr).toMatch(/^appended 0\.\.4, tail 4 @ \d+\n$/);
    expect(await bodies('lines')).toEqual(['a', '', 'b c', 'last']);
    expect(await run('check-tail', 'lines')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^4 @ \d+\n$/),
      stderr: '',
    });
    expect(rows(await run('check-tail', 's2://telemetry/lines', '--json'))).toEqual([
      { seq_num: 4, timestamp: expect.any(Number) },
    ]);
  });

  test('acknowledgements are JSON on stdout with --json, and nothing with --quiet', async () => {
    const result = await shell('echo x | tailrace append acks --json');
    const first = { seq_num: 0, timestamp: expect.any(Number) };
    const second = { seq_num: 1, timestamp: expect.any(Number) };
    expect(rows(result)).toEqual([{ start: first, end: second, tail: second }]);
    expect(result.stderr).toBe('');
    expect(await shell('echo y | tailrace append acks -q')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await shell('tailrace append acks < /dev/null')).toMatchObject({
      code: 0,
      stderr: 'nothing to append: the input was empty\n',
    });
  });

  test('bytes that are not UTF-8 stay unchanged, also from one stream to another', async () => {
    const bytes = Buffer.concat([randomBytes(300_000).map((byte) => (byte === 0x0a || byte === 0x0d ? 0 : byte))]);
    await writeFile(join(folder, 'bytes'), bytes);
    expect((await shell('tailrace append binary -i "$D/bytes"')).code).toBe(0);
    const copy =
      'tailrace read binary -s 0 --no-follow --format json-base64 | tailrace append copy --format json-base64';
    expect((await shell(copy)).code).toBe(0);
    const back = await shell('tailrace read copy -s 0 --no-follow --view raw --format text | base64 -w0');
    expect(Buffer.from(back.stdout, 'base64')).toEqual(Buffer.concat([bytes, Buffer.from('\n')]));
  });

  test('JSON lines have bodies, headers and timestamps, each optional', async () => {
    const lines = [
      {
        body: 'hi',
        headers: [
          ['k', 'v'],
          ['k', 'ä'],
        ],
        timestamp: 1_000,
      },
      {},
      { headers: [['only', '']], seq_num: 99, timestamp: null },
    ];
    await writeFile(join(folder, 'json'), lines.map((line) => `${JSON.stringify(line)}\n\n`).join(''));
    expect((await shell('tailrace append json -i "$D/json" --format json')).code).toBe(0);
    expect(await read('json')).toMatchObject([
      { seq_num: 0, timestamp: 1_000, body: 'hi', headers: lines[0]?.headers },
      { seq_num: 1, body: '', headers: [] },
      { seq_num: 2, body: '', headers: [['only', '']] },
    ]);
  });

  test('input larger than a batch is appended in order, by number and by size', async () => {
    const result = await shell(`seq 0 2499 | tailrace append numbers --json --linger 1s`);
    expect(rows(result).length).toBeGreaterThanOrEqual(3);
    expect(await bodies('numbers')).toEqual(Array.from({ length: 2_500 }, (_, index) => String(index)));
    const large = 'a'.repeat(400_000);
    await writeFile(join(folder, 'large'), `${large}\n`.repeat(5));
    const sized = rows(await shell('tailrace append large -i "$D/large" --json --linger 1s'));
    const ends = sized.map(({ end }) => (end as { seq_num: number }).seq_num);
    expect(ends).toEqual([2, 4, 5]);
    expect(await bodies('large')).toEqual(Array.from({ length: 5 }, () => large));
  });

  test('a record of exactly 1 MiB metered is accepted, one byte more is not', async () => {
    await writeFile(join(folder, 'exact'), 'x'.repeat(1_048_576 - 8));
    await writeFile(join(folder, 'over'), `fine\n${'x'.repeat(1_048_576 - 7)}`);
    expect((await shell('tailrace append sizes -i "$D/exact"')).code).toBe(0);
    const over = await shell('tailrace append sizes -i "$D/over"');
    expect(over).toMatchObject({ code: 1 });
    expect(over.stderr).toContain('line 2: the record is larger than 1 MiB');
    expect(over.stderr).toContain('the first 1 record of the input went in');
    expect(rows(await run('check-tail', 'sizes', '--json'))[0]?.seq_num).toBe(2);
  });
});

describe('an append', () => {
  test('sends records while the input stays open, and Ctrl-C keeps what was typed', async () => {
    const typed = startCli(['append', 'typed'], { server });
    feed(typed, 'one\n');
    await typed.saw('appended 0..1');
    feed(typed, 'two\n');
    await typed.saw('appended 1..2');
    const result = await typed.stop('SIGINT');
    expect(result.code).toBe(130);
    expect(await bodies('typed')).toEqual(['one', 'two']);
  });

  test('applies a matching sequence number to the whole input', async () => {
    expect((await shell('seq 1500 | tailrace append matched -m 0')).code).toBe(0);
    const late = await shell('echo x | tailrace append matched --match-seq-num 7');
    expect(late).toMatchObject({ code: 5, stdout: '' });
    expect(late.stderr).toContain('the next sequence number of the stream is 1500');
    const typed = startCli(['append', 'matched', '-m', '1500'], { server });
    feed(typed, 'mine\n');
    await typed.saw('appended 1500..1501');
    await shell('echo theirs | tailrace append matched');
    feed(typed, 'not mine\n');
    const result = await typed.done;
    expect(result.code).toBe(5);
    expect(result.stderr).toContain('the next sequence number of the stream is 1502');
    expect(result.stderr).toContain('the first 1 record of the input went in');
  });

  test('ends when it is refused, even when its input is endless', async () => {
    const result = await shell('yes | tailrace append matched -m 0');
    expect(result.stderr).toContain('the next sequence number of the stream is');
    expect(result.stderr).not.toContain('not known');
  });

  test.each([
    ['not json', 'json', 'line 1: it is not JSON'],
    ['[1]', 'json', 'line 1: it is not a JSON object'],
    ['{"body":1}', 'json', 'line 1: body must be a string'],
    ['{"body":"#"}', 'json-base64', 'line 1: body is not base64'],
    ['{"headers":[["a"]]}', 'json', 'line 1: a header must be [name, value]'],
    ['{"headers":{}}', 'json', 'line 1: "headers" must be a list'],
    ['{"timestamp":-1}', 'json', 'line 1: "timestamp" must be whole milliseconds'],
    ['{"headers":[["","boom"]]}', 'json', 'unknown command'],
  ])('refuses %s as %s', async (line, format, words) => {
    await writeFile(join(folder, 'wrong'), line);
    const result = await shell(`tailrace append wrong --format ${format} -i "$D/wrong"`);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain(words);
  });

  test('names what is missing, with a suggestion', async () => {
    expect(await shell('echo x | tailrace append s2://telemetri/x')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('(there is s2://telemetry/x)'),
    });
    const noFile = await run('append', 'x', '-i', join(folder, 'nothing'));
    expect(noFile.code).toBe(2);
    expect(noFile.stderr).toContain('cannot read');
  });
});
