/** Any read of any stream returns what a model of S2's rules returns, unary and over SSE, in one piece and resumed. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer, type TailraceServer } from '../../src/server.ts';
import fc from '../support/fast-check.ts';
import { type JsonBatch, RecordsClient } from '../support/records-calls.ts';

interface Stored {
  readonly seq: number;
  readonly timestamp: number;
  readonly metered: number;
}

interface Model {
  readonly records: readonly Stored[];
  readonly trimPoint: number;
}

interface Query {
  readonly start: { readonly kind: 'seq_num' | 'timestamp' | 'tail_offset'; readonly value: number } | undefined;
  readonly clamp: boolean;
  readonly count: number | undefined;
  readonly bytes: number | undefined;
  readonly until: number | undefined;
}

/** A status, and the sequence numbers of the records of a 200. */
type Expected = readonly [status: number, seqs: readonly number[]];

const MiB = 1_048_576;
let dataDir: string;
let server: TailraceServer;
let s2: RecordsClient;
let streams = 0;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-test-'));
  server = await createServer({ dataDir, port: 0, noAuth: true, logLevel: 'silent' });
  const { port } = await server.listen();
  s2 = new RecordsClient({ port, token: '' });
});

afterAll(async () => {
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});

interface Sent {
  readonly bytes: number;
  readonly timestamp: number;
}

const appended: fc.Arbitrary<Sent[][]> = fc.array(
  fc.array(fc.record({ bytes: fc.nat(30), timestamp: fc.nat(40) }), { minLength: 1, maxLength: 6 }),
  { maxLength: 5 },
);
const optional = (arbitrary: fc.Arbitrary<number>) => fc.option(arbitrary, { nil: undefined });
const query: fc.Arbitrary<Query> = fc.record({
  start: fc.option(
    fc.record({ kind: fc.constantFrom('seq_num', 'timestamp', 'tail_offset'), value: fc.nat(45) }) as fc.Arbitrary<
      NonNullable<Query['start']>
    >,
    { nil: undefined },
  ),
  clamp: fc.boolean(),
  count: optional(fc.nat(12)),
  bytes: optional(fc.nat(300)),
  until: optional(fc.nat(45)),
});

/** Appends the batches, and perhaps trims; returns the expected content. */
async function fill(stream: string, batches: readonly (readonly Sent[])[], trim: number | undefined) {
  const records: Stored[] = [];
  const put = (timestamp: number, metered: number): void => {
    const before = records.at(-1)?.timestamp ?? 0;
    records.push({ seq: records.length, timestamp: Math.max(before, timestamp), metered });
  };
  for (const batch of batches) {
    const input = batch.map(({ bytes, timestamp }) => ({ body: 'x'.repeat(bytes), timestamp }));
    expect((await s2.append(stream, { records: input }))[0]).toBe(200);
    for (const { bytes, timestamp } of batch) put(timestamp, 8 + bytes);
  }
  if (trim === undefined) return { records, trimPoint: 0 };
  const body = Buffer.alloc(8);
  body.writeBigUInt64BE(BigInt(trim));
  const command = { headers: [['', Buffer.from('trim').toString('base64')]], body: body.toString('base64') };
  const sent = { records: [{ ...command, timestamp: 0 }] };
  expect((await s2.append(stream, sent, { 's2-format': 'base64' }))[0]).toBe(200);
  put(0, 8 + 2 + 4 + 8);
  return { records, trimPoint: Math.min(trim, records.length) };
}

/** What a read without a wait returns; a unary read always has bounds. */
function expected(
  { records, trimPoint }: Model,
  { start, clamp, count, bytes, until }: Query,
  unary: boolean,
): Expected {
  if (start?.kind === 'timestamp' && until !== undefined && start.value >= until) return [422, []];
  const mostRecords = unary ? Math.min(count ?? 1_000, 1_000) : (count ?? Number.POSITIVE_INFINITY);
  const mostBytes = unary ? Math.min(bytes ?? MiB, MiB) : (bytes ?? Number.POSITIVE_INFINITY);
  if (mostRecords === 0 || mostBytes === 0) return [200, []];
  const tail = records.length;
  let from = Math.max(0, tail - (start?.value ?? 0));
  if (start?.kind === 'seq_num') from = start.value;
  if (start?.kind === 'timestamp') {
    const live = records.find(({ seq, timestamp }) => seq >= trimPoint && timestamp >= start.value);
    const isBeyond = start.value > (records.at(-1)?.timestamp ?? 0);
    from = isBeyond ? Number.POSITIVE_INFINITY : (live?.seq ?? tail);
  }
  if (from > tail && !clamp) return [416, []];
  from = Math.min(from, tail);
  const isBounded = unary || count !== undefined || bytes !== undefined || until !== undefined;
  if (from === tail && isBounded) return [416, []];
  const seqs: number[] = [];
  let left = mostBytes;
  for (const { seq, timestamp, metered } of records.slice(Math.max(from, trimPoint))) {
    left -= metered;
    if (seqs.length === mostRecords || left < 0 || (until !== undefined && timestamp >= until)) break;
    seqs.push(seq);
  }
  return [200, seqs];
}

function textOf({ start, clamp, count, bytes, until }: Query): string {
  const query = new URLSearchParams({ wait: '0', clamp: String(clamp) });
  if (start !== undefined) query.set(start.kind, String(start.value));
  for (const [name, value] of Object.entries({ count, bytes, until })) {
    if (value !== undefined) query.set(name, String(value));
  }
  return `?${query}`;
}

async function readUnary(stream: string, { records }: Model, asked: Query): Promise<Expected> {
  const [status, body] = await s2.read(stream, textOf(asked));
  const tail = { seq_num: records.length, timestamp: records.at(-1)?.timestamp ?? 0 };
  if (status === 416) expect(body).toEqual({ tail });
  if (status !== 200) return [status, []];
  const batch = body as JsonBatch;
  const seqs = batch.records.map(({ seq_num }) => seq_num);
  for (const { seq_num, timestamp } of batch.records) expect(timestamp).toBe(records[seq_num]?.timestamp);
  // The tail is included when the records end at it.
  expect(batch.tail).toEqual(seqs.at(-1) === records.length - 1 ? tail : undefined);
  return [200, seqs];
}

/** Reads some batches of each connection and reconnects for the rest, as if the connection was lost. */
async function readSse(stream: string, model: Model, asked: Query, patience: number): Promise<Expected> {
  const seqs: number[] = [];
  let lastEventId: string | undefined;
  for (;;) {
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const answer = await s2.sse(stream, textOf(asked), headers);
    if (answer.status !== 200) {
      answer.destroy();
      // Resumed after the last record, a bounded read is at the tail.
      return lastEventId !== undefined && answer.status === 416 ? [200, seqs] : [answer.status, []];
    }
    const events = await answer.rest();
    expect(events.at(-1)?.data).toBe('[DONE]');
    const batches = events.slice(0, -1);
    for (const { event, data, id } of batches.slice(0, patience)) {
      expect(event).toBe('batch');
      for (const { seq_num } of (JSON.parse(data) as JsonBatch).records) seqs.push(seq_num);
      const bytes = seqs.reduce((sum, seq) => sum + (model.records[seq]?.metered ?? 0), 0);
      expect(id).toBe(`${seqs.at(-1)},${seqs.length},${bytes}`);
      lastEventId = id;
    }
    if (batches.length <= patience) return [200, seqs];
  }
}

test('any read of any stream returns what the model returns', async () => {
  const trim = fc.option(fc.nat(35), { nil: undefined });
  const queries = fc.array(query, { minLength: 10, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(appended, trim, queries, async (batches, trimmed, asked) => {
      const name = `any-${streams++}`;
      // A stream needs at least one record to exist.
      const model = await fill(name, batches.length === 0 ? [[{ bytes: 0, timestamp: 7 }]] : batches, trimmed);
      for (const one of asked) {
        expect([one, await readUnary(name, model, one)]).toEqual([one, expected(model, one, true)]);
        for (const patience of [1, 99]) {
          expect([one, await readSse(name, model, one, patience)]).toEqual([one, expected(model, one, false)]);
        }
      }
    }),
    { numRuns: 20 },
  );
});
