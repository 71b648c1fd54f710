/**
 * `import` of files whose messages stand behind their lengths, as the file exporter of the Collector writes them with
 * `format: proto` or `compression: zstd`: the same items as from lines of JSON, cut and damaged files, and going on.
 */

import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { compressed } from '../support/otlp-forms.ts';
import { encodeJsonFixture, itemsOf } from '../support/otlp-items.ts';
import { jsonOf } from '../support/otlp-send.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;
/** A request of each signal with everything that it can hold, then some of each again: as JSON. */
const requests: (readonly [Signal, string])[] = [];

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-messages-'));
  for (const signal of [...SIGNALS, ...SIGNALS]) {
    const file = new URL(`../fixtures/json/every-${signal}.json`, import.meta.url);
    requests.push([signal, JSON.stringify(JSON.parse(await readFile(file, 'utf8')))]);
  }
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server, cwd: folder });
const zstd = (bytes: Uint8Array): Uint8Array => compressed({ compression: 'zstd' }, bytes);
const proto = ([signal, json]: readonly [Signal, string]): Uint8Array => encodeJsonFixture(signal, Buffer.from(json));
const json = ([, text]: readonly [Signal, string]): Uint8Array => Buffer.from(text);

/** A message behind its length. */
function message(bytes: Uint8Array, length = bytes.length): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  return Buffer.concat([head, bytes]);
}

const log = (stream: string, text: string): Buffer =>
  message(proto(['logs', jsonOf('logs', stream, `{"body":{"stringValue":"${text}"}}`)]));

/** What a stream holds, as a decoder that is not ours reads it, with one name for all streams. */
async function itemsIn(stream: string): Promise<string> {
  const records = await readStream(server, stream);
  const items = records.map(({ headers, body }) => {
    const signal = headers.find(([name]) => name === 'otel.signal')?.[1] as Signal;
    return itemsOf(signal, body, false);
  });
  return JSON.stringify(items).replaceAll(stream, 'the stream');
}

async function textsIn(stream: string): Promise<readonly string[]> {
  return [...(await itemsIn(stream)).matchAll(/"stringValue":"(n\d)"/g)].map(([, text = '']) => text);
}

describe('the same requests', () => {
  test('are stored alike from lines, from protobuf, and from either of them compressed', async () => {
    await writeFile(join(folder, 'lines.json'), requests.map(([, text]) => `${text}\n`).join(''));
    expect(await run('import', 'lines.json', '--stream', 'as-lines')).toMatchObject({ code: 0 });
    const wanted = await itemsIn('as-lines');
    expect(wanted.length).toBeGreaterThan(5_000);
    const files = {
      'proto.pb': requests.map((one) => message(proto(one))),
      'json.zst': requests.map((one) => message(zstd(json(one)))),
      'proto.zst': requests.map((one) => message(zstd(proto(one)))),
      'mixed.any': requests.map((one, i) => message(i % 2 === 0 ? zstd(proto(one)) : json(one))),
    };
    const summaries = new Set<string>();
    for (const [name, messages] of Object.entries(files)) {
      await writeFile(join(folder, name), Buffer.concat(messages));
      const stream = `as-${name}`;
      const imported = await run('import', name, '--stream', stream);
      expect([name, imported.code]).toEqual([name, 0]);
      summaries.add(imported.stdout);
      expect([name, await itemsIn(stream)]).toEqual([name, wanted]);
    }
    // Items are counted alike too.
    expect(summaries.size).toBe(1);
    // What is compressed as a whole is known by its first bytes, whatever it is called; a pipe by its first byte.
    await writeFile(join(folder, 'packed.pb'), gzipSync(Buffer.concat(files['proto.zst'])));
    expect((await run('import', 'packed.pb', '--stream', 'as-packed')).code).toBe(0);
    const piped = await runShell('tailrace import - --stream as-piped < proto.pb', { server, cwd: folder });
    expect(piped.code).toBe(0);
    expect([await itemsIn('as-packed'), await itemsIn('as-piped')]).toEqual([wanted, wanted]);
  });

  test('are known for what they are in protobuf, whichever fields their items lack', async () => {
    const gauge = '"gauge":{"dataPoints":[{"asInt":"1"}]}';
    const odd: readonly (readonly [Signal, string])[] = [
      ['metrics', `{"description":"it has no name",${gauge}}`],
      ['metrics', `{"name":"as long as an id","description":"as one, ",${gauge}}`],
      ['metrics', '{"name":"no points"}'],
      ['traces', '{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"no times"}'],
      ['traces', '{"name":"no ids","endTimeUnixNano":"1"}'],
      ['logs', '{"severityText":"no time"}'],
      ['logs', '{}'],
    ];
    const messages = odd.map(([signal, item], i) => message(proto([signal, jsonOf(signal, `odd/${i}`, item)])));
    await writeFile(join(folder, 'odd.pb'), Buffer.concat(messages));
    expect(await run('import', 'odd.pb')).toMatchObject({ code: 0, stderr: '' });
    for (const [i, [signal, item]] of odd.entries()) {
      const wanted = itemsOf(signal, Buffer.from(jsonOf(signal, `odd/${i}`, item)), true);
      expect([i, await itemsIn(`odd/${i}`)]).toEqual([
        i,
        JSON.stringify([wanted]).replaceAll(`odd/${i}`, 'the stream'),
      ]);
    }
  });

  test('go where their resources say without --stream, and another name in them is replaced with it', async () => {
    await writeFile(join(folder, 'named.pb'), Buffer.concat([log('named/a', 'n1'), log('named/b', 'n2')]));
    const named = await run('import', 'named.pb', '--json');
    expect(JSON.parse(named.stdout)).toMatchObject({ items: 2, streams: ['named/a', 'named/b'] });
    expect([await textsIn('named/a'), await textsIn('named/b')]).toEqual([['n1'], ['n2']]);
    expect((await run('import', 'named.pb', '--stream', 'named/c')).code).toBe(0);
    const items = await itemsIn('named/c');
    expect(items.match(/s2\.stream/g)).toHaveLength(2);
    expect(items).not.toMatch(/named\/[ab]/);
  });
});

describe('a file of messages', () => {
  test('that ends within one is stored up to there, and goes on when the rest has come', async () => {
    const last = log('cut', 'n2');
    await writeFile(join(folder, 'cut.pb'), Buffer.concat([log('cut', 'n1'), last.subarray(0, 20)]));
    const saved = ['import', 'cut.pb', '--position-file', 'cut.position'];
    const cut = await run(...saved);
    expect(cut).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cut.pb:2: the file ends within the message'),
    });
    expect(cut.stderr).toContain('stored before it: 1 item in 1 stream\n');
    await appendFile(join(folder, 'cut.pb'), last.subarray(20));
    expect(await run(...saved)).toMatchObject({ code: 0, stdout: '1 item in 1 stream\n' });
    expect(await textsIn('cut')).toEqual(['n1', 'n2']);
  });

  test('stops at a bad one, says how to go on behind it, and with --skip-bad leaves it out', async () => {
    const bad = [
      message(Buffer.from('no protobuf')),
      message(zstd(Buffer.from('{"x":1}'))),
      message(zstd(proto(['logs', '{}'])).subarray(0, 7)),
    ];
    await writeFile(join(folder, 'bad.pb'), Buffer.concat([log('bad', 'n1'), bad[0] ?? Buffer.of(), log('bad', 'n2')]));
    const stopped = await run('import', 'bad.pb');
    expect(stopped.stderr).toContain('bad.pb:2: the message is no OTLP request in protobuf; --skip-bad passes over it');
    const [, advice = ''] = /to go on: (tail -c .*) with the same flags/.exec(stopped.stderr) ?? [];
    expect((await runShell(advice, { server, cwd: folder })).code).toBe(0);
    expect(await textsIn('bad')).toEqual(['n1', 'n2']);
    await writeFile(join(folder, 'worse.pb'), Buffer.concat([...bad, log('worse', 'n1')]));
    const skipped = await run('import', 'worse.pb', '--skip-bad');
    expect([skipped.code, skipped.stdout]).toEqual([1, expect.stringMatching(/^1 item in 1 stream, 3 lines left out/)]);
    expect(skipped.stderr).toContain('worse.pb:2: the message has no resourceLogs, resourceSpans or resourceMetrics');
    expect(skipped.stderr).toMatch(/worse\.pb:3: the message: the zstd data is damaged/);
  });

  test('is damaged where a length is beyond the limit, and one that just fits is waited for', async () => {
    const most = 64 * 1024 * 1024;
    await writeFile(join(folder, 'long.pb'), Buffer.concat([log('long', 'n1'), message(Buffer.of(10), most)]));
    const cut = await run('import', 'long.pb');
    expect(cut.stderr).toContain('long.pb:2: the file ends within the message');
    await writeFile(join(folder, 'longer.pb'), Buffer.concat([log('longer', 'n1'), message(Buffer.of(10), most + 1)]));
    const damaged = await run('import', 'longer.pb', '--skip-bad');
    expect([damaged.code, damaged.stderr]).toEqual([
      2,
      expect.stringContaining(`message 2 says that it has ${most + 1} bytes`),
    ]);
    expect([await textsIn('long'), await textsIn('longer')]).toEqual([['n1'], ['n1']]);
  });

  test('is told from text, which is refused by its lines', async () => {
    await writeFile(join(folder, 'page.html'), '<html></html>\n');
    const refused = await run('import', 'page.html');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('page.html:1: the line is not JSON') });
    const flag = await run('import', 'proto.pb', '--format', 's2');
    expect([flag.code, flag.stderr]).toEqual([2, expect.stringContaining('messages behind their lengths')]);
  });
});
