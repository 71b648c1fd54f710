/** The limits of readers of many streams, just under and just over each. */

import { expect, test } from '@jest/globals';
import { EVENT_ID_BYTES_MAX, READER_STREAMS_MAX, RESUME_BYTES_MAX } from '../../src/model/limits.ts';
import { parseManyQuery } from '../../src/readers/many/parse-many-query.ts';
import { eventIdOf, parseEventId, ResumeMap } from '../../src/readers/many/resume-map.ts';

const WORDS = { seqNum: 'seq_num', streamId: 'stream_id' };

/** A message with so many streams, of so many bytes if that is said. */
function message(first: number, streams: number, more: boolean, bytes?: number): Buffer {
  const names = Array.from({ length: streams }, (_, i) => [`s${first + i}`, i] as const);
  const text = JSON.stringify({ resume: Object.fromEntries(names), more });
  return Buffer.from(text.padEnd(bytes ?? 0));
}

test('a resume map takes 10,000 streams in several messages and refuses one more', () => {
  expect(READER_STREAMS_MAX).toBe(10_000);
  const map = new ResumeMap(WORDS);
  map.add(message(0, READER_STREAMS_MAX - 1, true), false);
  // The same stream again is not another one.
  map.add(message(0, 1, true), false);
  map.add(message(READER_STREAMS_MAX - 1, 1, false), false);
  expect([map.points.size, map.isWhole]).toEqual([READER_STREAMS_MAX, true]);
  const over = new ResumeMap(WORDS);
  over.add(message(0, READER_STREAMS_MAX, true), false);
  const refused = { code: 'too_large', message: expect.stringContaining('10000 streams') };
  expect(() => over.add(message(READER_STREAMS_MAX, 1, false), false)).toThrow(expect.objectContaining(refused));
});

test('a resume map takes 8 MiB over all of its messages and refuses one byte more', () => {
  expect(RESUME_BYTES_MAX).toBe(8 * 2 ** 20);
  const map = new ResumeMap(WORDS);
  map.add(message(0, 10, true, RESUME_BYTES_MAX - 1_000), false);
  map.add(message(10, 10, false, 1_000), false);
  expect(map.points.size).toBe(20);
  const over = new ResumeMap(WORDS);
  over.add(message(0, 10, true, RESUME_BYTES_MAX - 1_000), false);
  const refused = { code: 'too_large', message: expect.stringContaining(`${RESUME_BYTES_MAX} bytes`) };
  expect(() => over.add(message(10, 10, false, 1_001), false)).toThrow(expect.objectContaining(refused));
});

test('an event id has 4 KiB and no byte more, and goes on where it was', () => {
  expect(EVENT_ID_BYTES_MAX).toBe(4_096);
  // Each entry with its comma is 8 bytes, the first has no comma.
  const positions = new Map(Array.from({ length: 511 }, (_, i) => [String(36 ** 3 + i), 36 + i] as const));
  const fits = eventIdOf(new Map(positions).set(String(36 ** 3 + 511), 36 ** 2));
  expect(fits?.length).toBe(EVENT_ID_BYTES_MAX);
  expect(parseEventId(fits ?? '').size).toBe(512);
  expect(eventIdOf(new Map(positions).set(String(36 ** 3 + 511), 36 ** 3))).toBeUndefined();
});

test('a query names 10,000 streams, and not one more', () => {
  const query = (streams: number) =>
    new URLSearchParams(Array.from({ length: streams }, (_, i): [string, string] => ['stream', `s${i}`]));
  expect(parseManyQuery(query(READER_STREAMS_MAX)).names?.length).toBe(READER_STREAMS_MAX);
  expect(() => parseManyQuery(query(READER_STREAMS_MAX + 1))).toThrow(
    expect.objectContaining({ message: expect.stringContaining('at most 10000') }),
  );
});
