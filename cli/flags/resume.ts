/** `--resume`: where a read of many streams goes on in each of them, as JSON or as a file that holds it. */

import { readFileSync } from 'node:fs';
import type { StreamPoint } from '../../src/client/many-reader.ts';
import { TailraceError } from '../../src/model/error.ts';

const FORM = `{"shop":13,"cart":{"seq_num":0,"stream_id":"7"}}`;

/** With ids, so that a stream that was deleted and made again is read from its beginning. */
export function resumeText(positions: ReadonlyMap<string, StreamPoint>): string {
  const points = [...positions].map(([stream, { seqNum, streamId }]) => [
    stream,
    streamId === undefined ? seqNum : { seq_num: seqNum, stream_id: streamId },
  ]);
  return JSON.stringify(Object.fromEntries(points));
}

/** @throws TailraceError `config` for a file that cannot be read, and for what are no positions */
export function readResume(given: string): ReadonlyMap<string, StreamPoint> {
  const isJson = given.trimStart().startsWith('{');
  const text = isJson ? given : contentOf(given);
  return new Map(Object.entries(objectIn(text)).map(([stream, point]) => [stream, pointIn(stream, point)]));
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new TailraceError('config', `--resume: cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

function objectIn(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // The same as other JSON: it is said below what it must be.
  }
  throw new TailraceError('config', `--resume takes positions as JSON, such as ${FORM}, or a file with them`);
}

function pointIn(stream: string, point: unknown): StreamPoint {
  const object = typeof point === 'object' && point !== null ? point : { seq_num: point };
  const { seq_num: seqNum, stream_id: streamId } = object as Readonly<Record<string, unknown>>;
  const isPosition = typeof seqNum === 'number' && Number.isSafeInteger(seqNum) && seqNum >= 0;
  if (isPosition && (streamId === undefined || typeof streamId === 'string')) return { seqNum, streamId };
  throw new TailraceError('config', `--resume: the position of ${JSON.stringify(stream)} is wrong: write ${FORM}`);
}
