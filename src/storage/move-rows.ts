/**
 * Rows of basins that move from one partition of a cluster to another: what the one that loses a basin notes, what the one
 * that gets it notes, and the head that goes before its rows on their way. Encoded as in `values.ts`.
 */

import type { Entry, Write } from './engine.ts';
import { isPending, pendingKey, readPendingKey } from './keys.ts';
import { damaged, decodePending, encode, FieldReader } from './values.ts';

const ID_BYTES = 16;

/** A basin that is sealed, since it goes to another partition. */
export interface MoveOutRow {
  /** Name of the basin. */
  readonly name: string;
  /** Of the move: 32 hexadecimal digits. */
  readonly id: string;
  /** The partition that gets it. */
  readonly to: number;
}

/** How far rows were taken: some; all of the first pass; all of the last pass. */
export const MOVE_STAGES = ['begun', 'copied', 'ready'] as const;
export type MoveStage = (typeof MOVE_STAGES)[number];

/** A basin whose rows come from another partition. */
export interface MoveInRow {
  readonly name: string;
  readonly id: string;
  /** The partition that loses it. */
  readonly from: number;
  readonly stage: MoveStage;
  /** The row that the basin gets, once all others are there. */
  readonly basin: Uint8Array | undefined;
}

/** What a pass has: what was there before the seal; what it lacks of a sealed basin; all of a sealed basin. */
export const MOVE_PASSES = ['first', 'rest', 'whole'] as const;

/** What comes before the rows of a pass. */
export interface MoveHead {
  /** Of the basin. */
  readonly number: number;
  readonly name: string;
  readonly pass: (typeof MOVE_PASSES)[number];
  /** Of the move by which it is sealed. */
  readonly id: string | undefined;
  /** The basin's row. */
  readonly basin: Uint8Array;
}

export function moveOutRow(number: number, { name, id, to }: MoveOutRow): Write {
  return { type: 'put', key: pendingKey('moveOut', number), value: encode([name, idBytes(id), to]) };
}

/** @throws TailraceError `corrupt`, as all readers here */
export function decodeMoveOut(value: Uint8Array): MoveOutRow {
  const fields = new FieldReader(value, 'move');
  return { name: fields.text(), id: idIn(fields.added(1)), to: fields.count() };
}

export function moveInRow(number: number, { name, id, from, stage, basin }: MoveInRow): Write {
  const fields = [name, idBytes(id), from, MOVE_STAGES.indexOf(stage), basin ?? null];
  return { type: 'put', key: pendingKey('moveIn', number), value: encode(fields) };
}

export function decodeMoveIn(value: Uint8Array): MoveInRow {
  const fields = new FieldReader(value, 'move');
  const [name, id, from] = [fields.text(), idIn(fields.added(1)), fields.count()];
  const stage = MOVE_STAGES[fields.count()];
  const basin = fields.added(1);
  if (stage === undefined || (stage === 'ready') !== (basin !== null)) throw damaged('move');
  return { name, id, from, stage, basin: basin === null ? undefined : bytesIn(basin) };
}

/** The name in a row of pending work: of the stream, or of the basin, that it is about. Checks all of the row. */
export function readPendingWork({ key, value }: Entry): { readonly number: number; readonly name: string } {
  const number = readPendingKey(key);
  const read = isPending(key, 'moveOut') ? decodeMoveOut : isPending(key, 'moveIn') ? decodeMoveIn : decodePending;
  return { number, name: read(value).name };
}

/** It has the key of the row that notes the move where the rows come to. */
export function moveHeadRow({ number, name, pass, id, basin }: MoveHead): Entry {
  const fields = [name, MOVE_PASSES.indexOf(pass), id === undefined ? null : idBytes(id), basin];
  return { key: pendingKey('moveIn', number), value: encode(fields) };
}

export function readMoveHead({ key, value }: Entry): MoveHead {
  const number = readPendingKey(key);
  const fields = new FieldReader(value, 'head of a move');
  const name = fields.text();
  const pass = MOVE_PASSES[fields.count()];
  const id = fields.added(1);
  if (!isPending(key, 'moveIn') || pass === undefined) throw damaged('head of a move');
  return { number, name, pass, id: id === null ? undefined : idIn(id), basin: bytesIn(fields.added(1)) };
}

function idBytes(id: string): Uint8Array {
  return Buffer.from(id, 'hex');
}

function idIn(field: unknown): string {
  const id = bytesIn(field);
  if (id.length !== ID_BYTES) throw damaged('move');
  return Buffer.from(id).toString('hex');
}

function bytesIn(field: unknown): Uint8Array {
  if (!(field instanceof Uint8Array)) throw damaged('move');
  return Uint8Array.from(field);
}
