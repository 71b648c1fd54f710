/**
 * Tells resources of one request whose heads are the same bytes: what was found in one counts for the others. Exporters
 * write a resource once for many items, but collectors repeat it for each batch that they merge.
 */

import { cell, type ScannedRequest } from '../scan/columns.ts';

const SLOTS = 256;
/** Heads that begin with so many equal bytes share a slot. */
const HASHED_BYTES_MAX = 1_024;

/** By hash of a head: a row that had it, of any request. It is only a guess, which the bytes of this request confirm. */
const guesses = new Uint32Array(SLOTS);

/**
 * Notes in `resourceLike` which resource before number `row` has the same head, the first of them, where one is found.
 * Takes about as long as to read the head. To be called in the order of rows.
 */
export function noteSameHead(scanned: ScannedRequest, row: number): void {
  if (row > 0 && isSame(scanned, row - 1, row)) {
    scanned.resourceLike[row] = cell(scanned.resourceLike, row - 1);
    return;
  }
  const slot = slotOf(scanned, row);
  const guess = guesses[slot] as number;
  if (guess < row && isSame(scanned, guess, row)) scanned.resourceLike[row] = cell(scanned.resourceLike, guess);
  else guesses[slot] = row;
}

/** Heads in several pieces, which hardly any encoder writes, are like no other. */
function isSame({ view, resourcePieces: pieces, resourcePiecesFrom: from }: ScannedRequest, a: number, b: number) {
  const [atA, atB] = [cell(from, a), cell(from, b)];
  if (cell(from, a + 1) !== atA + 2 || cell(from, b + 1) !== atB + 2) return false;
  const start = cell(pieces, atB);
  const end = cell(pieces, atB + 1);
  const shift = cell(pieces, atA) - start;
  if (cell(pieces, atA + 1) - end !== shift) return false;
  let at = start;
  for (; at + 4 <= end; at += 4) if (view.getInt32(at, true) !== view.getInt32(at + shift, true)) return false;
  for (; at < end; at++) if (view.getUint8(at) !== view.getUint8(at + shift)) return false;
  return true;
}

/** A sender who makes heads collide only makes us look at each of them. */
function slotOf({ view, resourcePieces: pieces, resourcePiecesFrom: from }: ScannedRequest, row: number): number {
  const piece = cell(from, row);
  if (cell(from, row + 1) === piece) return 0;
  const start = cell(pieces, piece);
  const end = Math.min(cell(pieces, piece + 1), start + HASHED_BYTES_MAX);
  let hash = end - start;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SLOTS - 1);
}
