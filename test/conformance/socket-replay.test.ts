/** Readers over the real log: every start and bound, exact resume, live tails, gaps, and our own client. */

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';
import type { ClientView } from '../../src/client/frames.ts';
import { Log } from '../../src/log/log.ts';
import type { Stream } from '../../src/log/stream.ts';
import type { BlockDraft } from '../../src/storage/block/seal.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { otlpBytes, otlpDraft, s2Draft } from '../support/socket-blocks.ts';
import { ManualClock } from '../support/socket-clock.ts';
import { Reader } from '../support/socket-reader.ts';
import { LOGS, METRICS, TRACES } from '../support/socket-requests.ts';
import { type ScriptedServer, startScriptedServer, TOKEN } from '../support/socket-script.ts';

const AUTH = { headers: { authorization: `Bearer ${TOKEN}` } };
const DONE = [1000, undefined];

let log: Log;
let clock: ManualClock;
let stream: Stream;
let server: ScriptedServer;
const readers: Reader[] = [];

beforeEach(async () => {
  clock = new ManualClock();
  log = await Log.open(openMemoryEngine(), { clock, onFatal: () => {} });
  const { it: basin } = await log.ensureBasin('telemetry', {
    createStreamOnAppend: true,
    createStreamOnRead: false,
    defaultStream: { timestampingUncapped: true },
    otlpDefaultStream: '',
  });
  stream = await log.openStream(basin, 'my-app', 'append');
  server = await startScriptedServer(log);
});

afterEach(async () => {
  await Promise.all(readers.splice(0).map((reader) => reader.close()));
  await server.close();
  await log.close();
});

function append(...drafts: readonly BlockDraft[]): Promise<unknown> {
  return log.append([{ stream, drafts }]);
}

/** Records r0, r1 … in blocks of these sizes; record n has the timestamp 100 + 10 n. */
async function appendNumbered(...sizes: readonly number[]): Promise<void> {
  let n = (await log.checkTail(stream)).seqNum;
  for (const size of sizes) {
    await append(s2Draft(Array.from({ length: size }, () => ({ timestamp: 100 + 10 * n, body: `r${n++}` }))));
  }
}

function connect(query: string, protocols = 's2.json'): Reader {
  const reader = new Reader(`${server.url}?${query}`, protocols, AUTH);
  readers.push(reader);
  return reader;
}

interface JsonBatch {
  readonly type: string;
  readonly records?: readonly { readonly seq_num: number; readonly body?: string }[];
  readonly next: { readonly seq_num: number };
  readonly tail?: unknown;
}

function seqNums(reader: Reader): number[] {
  return (reader.got as unknown as JsonBatch[]).flatMap(({ records }) => records?.map((one) => one.seq_num) ?? []);
}

/** What a read gives that ends by itself: its numbers, the close code, the code of the error. */
async function readAll(query: string): Promise<unknown> {
  const reader = connect(query);
  const { code } = await reader.ended;
  const last = reader.got.at(-1) as { type: string; code: string };
  return [seqNums(reader), code, last.type === 'error' ? last.code : undefined];
}

describe('starts and bounds', () => {
  beforeEach(() => appendNumbered(3, 1, 4, 2));

  test.each<[string, number[]]>([
    ['seq_num=0&wait=0', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['seq_num=5&wait=0', [5, 6, 7, 8, 9]],
    ['tail_offset=3&wait=0', [7, 8, 9]],
    ['tail_offset=99&wait=0', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['timestamp=0&wait=0', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['timestamp=145&wait=0', [5, 6, 7, 8, 9]],
    ['timestamp=150&wait=0', [5, 6, 7, 8, 9]],
    ['seq_num=2&count=3', [2, 3, 4]],
    ['seq_num=0&count=99', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    // Each record has 10 metered bytes.
    ['seq_num=1&bytes=29', [1, 2]],
    ['seq_num=1&bytes=30', [1, 2, 3]],
    ['seq_num=1&bytes=9', []],
    ['seq_num=0&until=130', [0, 1, 2]],
    ['seq_num=4&until=130', []],
    ['seq_num=99&count=0', []],
    ['seq_num=99&bytes=0', []],
    ['seq_num=10&wait=0', []],
    ['seq_num=99&clamp=true&wait=0', []],
  ])('%s', async (query, expected) => {
    expect(await readAll(query)).toEqual([expected, ...DONE]);
  });

  test.each([
    'seq_num=11',
    'timestamp=191',
    'seq_num=10&count=1',
    'tail_offset=0&count=5',
    'seq_num=18446744073709551615',
  ])('%s is beyond the tail', async (query) => {
    const reader = connect(query);
    expect((await reader.ended).code).toBe(4416);
    expect(reader.got.at(-1)).toMatchObject({
      type: 'error',
      code: 'range_not_satisfiable',
      tail: { seq_num: 10, timestamp: 190 },
    });
  });

  test('without bounds it replays, says that it caught up, and follows', async () => {
    const reader = connect('seq_num=8');
    expect(await reader.until('caught_up')).toEqual({ type: 'caught_up', tail: { seq_num: 10, timestamp: 190 } });
    await appendNumbered(2, 1);
    await reader.until('batch');
    await reader.until('batch');
    expect(seqNums(reader)).toEqual([8, 9, 10, 11, 12]);
    expect(reader.got.at(-1)).toMatchObject({ tail: { seq_num: 13, timestamp: 220 } });
  });

  test('without a start it begins at the tail', async () => {
    const reader = connect('');
    await reader.until('caught_up');
    await appendNumbered(1);
    await reader.until('batch');
    expect(seqNums(reader)).toEqual([10]);
  });

  test('a bound reached live ends it', async () => {
    const reader = connect('seq_num=9&count=3&wait=60');
    await reader.until('caught_up');
    await appendNumbered(5);
    expect((await reader.ended).code).toBe(1000);
    expect(seqNums(reader)).toEqual([9, 10, 11]);
  });

  test('what was trimmed away is told as a gap', async () => {
    await log.trim(stream, 5);
    const reader = connect('seq_num=2&wait=0');
    await reader.ended;
    expect(reader.got[1]).toEqual({ type: 'gap', from: 2, to: 5 });
    expect(seqNums(reader)).toEqual([5, 6, 7, 8, 9]);
  });
});

test('a stream that does not exist', async () => {
  expect(await readAll('seq_num=0')).toEqual([[], 4404, 'stream_not_found']);
});

test('many readers of one live stream all get everything in order', async () => {
  await appendNumbered(1);
  const all = Array.from({ length: 50 }, (_, i) => connect('seq_num=0', ['s2.json', 'view.json'][i % 2]));
  await Promise.all(all.map((reader) => reader.until('caught_up')));
  for (let i = 0; i < 20; i++) await appendNumbered(3);
  const seqs = async (reader: Reader): Promise<number[]> => {
    const next = () => (reader.got.at(-1) as unknown as { next?: { seq_num?: number; seqNum?: number } }).next;
    while ((next()?.seq_num ?? next()?.seqNum) !== 61) await reader.next();
    return (reader.got as unknown as (JsonBatch & { rows?: { seqNum: number }[] })[]).flatMap(
      ({ records, rows }) => records?.map((one) => one.seq_num) ?? rows?.map((row) => row.seqNum) ?? [],
    );
  };
  for (const reader of all) expect(await seqs(reader)).toEqual(Array.from({ length: 61 }, (_, i) => i));
});

test('resume behind the last record seen, at any cut: nothing twice, nothing missing', async () => {
  await appendNumbered(4, 1, 7, 3);
  const got: number[] = [];
  for (let next = 0; next < 15; ) {
    const reader = connect(`seq_num=${next}&count=${1 + (next % 4)}&stream_id=${stream.id}`);
    await reader.ended;
    got.push(...seqNums(reader));
    next = got.length;
  }
  expect(got).toEqual(Array.from({ length: 15 }, (_, i) => i));
});

describe('our own client', () => {
  test.each<[ClientView, (frame: object) => unknown[]]>([
    ['raw', (frame) => [...(frame as { records: unknown[] }).records]],
    ['message', (frame) => [...(frame as { rows: unknown[] }).rows]],
    ['text', (frame) => [...(frame as { lines: unknown[] }).lines]],
  ])('reads the %s view over lost connections', async (view, items) => {
    const requests = [otlpDraft('logs', otlpBytes('logs', LOGS)), otlpDraft('traces', otlpBytes('traces', TRACES))];
    await append(otlpDraft('metrics', otlpBytes('metrics', METRICS)));
    const client = createClient({ endpoint: `http://127.0.0.1:${server.port}`, token: TOKEN });
    const abort = new AbortController();
    const seen: unknown[] = [];
    const kinds: string[] = [];
    for await (const frame of client.read('my-app', { view, start: { seqNum: 0 }, signal: abort.signal })) {
      kinds.push(frame.type);
      if (frame.type !== 'batch') continue;
      seen.push(...items(frame));
      const next = requests.shift();
      if (next === undefined) abort.abort();
      else {
        server.cut();
        await append(next);
      }
    }
    expect(seen).toHaveLength(11);
    expect(kinds.filter((kind) => kind === 'batch' || kind === 'reconnecting')).toEqual([
      'batch',
      'reconnecting',
      'batch',
      'reconnecting',
      'batch',
    ]);
  });
});
