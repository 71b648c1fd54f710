/**
 * Pages that go backwards, joined, are what a read that goes forward has and what the slow oracle of filters wants: over
 * blocks of all sizes, S2 and OTLP, encrypted and not, trimmed and not.
 */

import { crc32 } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import type { RecordsEvent } from '../../src/log/events.ts';
import type { LogReadOptions } from '../../src/log/options.ts';
import type { Stream } from '../../src/log/stream.ts';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { loadFilter } from '../../src/readers/filter/load-filter.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';
import fc from '../support/fast-check.ts';
import { isWanted } from '../support/filter-oracle.ts';
import { BASIN, FROM_START, type Harness, openHarness } from '../support/log-harness.ts';
import { field } from '../support/otlp-wire.ts';

const KEY = Buffer.alloc(32, 5);
const SIGNAL = [Buffer.from('otel.signal'), Buffer.from('logs')] as const;

/** One append: the severities of its records, whether they come as OTLP, and how long their texts are. */
interface Batch {
  readonly severities: readonly number[];
  readonly isOtlp: boolean;
  readonly length: number;
}

const batch: fc.Arbitrary<Batch> = fc.record({
  severities: fc.array(fc.constantFrom(9, 9, 9, 13, 17), { minLength: 1, maxLength: 12 }),
  isOtlp: fc.boolean(),
  length: fc.constantFrom(0, 1, 10, 10, 500, 5_000),
});
const filters = ['', 'level>=warn', 'level=fatal', '!level=info text~"1"', 'text~"x" level=error'];

/** A request whose log records have a severity and a text that ends with a number. */
function logsRequest(severities: readonly number[], length: number): Uint8Array {
  const records = severities.map((severity, i) =>
    Buffer.from(field(2, [...[0x10, severity], ...field(5, field(1, `${'x'.repeat(length)}${i}`))])),
  );
  return Buffer.from(field(1, field(2, Buffer.concat(records))));
}

async function append({ log }: Harness, stream: Stream, one: Batch, key: Buffer | undefined) {
  const { severities, length } = one;
  if (one.isOtlp && key === undefined) {
    const scanned = scanRequest('logs', logsRequest(severities, length), { requestRecordsMax: 100 });
    const items = severities.map((_, i) => i);
    const drafts = draftBlocks(scanned, items, { recordBytesMax: 2 ** 20, timeRequired: false, reject: () => {} });
    await log.append([{ stream, drafts }]);
    return;
  }
  const records = severities.map((severity) => ({
    timestamp: undefined,
    headers: [SIGNAL],
    body: logsRequest([severity], length),
  }));
  await log.appendRecords({ stream, records, encryptionKey: key });
}

interface Read {
  readonly seqNum: number;
  readonly body: Uint8Array;
}

function read(parts: readonly RecordsEvent[]): Read[] {
  return parts.flatMap(({ block, from, to }) => Array.from({ length: to - from }, (_, i) => block.record(from + i)));
}

/** As lines that are compared quickly. */
function lines(records: readonly Read[]): string {
  return records.map(({ seqNum, body }) => `${seqNum} ${body.length} ${crc32(body)}`).join('\n');
}

async function forward({ log }: Harness, stream: Stream, by: LogReadOptions): Promise<Read[]> {
  const events: RecordsEvent[] = [];
  for await (const event of log.read(stream, FROM_START, new AbortController().signal, by)) {
    if (event.type === 'caught_up') break;
    if (event.type === 'records') events.push(event);
  }
  return read(events);
}

async function backwards({ log }: Harness, stream: Stream, limit: number, bytes: number, by: LogReadOptions) {
  const all: Read[] = [];
  const watch = { isOver: () => false, reserve: () => {} };
  for (let before: number | undefined; ; ) {
    const page = await log.readBack(stream, { before, clamp: false, limit, bytes }, watch, by);
    const records = read(page.parts);
    expect(records.length).toBeLessThanOrEqual(limit);
    expect(records.every(({ seqNum }) => seqNum >= page.start && seqNum < page.end)).toBe(true);
    expect(page.tail?.seqNum).toBe(before === undefined || page.tail !== undefined ? page.end : undefined);
    all.unshift(...records);
    if (page.isAtStart) return all;
    expect(page.start).toBeLessThan(page.end);
    before = page.start;
  }
}

describe.each([
  ['in the clear', undefined],
  ['encrypted', KEY],
])('%s', (_, key) => {
  test('pages that go backwards are together what a forward read has, and what the oracle wants', async () => {
    const streamCipher = key === undefined ? undefined : 'aes-256-gcm';
    const harness = await openHarness(undefined, undefined, { ...BASIN, streamCipher });
    let [streams, wantedRecords] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.array(batch, { minLength: 1, maxLength: 30 }),
        fc.nat({ max: 120 }),
        fc.constantFrom(1, 2, 7, 1_000),
        fc.constantFrom(10_000, 2 ** 20),
        fc.constantFrom(...filters),
        async (batches, trimPoint, limit, bytes, text) => {
          const stream = await harness.stream(`s${streams++}`);
          for (const one of batches) await append(harness, stream, one, key);
          const { seqNum: tail } = await harness.log.checkTail(stream);
          const everything = await forward(harness, stream, { encryptionKey: key });
          await harness.log.trim(stream, Math.min(trimPoint, tail));
          const filter = parseFilter([text]);
          const expected = everything
            .filter(({ seqNum }) => seqNum >= Math.min(trimPoint, tail))
            .filter(({ body }) => filter === undefined || isWanted(filter, 'logs', body));
          wantedRecords += filter === undefined ? 0 : expected.length;
          const by = { encryptionKey: key, filter: await loadFilter([text]) };
          expect(lines(await forward(harness, stream, by))).toBe(lines(expected));
          expect(lines(await backwards(harness, stream, limit, bytes, by))).toBe(lines(expected));
        },
      ),
      { numRuns: 20 },
    );
    expect(wantedRecords).toBeGreaterThan(5);
  });
});
