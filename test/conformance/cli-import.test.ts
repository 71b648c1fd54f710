/** `export` and `import`: what one server holds is in another one afterwards, also when they are killed on the way. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { type CliResult, runCli, runShell, startCli } from '../support/cli.ts';
import { itemsOf } from '../support/otlp-items.ts';
import { jsonOf, send } from '../support/otlp-send.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

let from: TestServer;
let to: TestServer;
let folder: string;

/** What JSON and doubles lose easily: the sign of zero, 64-bit integers, odd ids, characters of two code units. */
const ODD_LOG =
  '{"timeUnixNano":"18446744073709551615","observedTimeUnixNano":"1544712660300000001","severityNumber":17,' +
  '"traceId":"5b8aa5a2d2c872e8321cf37308d69df2","spanId":"00","body":{"kvlistValue":{"values":[' +
  '{"key":"zero","value":{"doubleValue":-0.0}},{"key":"big","value":{"intValue":"-9223372036854775808"}},' +
  '{"key":"nan","value":{"doubleValue":"NaN"}},{"key":"bytes","value":{"bytesValue":"/wAB"}},' +
  '{"key":"text","value":{"stringValue":"a\\u0000\\u2028\\ud83d\\ude00"}}]}}}';

beforeAll(async () => {
  [from, to] = await Promise.all([startServer(), startServer()]);
  folder = await mkdtemp(join(tmpdir(), 'tailrace-move-'));
  for (const signal of SIGNALS) {
    const file = new URL(`../fixtures/json/every-${signal}.json`, import.meta.url);
    const text = await readFile(file, 'utf8');
    const attribute = '{"key":"s2.stream","value":{"stringValue":"mixed"}}';
    const named = text
      .replace('"resource": {}', `"resource": {"attributes":[${attribute}]}`)
      .replace(/("resource": {\s*"attributes": \[)\s*{/, `$1${attribute},{`);
    expect(await send(from, signal, named)).toMatchObject({ status: 200, rejected: 0 });
  }
  expect(await send(from, 'logs', jsonOf('logs', 'mixed', ODD_LOG, ODD_LOG))).toMatchObject({
    status: 200,
    rejected: 0,
  });
});

afterAll(async () => {
  await Promise.all([from.stop(), to.stop()]);
  await rm(folder, { recursive: true });
});

const run = (server: TestServer, ...args: string[]): Promise<CliResult> => runCli(args, { server, cwd: folder });
const append = (stream: string, lines: string, format = 'text') =>
  runShell(`printf '%s' "$LINES_IN" | tailrace append ${stream} --format ${format}`, {
    server: from,
    env: { LINES_IN: lines },
  });

/** Each record with its items, as a decoder that is not ours reads them. */
async function itemsIn(server: TestServer, stream: string) {
  const records = await readStream(server, stream);
  return records.map(({ headers, body }) => {
    const signal = headers.find(([name]) => name === 'otel.signal')?.[1] as Signal;
    return { headers, items: itemsOf(signal, body, false) };
  });
}

async function recordsIn(server: TestServer, stream: string) {
  const records = await readStream(server, stream);
  return records.map(({ body, ...rest }) => ({ ...rest, body: Buffer.from(body).toString('base64') }));
}

const textsIn = async (server: TestServer, stream: string) => {
  const records = await readStream(server, stream);
  return records.map(({ body }) => /"stringValue":"(\d+)"/.exec(JSON.stringify(itemsOf('logs', body, false)))?.[1]);
};
const logLine = (stream: string, ...texts: readonly (string | number)[]) =>
  `${jsonOf('logs', stream, ...texts.map((text) => `{"body":{"stringValue":"${text}"}}`))}\n`;
const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, index) => String(first + index));

describe('OTLP', () => {
  test('what is exported and imported elsewhere is equal, item by item', async () => {
    const exported = await run(from, 'export', 'mixed', '-o', 'mixed.jsonl');
    expect(exported).toMatchObject({ code: 0, stdout: '', stderr: 's2://telemetry/mixed: 9 records → mixed.jsonl\n' });
    const imported = await run(to, 'import', 'mixed.jsonl');
    expect(imported).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+ items in 1 stream\n$/), stderr: '' });
    const [before, after] = [await itemsIn(from, 'mixed'), await itemsIn(to, 'mixed')];
    expect(before.length).toBe(9);
    expect(after).toEqual(before);
    expect(JSON.stringify(after.map(({ items }) => items))).toContain('-9223372036854775808');
    const zero = await runShell(`grep -c -- '"doubleValue":-0' mixed.jsonl`, { cwd: folder });
    expect(zero.stdout).toBe('1\n');
  });

  test('a line on stdout is a request, and imported from stdin it goes to the stream that is asked for', async () => {
    const piped = await runShell('tailrace export mixed 2>/dev/null | tee piped.jsonl | gzip > piped.jsonl.gz', {
      server: from,
      cwd: folder,
    });
    expect(piped.code).toBe(0);
    const text = await readFile(join(folder, 'piped.jsonl'), 'utf8');
    expect(text).toBe(await readFile(join(folder, 'mixed.jsonl'), 'utf8'));
    const imported = await runShell(
      'tailrace import - --stream from/stdin < piped.jsonl; tailrace import piped.jsonl.gz --stream from/gzip',
      { server: to, cwd: folder },
    );
    expect(imported.stdout.match(/items in 1 stream/g)).toHaveLength(2);
    const renamed = JSON.stringify(await itemsIn(from, 'mixed')).replaceAll('"mixed"', '"from/stdin"');
    expect(JSON.stringify(await itemsIn(to, 'from/stdin'))).toBe(renamed);
    expect(JSON.stringify(await itemsIn(to, 'from/gzip')).replaceAll('from/gzip', 'from/stdin')).toBe(renamed);
  });
});

describe('OTLP that is not taken', () => {
  test('bad lines stop an import at their place, or are left out and counted', async () => {
    const bad = ['{"resourceLogs":[', '[]', '{"x":1}', '{"resourceLogs":[],"resourceSpans":[]}', '{"resourceLogs":{}}'];
    const lines = [logLine('bad', 0), ...bad.map((line) => `${line}\n`), '\n', logLine('bad', 1)];
    await writeFile(join(folder, 'bad.jsonl'), lines.join(''));
    const stopped = await run(to, 'import', 'bad.jsonl');
    expect(stopped).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/bad\.jsonl:2: .*--skip-bad/) });
    expect(stopped.stderr).toContain('\n  stored before it: 1 item in 1 stream\n');
    expect(stopped.stderr).toContain('\n  to go on: tail -n +3 bad.jsonl | tailrace import - with the same flags (');
    expect(await textsIn(to, 'bad')).toEqual(['0']);
    const skipped = await run(to, 'import', 'bad.jsonl', '--skip-bad', '--json');
    expect(skipped.code).toBe(1);
    expect(JSON.parse(skipped.stdout)).toMatchObject({ items: 2, streams: ['bad'], refused: 0, bad_lines: 5 });
    for (const number of [2, 3, 4, 5, 6]) expect(skipped.stderr).toContain(`left out: bad.jsonl:${number}: `);
    expect(await textsIn(to, 'bad')).toEqual(['0', '0', '1']);
  });

  test('an import that stops at a bad line says how to go on there, and what it says stores the rest once', async () => {
    const lines = [logLine('halves', 0), 'no json\n', logLine('halves', 1)];
    await writeFile(join(folder, 'halves.jsonl'), lines.join(''));
    const saved = ['import', 'halves.jsonl', '--position-file', 'halves.position'];
    const stopped = await run(to, ...saved, '--json');
    expect(JSON.parse(stopped.stdout)).toMatchObject({ items: 1, stopped_at: { file: 'halves.jsonl', line: 2 } });
    expect(stopped.stderr).toContain(
      'run it again, with the line corrected or with --skip-bad: it begins at this line',
    );
    const again = await run(to, ...saved, '--skip-bad');
    expect([again.code, again.stdout]).toEqual([1, expect.stringMatching(/^1 item in 1 stream, 1 line left out/)]);
    expect(await textsIn(to, 'halves')).toEqual(['0', '1']);

    await writeFile(join(folder, 'more.jsonl'), logLine('cut', 2));
    await writeFile(join(folder, "it's cut.jsonl"), lines.join('').replaceAll('halves', 'cut'));
    const cut = await run(to, 'import', "it's cut.jsonl", 'more.jsonl');
    const [, advice = ''] = /to go on: (.*) with the same flags, then the 1 file after it/.exec(cut.stderr) ?? [];
    const rest = await runShell(advice, { server: to, cwd: folder });
    expect([rest.code, rest.stdout]).toEqual([0, '1 item in 1 stream\n']);
    expect((await run(to, 'import', 'more.jsonl')).code).toBe(0);
    expect(await textsIn(to, 'cut')).toEqual(['0', '1', '2']);
    const piped = await runShell("printf '%s\\n' '' 'no json' | tailrace import -", { server: to });
    expect(piped.stderr).toContain('run it again with what comes behind `tail -n +3`');
  });

  test('items that the server refuses are counted with its reason, and the code says it', async () => {
    await writeFile(join(folder, 'refused.jsonl'), logLine(`${'x'.repeat(600)}`, 1) + logLine('taken', 2));
    const imported = await run(to, 'import', 'refused.jsonl');
    expect(imported).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^1 item in \d streams?, 1 item refused: .*512/),
    });
  });

  test('an import that is killed in the middle goes on behind what was acknowledged, and repeats nothing in a basin with a window', async () => {
    await run(to, 'basins', 'create', 'dedupe-it', '--otlp-dedupe-window', '1h', '--create-stream-on-append');
    const filler = 'y'.repeat(20_000);
    const file = numbers(400).map(
      (n) => `${jsonOf('logs', 'killed', `{"body":{"stringValue":"${n}"},"severityText":"${filler}"}`)}\n`,
    );
    await writeFile(join(folder, 'killed.jsonl'), file.join(''));
    const args = ['import', 'killed.jsonl', '--basin', 'dedupe-it', '--position-file', 'killed.position'];
    let kills = 0;
    for (let last = 0; ; kills++) {
      const child = startCli(args, { server: to, cwd: folder });
      const moved = until(async () => {
        const line = await readFile(join(folder, 'killed.position'), 'utf8').then(
          (text) => (JSON.parse(text) as { line: number }).line,
          () => 0,
        );
        const hasMoved = line > last;
        if (hasMoved) last = line;
        return hasMoved;
      }, child.done);
      if (kills === 3) {
        expect(await child.done).toMatchObject({ code: 0 });
        break;
      }
      await moved;
      await child.stop('SIGKILL');
    }
    const records = await runShell('tailrace read s2://dedupe-it/killed -s 0 --no-follow --json | jq -r .body', {
      server: to,
    });
    expect(records.stdout.trim().split('\n')).toEqual(numbers(400));
  });
});

/** Looks until it is so, or the process ends. */
async function until(isSo: () => Promise<boolean>, ended: Promise<unknown>): Promise<void> {
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  while (!isOver && !(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}

describe('records of S2', () => {
  const BINARY = ['AAEC/w==', '', 'yv66vg==']
    .map(
      (body, i) =>
        `${JSON.stringify({
          body,
          headers: [
            ['AA==', '/w=='],
            ['aw==', ''],
          ],
          timestamp: 1_700_000_000_000 + i,
        })}\n`,
    )
    .join('');

  test('what is exported and imported elsewhere is equal, byte for byte, with headers and timestamps', async () => {
    expect((await append('bytes/eu', BINARY, 'json-base64')).code).toBe(0);
    expect((await run(from, 'fence', 'bytes/eu', 'writer-1')).code).toBe(0);
    const exported = await run(from, 'export', 'bytes/*', '--format', 's2', '-o', 'out');
    expect(exported).toMatchObject({ code: 0 });
    expect((await readdir(join(folder, 'out'))).sort()).toEqual([
      'bytes%2Feu.s2.jsonl',
      'bytes%2Feu.s2.jsonl.position',
    ]);
    const imported = await run(to, 'import', 'out');
    expect(imported).toEqual({ code: 0, stdout: '4 items in 1 stream\n', stderr: '' });
    expect(await recordsIn(to, 'bytes/eu')).toEqual(await recordsIn(from, 'bytes/eu'));
  });

  test('a trim of the old stream removes nothing of the new one', async () => {
    await append('trimmed', numbers(5).join('\n'));
    await run(from, 'trim', 'trimmed', '2', '--yes');
    expect(await run(from, 'export', 'trimmed', '--format', 's2', '-o', 'trimmed.s2.jsonl')).toMatchObject({ code: 0 });
    expect(await run(to, 'import', 'trimmed.s2.jsonl')).toMatchObject({ code: 0 });
    const bodies = (await readStream(to, 'trimmed')).map(({ body }) => Buffer.from(body).toString());
    expect(bodies.slice(-4, -1)).toEqual(['2', '3', '4']);
  });
});

describe('records of S2 that are imported', () => {
  test('a file that does not say how its bytes are written is refused until the flag says it', async () => {
    await writeFile(join(folder, 'plain.jsonl'), '{"body":"test"}\n');
    const unsure = await run(to, 'import', 'plain.jsonl', '--stream', 'plain');
    expect(unsure).toMatchObject({ code: 2, stderr: expect.stringContaining('plain.jsonl:1: ') });
    expect(unsure.stderr).toContain('--format s2');
    expect(await run(to, 'import', 'plain.jsonl', '--format', 's2-json')).toMatchObject({ code: 2 });
    expect(await run(to, 'import', 'plain.jsonl', '--stream', 'plain', '--format', 's2-json')).toMatchObject({
      code: 0,
    });
    expect((await recordsIn(to, 'plain')).map(({ body }) => body)).toEqual([Buffer.from('test').toString('base64')]);
  });

  test('an import that is killed several times stores each record once', async () => {
    const lines = numbers(12_000).map((n) => `${JSON.stringify({ body: n })}\n`);
    await writeFile(join(folder, 'many.jsonl'), lines.join(''));
    const args = [
      'import',
      'many.jsonl',
      '--stream',
      'many',
      '--format',
      's2-json',
      '--position-file',
      'many.position',
    ];
    for (let kills = 0; ; kills++) {
      const child = startCli(args, { server: to, cwd: folder });
      const tail = kills * 3_000 + 1_000;
      const moved = until(
        async () => Number((await run(to, 'check-tail', 'many')).stdout.split(' ')[0]) >= tail,
        child.done,
      );
      if (kills === 3) {
        expect(await child.done).toMatchObject({ code: 0 });
        break;
      }
      await moved;
      await child.stop('SIGKILL');
    }
    const bodies = (await readStream(to, 'many')).map(({ body }) => Buffer.from(body).toString());
    expect(bodies).toEqual(numbers(12_000));
  });

  test('an import says so when another writer appends to its stream', async () => {
    await writeFile(join(folder, 'other.jsonl'), '{"body":"1"}\n');
    const args = [
      'import',
      'other.jsonl',
      '--stream',
      'other',
      '--format',
      's2-json',
      '--position-file',
      'other.position',
    ];
    expect(await run(to, ...args)).toMatchObject({ code: 0 });
    await writeFile(join(folder, 'other.jsonl'), '{"body":"1"}\n{"body":"2"}\n');
    const position = JSON.parse(await readFile(join(folder, 'other.position'), 'utf8')) as object;
    await writeFile(join(folder, 'other.position'), JSON.stringify({ ...position, file: 0, line: 1, next: 13 }));
    await runShell('seq 3 | tailrace append other', { server: to });
    expect(await run(to, ...args)).toMatchObject({ code: 5, stderr: expect.stringContaining('another writer') });
  });
});

describe('what is said', () => {
  test.each([
    [['import', 'none.jsonl'], 'no file'],
    [['import', '-', '--position-file', 'x'], 'stdin'],
    [['import', '.', '--position-file', 'mixed.jsonl'], 'not a position'],
  ])('exits with an error for %j', async (args, words) => {
    expect(await run(to, ...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
  });
});

const atTerminal = HAS_TERMINAL ? test : test.skip;
const name = HAS_TERMINAL ? '' : ' (skipped: no pty here)';

describe('on a terminal', () => {
  const env = () => ({ TAILRACE_ENDPOINT: to.url, TAILRACE_TOKEN: to.token });

  atTerminal(`an import that takes long says how far it is, and the line is gone at its end${name}`, async () => {
    // It waits for stdin; the end of that is typed when the line of progress is there.
    const setup = { prompt: 'import  0 B', typed: '\u0004', env: env() };
    const { code, screen } = await runAtTerminal(['import', '-', '--stream', 'typed'], setup);
    expect(code).toBe(0);
    expect(screen.slice(-30)).toContain('\r\u001b[K0 items in 0 streams\r\n');
  });
});
