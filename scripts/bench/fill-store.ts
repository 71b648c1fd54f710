/**
 * Fills the store of a stopped server fast, straight through the engine, with what would take a server long. Prints one
 * line of JSON.
 *
 * argv: data directory, basin, `streams` and how many, or `records` and how many bytes.
 */

import { DEFAULT_STREAM_CONFIG } from '../../src/model/stream-config.ts';
import { draftRecords, releaseBlock, sealBlock } from '../../src/storage/block/seal.ts';
import type { Engine, Write } from '../../src/storage/engine.ts';
import { basinKey, blockKey, dueKey, settingsKey, streamKey, streamStateKey } from '../../src/storage/keys.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import {
  decodeBasin,
  decodeCounters,
  encodeCounters,
  encodePending,
  encodeStream,
  encodeStreamState,
  type StreamStateRow,
} from '../../src/storage/values.ts';
import { sessionBatch } from './bodies.ts';

export interface Filled {
  readonly streams: number;
  readonly records: number;
  readonly seconds: number;
}

const [dataDir = '', basinName = '', what = '', amount = ''] = process.argv.slice(2);
const NOW = Date.now();
const WEEK_MS = 604_800_000;
const STREAMS_PER_TRANSACTION = 20_000;
const BLOCKS_PER_TRANSACTION = 64;
/** Blocks as large as those of busy OTLP senders: four batches of 64 kB. */
const BATCHES_PER_BLOCK = 4;
const EMPTY: StreamStateRow = {
  nextSeq: 0,
  lastTimestamp: 0,
  lastArrival: 0,
  fencingToken: undefined,
  trimPoint: 0,
  meteredBytes: 0,
};

if (dataDir !== '') await main();

async function main(): Promise<void> {
  const startedAt = performance.now();
  const engine = await openLmdbEngine({ path: dataDir });
  const basin = decodeBasin(await stored(engine, basinKey(basinName))).number;
  const first = decodeCounters(await stored(engine, settingsKey('counters')));
  const streams = what === 'streams' ? Number(amount) : 1;
  await engine.commit([
    {
      type: 'put',
      key: settingsKey('counters'),
      value: encodeCounters({ ...first, nextStream: first.nextStream + streams }),
    },
  ]);
  const records = what === 'streams' ? 0 : await fillRecords(engine, basin, first.nextStream, Number(amount));
  if (what === 'streams') await fillStreams(engine, basin, first.nextStream, streams);
  await engine.close();
  const filled: Filled = { streams, records, seconds: (performance.now() - startedAt) / 1e3 };
  process.stdout.write(`${JSON.stringify(filled)}\n`);
}

async function fillStreams(engine: Engine, basin: number, firstNumber: number, streams: number): Promise<void> {
  for (let done = 0; done < streams; done += STREAMS_PER_TRANSACTION) {
    const count = Math.min(STREAMS_PER_TRANSACTION, streams - done);
    const writes = Array.from({ length: count }, (_, i) => {
      const name = `tenant-${String(done + i).padStart(8, '0')}/events`;
      return streamRows(basin, name, firstNumber + done + i, EMPTY);
    });
    await engine.commit(writes.flat());
  }
}

/** Fills one stream with this many metered bytes; resolves with the number of its records. */
async function fillRecords(engine: Engine, basin: number, number: number, bytes: number): Promise<number> {
  const lines = Array.from({ length: BATCHES_PER_BLOCK }, () => sessionBatch().records).flat();
  const draft = draftRecords(lines.map((body) => ({ headers: [], body, timestamp: NOW })));
  const blocks = Math.ceil(bytes / draft.meteredBytes);
  for (let done = 0; done < blocks; done += BLOCKS_PER_TRANSACTION) {
    const count = Math.min(BLOCKS_PER_TRANSACTION, blocks - done);
    const sealed = await Promise.all(
      Array.from({ length: count }, (_, i) => {
        const firstSeq = (done + i) * draft.count;
        return sealBlock(blockKey(number, firstSeq), firstSeq, draft, NOW, false);
      }),
    );
    await engine.commit(sealed.map(({ key, value }) => ({ type: 'put', key, value })));
    for (const block of sealed) releaseBlock(block);
  }
  const nextSeq = blocks * draft.count;
  const meteredBytes = blocks * draft.meteredBytes;
  const state = { ...EMPTY, nextSeq, lastTimestamp: NOW, lastArrival: NOW, meteredBytes };
  await engine.commit(streamRows(basin, 'long', number, state));
  return nextSeq;
}

function streamRows(basin: number, name: string, number: number, state: StreamStateRow): Write[] {
  const dueAt = NOW + WEEK_MS;
  const row = {
    number,
    config: DEFAULT_STREAM_CONFIG,
    createdAt: NOW,
    deletedAt: undefined,
    cipher: undefined,
    requestKey: undefined,
    dueAt,
  };
  return [
    { type: 'put', key: streamKey(basin, name), value: encodeStream(row) },
    { type: 'put', key: streamStateKey(number), value: encodeStreamState(state) },
    { type: 'put', key: dueKey(dueAt, number), value: encodePending({ basin, name }) },
  ];
}

async function stored(engine: Engine, key: Uint8Array): Promise<Uint8Array> {
  const value = await engine.get(key);
  if (value === undefined) throw new Error('a row is missing: the server must have run over this directory once');
  return value;
}
