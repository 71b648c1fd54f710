/** The rows of a stream: its own, and when it is due for deletion on empty. */

import type { Write } from '../storage/engine.ts';
import { dueKey, streamKey } from '../storage/keys.ts';
import { encodePending, encodeStream } from '../storage/values.ts';
import type { OpenStream } from './stream.ts';

/** The row of a stream as it was last accepted. */
export function rowOf(stream: OpenStream): Write {
  return { type: 'put', key: streamKey(stream.basin.number, stream.name), value: encodeStream(stream.row) };
}

/** Moves a stream in the schedule from `before` to the time in its row. */
export function scheduleRows(stream: OpenStream, before: number | undefined): Write[] {
  const { dueAt } = stream.row;
  if (before === dueAt) return [];
  const rows: Write[] = [];
  if (before !== undefined) rows.push({ type: 'delete', key: dueKey(before, stream.number) });
  if (dueAt !== undefined) rows.push(scheduled(stream, dueAt));
  return rows;
}

function scheduled(stream: OpenStream, at: number): Write {
  const value = encodePending({ basin: stream.basin.number, name: stream.name });
  return { type: 'put', key: dueKey(at, stream.number), value };
}
