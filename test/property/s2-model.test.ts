/**
 * Random commands against the log on each engine, compared with a reference of S2's rules: batches with conditions,
 * fences and trims, blocks of OTLP between them, reads of every kind, retention, deletion and re-creation, restarts; in
 * the clear and encrypted.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Basin } from '../../src/log/basins.ts';
import type { Log } from '../../src/log/log.ts';
import type { Stream } from '../../src/log/stream.ts';
import type { TailraceError } from '../../src/model/error.ts';
import type { ReadRange } from '../../src/model/read-range.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import fc from '../support/fast-check.ts';
import { BASIN, FROM_START, type Harness, HeldEngine, openHarness, TestClock, timed } from '../support/log-harness.ts';
import { ModelStream, type NewModelRecord } from '../support/s2-model.ts';
import { shareOf } from '../support/share-of.ts';

/** The last one is in a basin with a cipher. */
const NAMES = ['a', 'b', 'sealed'] as const;
type Name = (typeof NAMES)[number];
const KEY = Buffer.alloc(32, 7);
const WRONG_KEY = Buffer.alloc(32, 8);
/** Of streams that an append creates: short, so that records expire in most runs. */
const AGE_SECONDS = 60;
const MEMORY_RUNS = Number(process.env.TAILRACE_TEST_MODEL_RUNS ?? shareOf(2_000));

interface State {
  harness: Harness;
  sealed: Basin;
  readonly models: Map<Name, ModelStream>;
}

type Command = (state: State) => Promise<void>;

const name = fc.constantFrom(...NAMES);
/** A command on a stream that exists. */
function existing<T>(
  given: fc.Arbitrary<T>,
  command: (state: State, which: Name, model: ModelStream, given: T) => Promise<void>,
): fc.Arbitrary<Command> {
  return fc.tuple(name, given).map(([which, it]) => async (state) => {
    const model = state.models.get(which);
    if (model !== undefined) await command(state, which, model, it);
  });
}

const record: fc.Arbitrary<NewModelRecord> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      body: fc.string({ maxLength: 9 }),
      timestamp: fc.option(fc.nat(1_500_000), { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 't1', 't2').map((body) => ({ body, timestamp: undefined, word: 'fence' as const })),
  },
  {
    weight: 1,
    arbitrary: fc.nat(60).map((trimTo) => ({ body: '', timestamp: undefined, word: 'trim' as const, trimTo })),
  },
);

/** A number near the tail, and a token that may be the right one. */
const append: fc.Arbitrary<Command> = fc
  .record({
    which: name,
    batch: fc.array(record, { minLength: 1, maxLength: 8 }),
    off: fc.option(fc.constantFrom(0, 0, 0, -1, 1), { nil: undefined }),
    token: fc.option(fc.constantFrom('right', 'right', '', 't1', 't2'), { nil: undefined }),
  })
  .map(({ which, batch, off, token }) => async (state) => {
    const model = state.models.get(which) ?? new ModelStream(AGE_SECONDS * 1_000);
    const matchSeqNum = off === undefined ? undefined : Math.max(0, model.records.length + off);
    const fencingToken = token === 'right' ? model.token : token;
    const stream = await opened(state, which);
    const refusal = model.refusal({ matchSeqNum, fencingToken });
    const conditions = { matchSeqNum, fencingToken };
    const settled = await settle(
      state.harness.log.appendRecords({ stream, records: batch.map(wire), ...conditions, encryptionKey: KEY }),
    );
    if (refusal !== undefined) {
      expect(settled).toMatchObject(refusal);
      return;
    }
    const first = model.records.length;
    model.append(batch, state.harness.clock.now());
    const end = { seqNum: model.records.length, timestamp: model.tail.timestamp };
    const start = { seqNum: first, timestamp: model.records[first]?.timestamp };
    expect(settled).toEqual({ start, end, tail: end });
    state.models.set(which, model);
  });

const otlp: fc.Arbitrary<Command> = fc
  .tuple(fc.constantFrom('a' as const, 'b' as const), fc.array(fc.nat(1_500_000), { minLength: 1, maxLength: 6 }))
  .map(([which, times]) => async (state) => {
    const model = state.models.get(which) ?? new ModelStream(AGE_SECONDS * 1_000);
    const stream = await opened(state, which);
    const [ack] = await state.harness.log.append([{ stream, drafts: [timed(...times)] }]);
    expect(ack?.start.seqNum).toBe(model.records.length);
    const batch = times.map((time) => ({ body: String(time), timestamp: time }));
    model.append(batch, state.harness.clock.now());
    state.models.set(which, model);
    expect(ack?.end).toEqual(model.tail);
  });

const limit = (most: number) => fc.option(fc.nat(most), { nil: undefined, freq: 2 });

const start = fc.record({
  near: fc.nat(70),
  kind: fc.constantFrom('seqNum' as const, 'timestamp' as const, 'tailOffset' as const),
  clamp: fc.boolean(),
});
const bounds = fc.record({ count: limit(30), bytes: limit(300), until: limit(70) });

const read = existing(fc.tuple(start, bounds), async (state, which, model, [{ near, kind, clamp }, limits]) => {
  const { harness } = state;
  const at = kind === 'timestamp' ? (model.records[near]?.timestamp ?? near * 20_000) : near;
  // Time bounds at existing times.
  const until = limits.until === undefined ? undefined : (model.records[limits.until]?.timestamp ?? 1_600_000);
  const range = { ...FROM_START, start: { [kind]: at } as unknown as ReadRange['start'], clamp, ...limits, until };
  const wanted = model.read(kind, at, clamp, { ...limits, until }, harness.clock.now());
  const got = await settle(readBodies(harness.log, await opened(state, which), range, KEY));
  if (wanted === undefined) expect(got).toMatchObject({ code: 'range_not_satisfiable', detail: { tail: model.tail } });
  else expect(got).toEqual(wanted.map(({ seqNum, timestamp, body }) => ({ seqNum, timestamp, body })));
});

const wrongKey: fc.Arbitrary<Command> = fc.constant(async (state) => {
  const model = state.models.get('sealed');
  if (model === undefined) return;
  const now = state.harness.clock.now();
  const hidden = model.records
    .slice(model.floor(now))
    .some(({ metered, body }) => metered === 8 + Buffer.byteLength(body));
  if (!hidden) return;
  const stream = await opened(state, 'sealed');
  const range = { ...FROM_START, start: { seqNum: 0 }, waitMs: 0 };
  expect(await settle(readBodies(state.harness.log, stream, range, WRONG_KEY))).toMatchObject({
    code: 'decryption_failed',
  });
  expect(await settle(readBodies(state.harness.log, stream, range, undefined))).toMatchObject({ code: 'bad_header' });
});

const trim = existing(fc.nat(60), async (state, which, model, to) => {
  await state.harness.log.trim(await opened(state, which), to);
  model.trim(to);
});

/** Never longer than before: whether an expired record is still stored is not specified. */
const retain = existing(fc.integer({ min: 1, max: 60 }), async (state, which, model, seconds) => {
  const retentionAgeSeconds = Math.min((model.ageMs ?? Number.POSITIVE_INFINITY) / 1_000, seconds);
  const { log } = state.harness;
  const changed = await log.reconfigureStream(basinOf(state, which), which, { retentionAgeSeconds });
  expect(changed.config.retentionAgeSeconds).toBe(retentionAgeSeconds);
  model.ageMs = retentionAgeSeconds * 1_000;
});

/** A millisecond more than whole seconds, so that nothing expires at exactly this moment. */
const later: fc.Arbitrary<Command> = fc.nat(40).map((seconds) => async ({ harness }) => {
  harness.clock.advance(seconds * 1_000 + 1);
  await harness.log.backgroundSettled();
});

const remove: fc.Arbitrary<Command> = name.map((which) => async (state) => {
  const { log } = state.harness;
  const basin = basinOf(state, which);
  const deleted = await settle(log.deleteStream(basin, which));
  if (!state.models.delete(which)) {
    expect(deleted).toMatchObject({ code: 'stream_not_found' });
    return;
  }
  expect(deleted).toBeUndefined();
  expect(['stream_deletion_pending', 'stream_not_found']).toContain(await codeOf(log.getStream(basin, which)));
  await log.backgroundSettled();
  expect(await codeOf(log.getStream(basin, which))).toBe('stream_not_found');
});

const create: fc.Arbitrary<Command> = fc
  .tuple(name, fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }))
  .map(([which, seconds]) => async (state) => {
    const made = await settle(
      state.harness.log.createStream(basinOf(state, which), which, { retentionAgeSeconds: seconds }),
    );
    if (state.models.has(which)) {
      expect(made).toMatchObject({ code: 'resource_already_exists' });
      return;
    }
    expect(made).toMatchObject({ outcome: 'created' });
    state.models.set(which, new ModelStream(seconds === undefined ? undefined : seconds * 1_000));
  });

const restart: fc.Arbitrary<Command> = fc.constant(async (state) => {
  await state.harness.log.close();
  state.harness = await state.harness.reopen();
  state.sealed = await sealedBasin(state.harness);
});

const tails: fc.Arbitrary<Command> = fc.constant(async (state) => {
  const { log, basin } = state.harness;
  for (const [which, model] of state.models) {
    expect(await log.checkTail(await opened(state, which))).toEqual(model.tail);
  }
  const page = await log.listStreams(basin, { prefix: '', startAfter: '', limit: 10 });
  const there = [...state.models.keys()].filter((which) => which !== 'sealed').sort();
  expect(page.streams.map((info) => info.name)).toEqual(there);
});

const commands = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: append },
    { weight: 2, arbitrary: otlp },
    { weight: 8, arbitrary: read },
    { weight: 1, arbitrary: wrongKey },
    { weight: 1, arbitrary: trim },
    { weight: 2, arbitrary: retain },
    { weight: 4, arbitrary: later },
    { weight: 1, arbitrary: remove },
    { weight: 1, arbitrary: create },
    { weight: 1, arbitrary: restart },
    { weight: 1, arbitrary: tails },
  ),
  { maxLength: 40 },
);

test("the log follows S2's rules in memory", async () => {
  const property = fc.asyncProperty(commands, (list) => runCommands(openMemoryEngine(), list));
  await fc.assert(property, { numRuns: MEMORY_RUNS });
}, 600_000);

test("the log follows S2's rules on LMDB", async () => {
  const property = fc.asyncProperty(commands, async (list) => {
    const path = await mkdtemp(join(tmpdir(), 'tailrace-model-'));
    const engine = await openLmdbEngine({ path });
    try {
      await runCommands(engine, list);
    } finally {
      await engine.close();
      await rm(path, { recursive: true, force: true });
    }
  });
  await fc.assert(property, { numRuns: Math.ceil(MEMORY_RUNS / 20) });
}, 600_000);

async function runCommands(engine: Engine, list: readonly Command[]): Promise<void> {
  const defaults = { ...BASIN, defaultStream: { retentionAgeSeconds: AGE_SECONDS } };
  const harness = await openHarness(new HeldEngine(engine), new TestClock(), defaults);
  const state: State = { harness, sealed: await sealedBasin(harness), models: new Map() };
  for (const command of list) await command(state);
  await state.harness.log.close();
}

async function sealedBasin({ log }: Harness): Promise<Basin> {
  const config = { createStreamOnAppend: true, streamCipher: 'aes-256-gcm' as const };
  return (await log.ensureBasin('basin-two', { ...config, defaultStream: { retentionAgeSeconds: AGE_SECONDS } })).it;
}

function basinOf(state: State, which: Name): Basin {
  return which === 'sealed' ? state.sealed : state.harness.basin;
}

async function opened(state: State, which: Name): Promise<Stream> {
  return state.harness.log.openStream(basinOf(state, which), which, 'append');
}

function wire({ body, timestamp, word, trimTo = 0 }: NewModelRecord) {
  const payload = Buffer.alloc(8);
  payload.writeBigUInt64BE(BigInt(trimTo));
  return {
    headers: word === undefined ? [] : [[Buffer.of(), Buffer.from(word)] as const],
    body: word === 'trim' ? payload : Buffer.from(body),
    timestamp,
  };
}

/** Everything that a read returns until it ends or reaches the tail; a trim by its requested position. */
async function readBodies(log: Log, stream: Stream, range: ReadRange, encryptionKey: Uint8Array | undefined) {
  const records: { seqNum: number; timestamp: number; body: string }[] = [];
  for await (const event of log.read(stream, range, new AbortController().signal, { encryptionKey })) {
    if (event.type === 'caught_up') break;
    if (event.type !== 'records') continue;
    for (let i = event.from; i < event.to; i++) {
      const { seqNum, timestamp, headers, body } = event.block.record(i);
      const isTrim = headers.some(([key, value]) => key.length === 0 && Buffer.from(value).toString() === 'trim');
      const text = isTrim ? String(Buffer.from(body).readBigUInt64BE()) : Buffer.from(body).toString();
      records.push({ seqNum, timestamp, body: text });
    }
  }
  return records;
}

/** How a promise settles, including an error. */
function settle<T>(promise: Promise<T>): Promise<T | TailraceError> {
  return promise.catch((error: TailraceError) => error);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    ({ code }: TailraceError) => code,
  );
}
