/** `export`: files go on where they stopped, with nothing lost and nothing twice, and what is chosen is in them. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { jsonOf, send } from '../support/otlp-send.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-export-'));
  expect(await send(server, 'logs', logLine('mixed', 1))).toMatchObject({ status: 200 });
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server, cwd: folder });
const append = (stream: string, lines: string) =>
  runShell(`printf '%s' "$LINES_IN" | tailrace append ${stream}`, { server, env: { LINES_IN: lines } });
const logLine = (stream: string, ...texts: readonly (string | number)[]) =>
  `${jsonOf('logs', stream, ...texts.map((text) => `{"body":{"stringValue":"${text}"}}`))}\n`;
const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, index) => String(first + index));

describe('exports that go on', () => {
  test.each([
    ['otlp-json', undefined],
    ['s2', undefined],
    ['s2', 'gzip'],
  ])(
    'as %s, compressed by %s: a torn line is cut off, nothing is lost and nothing is there twice',
    async (format, how) => {
      const stream = `torn/${format}/${how}`;
      const file = join(folder, `torn-${format}-${how}`);
      const args = [
        'export',
        stream,
        '-o',
        file,
        '--format',
        format,
        ...(how === undefined ? [] : ['--compress', how]),
      ];
      const add = (first: number) =>
        format === 's2'
          ? append(stream, numbers(50, first).join('\n'))
          : send(server, 'logs', logLine(stream, ...numbers(50, first)));
      await add(0);
      expect(await run(...args)).toMatchObject({ code: 0 });
      expect(await run(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining('--resume') });
      await add(50);
      // What a kill leaves: a part of what came after the position.
      await writeFile(file, Buffer.concat([await readFile(file), Buffer.from('{"torn')]));
      expect(await run(...args, '--resume')).toMatchObject({
        code: 0,
        stderr: expect.stringContaining(': 50 records'),
      });
      expect(await run(...args, '--resume')).toMatchObject({
        code: 0,
        stderr: expect.stringContaining(': 0 records'),
      });
      const data = await readFile(file);
      const lines = (how === undefined ? data : gunzipSync(data))
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { body?: string });
      const texts =
        format === 's2'
          ? lines.map(({ body }) => Buffer.from(body ?? '', 'base64').toString())
          : [...JSON.stringify(lines).matchAll(/"body":{"stringValue":"(\d+)"/g)].map(([, text]) => text);
      expect(texts).toEqual(numbers(100));
    },
  );

  test('what is of another run is refused: other flags, a file without a position, a file that was changed', async () => {
    await append('same', 'a\nb');
    const args = ['export', 'same', '-o', 'same.jsonl', '--format', 's2'];
    await writeFile(join(folder, 'same.jsonl'), 'mine');
    expect(await run(...args, '--resume')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('position'),
    });
    expect(await readFile(join(folder, 'same.jsonl'), 'utf8')).toBe('mine');
    await rm(join(folder, 'same.jsonl'));
    expect(await run(...args)).toMatchObject({ code: 0 });
    const other = await run('export', 'same', '-o', 'same.jsonl', '--resume');
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('its format was') });
    await writeFile(join(folder, 'same.jsonl'), '');
    expect(await run(...args, '--resume')).toMatchObject({ code: 2, stderr: expect.stringContaining('changed') });
  });

  test('a stream that was made again is not continued', async () => {
    await append('again', 'a');
    const args = ['export', 'again', '-o', 'again.jsonl', '--format', 's2'];
    expect(await run(...args)).toMatchObject({ code: 0 });
    await run('streams', 'delete', 'again', '--yes');
    while ((await append('again', 'b\nc')).code !== 0);
    expect(await run(...args, '--resume')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('made again'),
    });
  });
});

describe('what is said', () => {
  test('records that are not OTLP are counted where they are left out', async () => {
    await append('plain/text', 'a\nb');
    const exported = await run('export', 'plain/text');
    expect(exported).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('2 records left out') });
  });

  test.each([
    [['export', 'mixed', '-o', 'json'], 2, '--format says'],
    [['export', 'mixed*'], 2, 'need a folder'],
    [['export', 'none-*', '-o', 'x'], 4, 'no stream matches'],
    [['export', 'mixd', '-o', 'mixd.jsonl'], 4, 's2://telemetry/mixed'],
    [['export', 'mixed', '--resume'], 2, '-o'],
    [['export', 'mixed', '-o', 'no/such/folder.jsonl'], 2, 'cannot write'],
  ])('exit with an error for %j: code %i', async (args, code, words) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(words);
    expect(await readdir(folder)).not.toContain('mixd.jsonl');
  });

  test('a filter, a time and a limit choose what is exported', async () => {
    await send(
      server,
      'logs',
      jsonOf(
        'logs',
        'levels',
        '{"severityNumber":9,"body":{"stringValue":"1"}}',
        '{"severityNumber":17,"body":{"stringValue":"2"}}',
      ),
    );
    const exported = await run('export', 'levels', '--filter', 'level>=error');
    expect(exported.stdout.match(/stringValue":"\d"/g)).toEqual(['stringValue":"2"']);
    expect(await run('export', 'levels', '--until', '2001-01-01T00:00:00Z')).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect((await run('export', 'levels', '--since', '1h')).stdout.match(/stringValue":"\d"/g)).toHaveLength(2);
  });
});
