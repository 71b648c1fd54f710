/** Stream names in requests. The same few come again and again, so each is decoded and checked once and kept. */

import { streamNameFault } from '../../model/names.ts';
import { utf8Text } from './attributes.ts';

/** A name, and what is wrong with it, if anything is. */
export interface KnownName {
  readonly name: string;
  readonly fault: string | undefined;
}

const SLOTS = 1_024;
/** Longer names are rare; they are decoded each time. */
const KNOWN_BYTES_MAX = 128;

const known: (KnownName | undefined)[] = Array.from({ length: SLOTS });

/** The name whose valid UTF-8 is [start, end). */
export function nameAt(view: DataView, start: number, end: number): KnownName {
  if (end - start > KNOWN_BYTES_MAX) return named(utf8Text(view, start, end));
  const slot = slotOf(view, start, end);
  const found = known[slot];
  if (found !== undefined && isSameAscii(view, start, end, found.name)) return found;
  const fresh = named(utf8Text(view, start, end));
  known[slot] = fresh;
  return fresh;
}

function named(name: string): KnownName {
  return { name, fault: streamNameFault(name) };
}

/** FNV-1a. A sender who makes names collide only makes us decode them each time. */
function slotOf(view: DataView, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SLOTS - 1);
}

/** False for text that is not ASCII: there bytes and characters differ. */
function isSameAscii(view: DataView, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) {
    const byte = view.getUint8(start + i);
    if (byte > 0x7f || byte !== text.charCodeAt(i)) return false;
  }
  return true;
}
