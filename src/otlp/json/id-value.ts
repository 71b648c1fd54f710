/**
 * Ids in JSON that are no strings: numbers, as 64-bit ids of older tracers come, and bytes as `JSON.stringify` writes
 * them. Bytes of the right length are the id; any other value is a malformed id, whose text is that of its JSON.
 */

import { ODD_ID_LEAD } from '../odd-id.ts';
import { skipRest, skipValue } from './skip.ts';
import { FIELDS, TARGET } from './tables.ts';
import { writeLength } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';
import { writeTag } from './write-field.ts';

/** Of a longer value this is its text. */
const VALUE_BYTES_MAX = 1_024;

/**
 * Writes the value at `at`, which is no string, as an id; returns the position after it, or `PAUSED`.
 * @throws TailraceError `bad_json` when it is not JSON
 */
export function readIdValue(buffer: TranscodeBuffer, at: number, field: number): number {
  // Skipping writes over it.
  const head = Uint8Array.from(buffer.bytes.subarray(at, at + VALUE_BYTES_MAX));
  const { pauseAt } = buffer;
  buffer.pauseAt = at + VALUE_BYTES_MAX;
  const after = skipValue(buffer, at);
  buffer.pauseAt = pauseAt;
  const rest = after < 0 ? buffer.frames.pop() : undefined;
  const text = rest === undefined ? head.subarray(0, after - at) : head;
  const id = listedBytes(Buffer.from(text).toString(), FIELDS[field + TARGET] as number);
  if (id !== undefined) buffer.byteLists++;
  writeTag(buffer, field);
  const start = buffer.out + 1;
  buffer.bytes.set(id ?? ODD_ID_LEAD, start);
  buffer.out = start + (id ?? ODD_ID_LEAD).length;
  if (id === undefined) {
    buffer.bytes.set(text, buffer.out);
    buffer.out += text.length;
  }
  writeLength(buffer, start);
  return rest?.kind === 'skip' ? skipRest(buffer, buffer.pausedAt, rest.level) : after;
}

/** The bytes that a Buffer, a Uint8Array or a list of numbers holds; undefined when they are not so many. */
function listedBytes(text: string, size: number): Uint8Array | undefined {
  if (!/^[[{][\s\S]*[\]}]$/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const data = typeof value === 'object' && value !== null && 'data' in value ? value.data : value;
  const list: unknown[] = Object.values(data ?? {});
  const isBytes = (each: unknown): each is number => Number.isInteger(each) && Number(each) >= 0 && Number(each) < 256;
  return list.length === size && list.every(isBytes) ? Uint8Array.from(list) : undefined;
}
