/** From the bytes of an input to batches: lines wherever the chunks are cut, and batches within S2's limits. */

import { describe, expect, test } from '@jest/globals';
import { batches } from '../../cli/input/batches.ts';
import { recordsIn } from '../../cli/input/record-lines.ts';
import type { BinaryRecord } from '../../src/client/append-input.ts';
import { meteredBytes } from '../../src/model/record.ts';
import fc from '../support/fast-check.ts';

async function* pieces(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part as Uint8Array);
}

async function all<T>(groups: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = [];
  for await (const group of groups) found.push(...group);
  return found;
}

const textOf = ({ body }: BinaryRecord) => Buffer.from(body).toString('latin1');

describe('lines', () => {
  test('are the same wherever the input is cut', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'ä', ' ', '\u2028') });
    const cuts = fc.array(fc.nat({ max: 40 }));
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1 }), cuts, fc.boolean(), async (lines, at, isEnded) => {
        const bytes = Buffer.from(lines.join('\n') + (isEnded ? '\n' : ''));
        const sorted = [0, ...at.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const parts = sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
        const records = await all(recordsIn(pieces(...parts), 'text'));
        // A last line that is empty and has no line end is not a line.
        const expected = isEnded || lines.at(-1) !== '' ? lines : lines.slice(0, -1);
        expect(records.map(({ body }) => Buffer.from(body).toString())).toEqual(expected);
      }),
    );
  });

  test('keep every byte except their line ends', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x80, 0x0d, 0x0a, 0x0d, 0x41]);
    expect((await all(recordsIn(pieces(bytes), 'text'))).map(textOf)).toEqual(['\xff\x00\x80', '\rA']);
  });

  test('without an end are refused before they fill the memory', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 1;
        yield Buffer.alloc(1024 * 1024, 0x61);
      }
    }
    for (const format of ['text', 'json'] as const) {
      given = 0;
      await expect(all(recordsIn(endless(), format))).rejects.toMatchObject({
        code: 'invalid',
        message: 'line 1: the record is larger than 1 MiB',
      });
      expect(given).toBeLessThan(20);
    }
  });

  test('before an invalid one are returned first, and the error has the number of the invalid line', async () => {
    const found: string[] = [];
    const reading = (async () => {
      for await (const group of recordsIn(pieces('{"body":"a"}\n\n{"bo', 'dy":"b"}\nnope\n'), 'json')) {
        found.push(...group.map(textOf));
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('line 4: ') });
    expect(found).toEqual(['a', 'b']);
  });
});

describe('batches', () => {
  const record = (bytes: number): BinaryRecord => ({ body: Buffer.alloc(bytes) });

  test('hold every record in order, and never more than S2 accepts', async () => {
    const sizes = fc.array(fc.array(fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 600_000 })), { maxLength: 12 }));
    await fc.assert(
      fc.asyncProperty(sizes, async (groups) => {
        const given = groups.map((group) => group.map(record));
        async function* source() {
          yield* given;
        }
        const made: (readonly BinaryRecord[])[] = [];
        for await (const batch of batches(source(), 60_000)) made.push(batch);
        expect(made.flat()).toEqual(given.flat());
        for (const batch of made) {
          expect(batch.length).toBeGreaterThan(0);
          const bytes = batch.reduce((sum, { body }) => sum + meteredBytes([], body.length), 0);
          expect(bytes).toBeLessThanOrEqual(1_048_576);
        }
        // With unlimited linger only full batches go out: two neighbours never fit into one.
        for (const [index, batch] of made.slice(1).entries()) {
          const both = [...(made[index] ?? []), ...batch.slice(0, 1)];
          const bytes = both.reduce((sum, { body }) => sum + meteredBytes([], body.length), 0);
          expect(both.length > 1_000 || bytes > 1_048_576).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('have 1,000 records at most', async () => {
    async function* source() {
      yield Array.from({ length: 2_001 }, () => record(0));
    }
    const made: number[] = [];
    for await (const batch of batches(source(), 60_000)) made.push(batch.length);
    expect(made).toEqual([1_000, 1_000, 1]);
  });

  test('go out when the linger time is over while the input is silent', async () => {
    let more: () => void = () => {};
    const silence = new Promise<void>((resolve) => {
      more = resolve;
    });
    async function* source() {
      yield [record(1)];
      await silence;
      yield [record(2)];
    }
    const made = batches(source(), 1);
    expect((await made.next()).value).toHaveLength(1);
    more();
    expect((await made.next()).value).toHaveLength(1);
    expect((await made.next()).done).toBe(true);
  });

  test('that were read before the input fails go out before the failure', async () => {
    async function* source() {
      yield [record(1), record(2)];
      throw new Error('the disk is gone');
    }
    const made = batches(source(), 60_000);
    expect((await made.next()).value).toHaveLength(2);
    await expect(made.next()).rejects.toThrow('the disk is gone');
  });
});
