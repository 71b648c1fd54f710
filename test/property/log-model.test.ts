/**
 * Random commands against the log on each engine, compared with a reference of a few lines; and readers that begin at
 * random moments during slow commits see every record once, in order.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Stream } from '../../src/log/stream.ts';
import type { ReadRange } from '../../src/model/read-range.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import fc from '../support/fast-check.ts';
import {
  FROM_START,
  type Harness,
  HeldEngine,
  openHarness,
  readAll,
  recordsOf,
  type Seen,
  TestClock,
  timed,
  turn,
} from '../support/log-harness.ts';
import { shareOf } from '../support/share-of.ts';

/** The expected stream: its records, and the first that is not trimmed. */
interface Model {
  readonly records: Seen[];
  trimPoint: number;
}

type Command = (state: { harness: Harness; models: Map<string, Model> }) => Promise<void>;

const NAMES = ['a', 'b', 'c'];
const name = fc.constantFrom(...NAMES);
/** Client timestamps: before the clock, after it, and 0, which S2 takes as a time. */
const timestamp = fc.oneof(
  { weight: 9, arbitrary: fc.nat({ max: 1_200_000 }) },
  { weight: 1, arbitrary: fc.constant(0) },
);
const batch = fc.array(timestamp, { minLength: 1, maxLength: 12 });

const append: fc.Arbitrary<Command> = fc
  .tuple(
    fc.array(fc.tuple(name, fc.array(batch, { minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 3 }),
    fc.nat(5_000),
  )
  .map(([parts, laterMs]) => async ({ harness, models }) => {
    harness.clock.advance(laterMs);
    const now = harness.clock.now();
    const appends = await Promise.all(
      parts.map(async ([stream, drafts]) => ({
        stream: await harness.stream(stream),
        drafts: drafts.map((timestamps) => timed(...timestamps)),
      })),
    );
    const acks = await harness.log.append(appends);
    for (const [i, [stream, drafts]] of parts.entries()) {
      const model = modelOf(models, stream);
      expect(acks[i]?.start.seqNum).toBe(model.records.length);
      for (const given of drafts.flat()) {
        const timestamp = Math.max(Math.min(given, now), model.records.at(-1)?.timestamp ?? 0);
        model.records.push({ seqNum: model.records.length, timestamp, body: String(given) });
      }
      expect(acks[i]?.end.seqNum).toBe(model.records.length);
    }
  });

const read: fc.Arbitrary<Command> = fc
  .record({
    stream: name,
    from: fc.nat(60),
    kind: fc.constantFrom('seqNum' as const, 'timestamp' as const, 'tailOffset' as const),
    count: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
    bytes: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
    until: fc.option(fc.nat(1_300_000), { nil: undefined }),
  })
  .map(({ stream: streamName, from, kind, ...bounds }) => async ({ harness, models }) => {
    const model = models.get(streamName);
    if (model === undefined) return;
    const at = kind === 'timestamp' ? (model.records[from]?.timestamp ?? from * 20_000) : from;
    const start = { [kind]: at } as unknown as ReadRange['start'];
    const wanted = expected(model, kind, at, bounds);
    const got = await readAll(harness.log, await harness.stream(streamName), { start, ...bounds }).catch(
      (error: { code: string }) => error.code,
    );
    expect(got).toEqual(wanted);
  });

const trim: fc.Arbitrary<Command> = fc
  .tuple(name, fc.nat(70))
  .map(([stream, seqNum]) => async ({ harness, models }) => {
    const model = models.get(stream);
    if (model === undefined) return;
    await harness.log.trim(await harness.stream(stream), seqNum);
    model.trimPoint = Math.min(Math.max(model.trimPoint, seqNum), model.records.length);
  });

const reopen: fc.Arbitrary<Command> = fc.constant(async (state) => {
  state.harness = await state.harness.reopen();
});

const checkTails: fc.Arbitrary<Command> = fc.constant(async ({ harness, models }) => {
  for (const [stream, { records }] of models) {
    const tail = { seqNum: records.length, timestamp: records.at(-1)?.timestamp ?? 0 };
    expect(await harness.log.checkTail(await harness.stream(stream))).toEqual(tail);
  }
  const page = await harness.log.listStreams(harness.basin, { prefix: '', startAfter: '', limit: 10 });
  expect(page.streams.map((info) => info.name)).toEqual([...models.keys()].sort());
});

const commands = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: append },
    { weight: 5, arbitrary: read },
    { weight: 1, arbitrary: trim },
    { weight: 1, arbitrary: reopen },
    { weight: 1, arbitrary: checkTails },
  ),
  { maxLength: 25 },
);

async function runCommands(engine: Engine, list: readonly Command[]): Promise<void> {
  const state = {
    harness: await openHarness(new HeldEngine(engine), new TestClock()),
    models: new Map<string, Model>(),
  };
  for (const command of list) await command(state);
}

describe('the log equals its reference', () => {
  test('in memory', async () => {
    await fc.assert(
      fc.asyncProperty(commands, (list) => runCommands(openMemoryEngine(), list)),
      { numRuns: shareOf(300) },
    );
  }, 60_000);

  test('on LMDB', async () => {
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
    await fc.assert(property, { numRuns: 40 });
  }, 60_000);
});

describe('readers that begin at any moment', () => {
  const steps = fc.array(fc.constantFrom('append', 'settle', 'read', 'turn'), { minLength: 5, maxLength: 60 });

  test('see every record once, in order, whatever commits are under way', async () => {
    const property = fc.asyncProperty(steps, async (list) => {
      const harness = await openHarness();
      const stream = await harness.stream('a');
      await harness.log.append([{ stream, drafts: [timed(1)] }]);
      harness.engine.hold();
      const abort = new AbortController();
      const seen: number[][] = [];
      const appends: Promise<unknown>[] = [];
      const readers: Promise<void>[] = [];
      for (const step of list) {
        if (step === 'append') appends.push(harness.log.append([{ stream, drafts: [timed(1, 2), timed(3)] }]));
        if (step === 'settle' && harness.engine.waiting > 0) await harness.engine.settleOne();
        if (step === 'read') readers.push(collect(harness, stream, abort.signal, seen));
        if (step === 'turn') await turn();
      }
      harness.engine.release();
      await Promise.all(appends);
      const total = 1 + appends.length * 3;
      while (seen.some((numbers) => numbers.length < total)) await turn();
      abort.abort();
      await Promise.all(readers);
      for (const numbers of seen) expect(numbers).toEqual(Array.from({ length: total }, (_, i) => i));
    });
    await fc.assert(property, { numRuns: shareOf(200) });
  }, 60_000);
});

async function collect(harness: Harness, stream: Stream, signal: AbortSignal, into: number[][]): Promise<void> {
  const numbers: number[] = [];
  into.push(numbers);
  for await (const event of harness.log.read(stream, FROM_START, signal)) {
    numbers.push(...recordsOf(event).map(({ seqNum }) => seqNum));
  }
}

interface Limits {
  readonly count: number | undefined;
  readonly bytes: number | undefined;
  readonly until: number | undefined;
}

/** What S2 specifies for a read that does not wait. */
function expected(
  model: Model,
  kind: 'seqNum' | 'timestamp' | 'tailOffset',
  at: number,
  limits: Limits,
): Seen[] | string {
  const { records, trimPoint } = model;
  const tail = records.length;
  const bounded = Object.values(limits).some((limit) => limit !== undefined);
  let start = kind === 'tailOffset' ? Math.max(0, tail - at) : at;
  if (kind === 'seqNum' && at > tail) return 'range_not_satisfiable';
  if (kind === 'timestamp') {
    if (at > (records.at(-1)?.timestamp ?? 0)) return 'range_not_satisfiable';
    const found = records.findIndex((record, i) => i >= trimPoint && record.timestamp >= at);
    start = found === -1 ? tail : found;
  }
  if (start === tail && bounded) return 'range_not_satisfiable';
  const wanted: Seen[] = [];
  let bytes = 0;
  for (const record of records.slice(Math.max(start, trimPoint))) {
    bytes += 8 + record.body.length;
    if (wanted.length >= (limits.count ?? Number.POSITIVE_INFINITY)) break;
    if (bytes > (limits.bytes ?? Number.POSITIVE_INFINITY)) break;
    if (limits.until !== undefined && record.timestamp >= limits.until) break;
    wanted.push(record);
  }
  return wanted;
}

function modelOf(models: Map<string, Model>, stream: string): Model {
  const model = models.get(stream) ?? { records: [], trimPoint: 0 };
  models.set(stream, model);
  return model;
}
