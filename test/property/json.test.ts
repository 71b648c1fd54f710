/** The JSON transcoder compared with a slow, independent parser of the same bytes. */

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { transcodeInTurns, transcodeJson } from '../../src/otlp/json/transcode.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import fc from '../support/fast-check.ts';
import { requestText } from '../support/json-arbitraries.ts';
import { decoded, expected } from '../support/json-oracle.ts';
import { shareOf } from '../support/share-of.ts';

const RUNS = shareOf(400);
const MUTATIONS = shareOf(20_000);
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_121);

describe('any request in any spelling', () => {
  test.each(SIGNALS)('%s: the protobuf has the same content as the JSON', (signal) => {
    fc.assert(
      fc.property(requestText(signal), (text) => {
        const body = Buffer.from(text);
        const bytes = transcodeJson(signal, body);
        expect(decoded(signal, bytes)).toEqual(expected(signal, body));
        // Whatever reaches the transcoder next claims its buffer.
        scanRequest(signal, bytes, OTLP_LIMITS);
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });
});

describe('in turns', () => {
  test('any request becomes the same bytes, wherever it pauses and with others at once', async () => {
    const request = fc.constantFrom(...SIGNALS).chain((signal) => fc.tuple(fc.constant(signal), requestText(signal)));
    const property = fc.asyncProperty(
      fc.array(request, { maxLength: 3 }),
      fc.integer({ min: 1, max: 64 }),
      async (requests, piece) => {
        const bodies = requests.map(([signal, text]) => ({ signal, body: Buffer.from(text) }));
        const paused = bodies.map(({ signal, body }) =>
          transcodeInTurns(signal, body, undefined, { pieceBytes: piece }),
        );
        const atOnce = bodies.map(({ signal, body }) => Buffer.from(transcodeJson(signal, body)));
        expect((await Promise.all(paused)).map((bytes) => Buffer.from(bytes))).toEqual(atOnce);
      },
    );
    await fc.assert(property, { numRuns: Math.ceil(RUNS / 4), seed: SEED });
  });

  test('mutated bodies are refused with the same words', async () => {
    const random = xorshift(SEED);
    const seeds = SIGNALS.flatMap((signal) => seedBodies(signal).map((body) => ({ signal, body })));
    for (let i = 0; i < MUTATIONS / 40; i++) {
      const { signal, body } = pick(seeds, random);
      const mutated = mutate(body, random);
      const atOnce = attempt(() => Buffer.from(transcodeJson(signal, mutated)));
      const paused = await transcodeInTurns(signal, mutated, undefined, { pieceBytes: 16 }).then(
        (bytes) => ({ value: Buffer.from(bytes) }),
        (error: unknown) => ({ error }),
      );
      expect(paused).toEqual(atOnce);
    }
  });
});

describe('mutated bodies', () => {
  test(`are accepted and refused exactly as by the slow parser (${MUTATIONS} bodies, seed ${SEED})`, () => {
    const random = xorshift(SEED);
    const seeds = SIGNALS.flatMap((signal) => seedBodies(signal).map((body) => ({ signal, body })));
    let taken = 0;
    for (let i = 0; i < MUTATIONS; i++) {
      const { signal, body } = pick(seeds, random);
      const mutated = mutate(body, random);
      const ours = attempt(() => decoded(signal, transcodeJson(signal, mutated)));
      const slow = attempt(() => expected(signal, mutated));
      if (!isRefusal(ours.error) || !isDeepStrictEqual(ours.value, slow.value)) {
        // The message contains the body: a counter-example is needed to understand a failure.
        throw new Error(`${signal} ${mutated.toString('latin1')}\n${String(ours.error)}\n${String(slow.error)}`);
      }
      if (ours.error === undefined) taken++;
    }
    expect(taken).toBeGreaterThan(MUTATIONS / 20);
    expect(taken).toBeLessThan(MUTATIONS);
  });
});

function attempt(work: () => unknown): { readonly value?: unknown; readonly error?: unknown } {
  try {
    return { value: work() };
  } catch (error) {
    return { error };
  }
}

/** `expect` would take most of the time. */
function isRefusal(error: unknown): boolean {
  return error === undefined || (error instanceof TailraceError && error.code === 'bad_json');
}

function seedBodies(signal: Signal): Buffer[] {
  const file = new URL(`../fixtures/json/every-${signal}.json`, import.meta.url);
  const text = readFileSync(file, 'utf8');
  return [Buffer.from(text), Buffer.from(text.replaceAll(/\n */g, ''))];
}

/** Fragments that are worth inserting anywhere. */
const PIECES = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  'null',
  '0',
  '-',
  '1e1',
  '.5',
  ' ',
  '\n',
  '\0',
  '""',
  '{}',
  '\\u00e9',
]
  .concat(['\\ud83d', '"key":', '"a":1,', 'true', '\u00e9', 'NaN', '99999999999999999999', '"stringValue":"x",'])
  .map((piece) => Buffer.from(piece));

/** One to three edits: a byte, an inserted fragment, a removed part, a part that is doubled or moved. */
function mutate(body: Buffer, random: () => number): Buffer {
  let mutated = body;
  for (let edits = 1 + Math.floor(random() * 3); edits > 0; edits--) {
    const at = Math.floor(random() * mutated.length);
    const to = Math.min(mutated.length, at + 1 + Math.floor(random() ** 3 * 40));
    const stretch = mutated.subarray(at, to);
    const other = Math.floor(random() * mutated.length);
    switch (Math.floor(random() * 6)) {
      case 0:
        mutated = splice(mutated, at, at + 1, Buffer.of(Math.floor(random() * 256)));
        break;
      case 1:
      case 2:
        mutated = splice(mutated, at, random() < 0.5 ? at : to, pick(PIECES, random));
        break;
      case 3:
        mutated = splice(mutated, at, to, Buffer.alloc(0));
        break;
      case 4:
        mutated = splice(mutated, other, other, stretch);
        break;
      default:
        mutated = random() < 0.1 ? mutated.subarray(0, at) : splice(mutated, at, at + 1, pick(PIECES, random));
    }
  }
  return mutated;
}

function splice(body: Buffer, from: number, to: number, piece: Buffer): Buffer {
  return Buffer.concat([body.subarray(0, from), piece, body.subarray(to)]);
}

function pick<T>(list: readonly T[], random: () => number): T {
  const item = list[Math.floor(random() * list.length)];
  if (item === undefined) throw new TailraceError('internal', 'an empty list has nothing to pick');
  return item;
}

function xorshift(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}
