/**
 * The walk over a request: a state machine that validates every field at every depth and tells the columns where
 * resources, scopes and items begin and end. Strings that are not UTF-8 are repaired where they are. Every standard protobuf decoder decodes what passes here. It can pause and
 * go on later, so that a large body does not block other requests, and it does not recurse.
 */

import { isUtf8At } from '../../encoding/utf8.ts';
import type { TailraceError } from '../../model/error.ts';
import { NESTING_MAX } from '../../model/limits.ts';
import { COMMON_REJECTIONS } from '../common-rejections.ts';
import { MARK_TAG } from '../json/spoiled.ts';
import type { Rejection } from '../rejections.ts';
import type { ScannedRequest } from './columns.ts';
import type { ItemParts } from './item-parts.ts';
import { isPlainAttribute, isPlainValue } from './plain-attribute.ts';
import * as tables from './tables.ts';
import { fault, NEXT, readLength, readTag, skipPlainValue, skipVarint, tooDeep, wrongWireType } from './wire.ts';

// V8 loads an imported constant at each use, but folds one of the module itself into the code: this is 1.5 times as
// fast.
const { ACTION_BITS, ACTION_MASK, ACTIONS, TAGS } = tables;
const { UNKNOWN, WRONG, VARINT, FIXED64, FIXED32, TIME, BYTES, ID, STRING, PACKED_VARINT, PACKED_FIXED64 } =
  tables.ACTION;
const { ATTRIBUTE, VALUE, POINT, ITEM, GROUP } = tables.ACTION;
const GROUP_ENTRY = (tables.NO_TYPE << ACTION_BITS) | GROUP;
const ID_BYTES_MASK = (1 << tables.ID_BYTES_BITS) - 1;
const ID_SLOT_SHIFT = ACTION_BITS + tables.ID_BYTES_BITS;
/** The request itself is level 1. */
const DEPTH_MAX = NESTING_MAX + 1;
/** At this depth an attribute and its value still fit. */
const PLAIN_DEPTH_MAX = DEPTH_MAX - 2;
/** Where items and scopes are. */
const ITEM_LEVEL = 4;
const SCOPE_LEVEL = 3;

/** The state of a walk. Level 1 is the request; a level has its end, and the table entry that opened it. */
export class WalkState {
  at = 0;
  depth = 1;
  readonly ends = new Int32Array(DEPTH_MAX + 1);
  readonly entries = new Int32Array(DEPTH_MAX + 1);
  /** For levels that are groups: the tag that opened them. */
  readonly groupTags = new Float64Array(DEPTH_MAX + 1);

  begin(type: number, end: number): void {
    this.at = 0;
    this.depth = 1;
    this.ends[1] = end;
    this.entries[1] = type << ACTION_BITS;
  }
}

/**
 * Continues a walk until `pauseAt` or a little further. Returns true at the end of the body.
 * @throws TailraceError `bad_proto`, and what the columns throw.
 */
export function walk(state: WalkState, columns: ScannedRequest, pauseAt: number): boolean {
  const { view, timeAt, stringBytesMax } = columns;
  const partAt = columns.parts.at;
  const { ends, entries } = state;
  let { at, depth } = state;
  let end = ends[depth] as number;
  let level = entries[depth] as number;
  let base = (level >> ACTION_BITS) * TAGS;
  let limit = Math.min(end, pauseAt);
  for (;;) {
    if (at >= limit) {
      if (at < end || depth === 1) return paused(state, at, depth);
      if (at > end || (level & ACTION_MASK) >= POINT) closeLevel(columns, level, at, end);
      depth--;
      end = ends[depth] as number;
      level = entries[depth] as number;
      base = (level >> ACTION_BITS) * TAGS;
      limit = Math.min(end, pauseAt);
      continue;
    }
    const start = at;
    let tag = view.getUint8(at++);
    if (tag > 0x7f) {
      tag = readTag(view, start, end);
      at = NEXT[0] as number;
    }
    const entry = tag < TAGS ? (ACTIONS[base + tag] as number) : UNKNOWN;
    const action = entry & ACTION_MASK;
    if (action >= BYTES) {
      if (at >= end) throw fault(at, 'a length is missing');
      let length = view.getUint8(at++);
      if (length > 0x7f) {
        length = readLength(view, at - 1, end);
        at = NEXT[0] as number;
      }
      const stop = at + length;
      if (stop > end) throw fault(start, 'a field is longer than the message that holds it');
      if (action === STRING) {
        // A longer one fits into no record, so what holds it is rejected.
        if (length <= stringBytesMax && !isUtf8At(view, at, stop)) columns.repairString(at, stop);
        if (entry !== STRING) notePart(partAt, entry >> ACTION_BITS, at, stop);
      } else if (action >= ATTRIBUTE) {
        const isPlain = action === ATTRIBUTE ? isPlainAttribute : isPlainValue;
        if (depth === DEPTH_MAX) noteBad(state, columns, depth, COMMON_REJECTIONS.tooDeep);
        else if (action > VALUE || depth >= PLAIN_DEPTH_MAX || !isPlain(view, at, stop)) {
          if (action >= POINT) columns.open(action, start, at, stop);
          depth++;
          ends[depth] = stop;
          entries[depth] = entry;
          end = stop;
          level = entry;
          base = (level >> ACTION_BITS) * TAGS;
          limit = Math.min(end, pauseAt);
          continue;
        }
      } else if (action === ID) {
        const size = (entry >> ACTION_BITS) & ID_BYTES_MASK;
        if (length !== size && length !== 0) columns.noteOddId();
        partAt[entry >> ID_SLOT_SHIFT] = length === size ? at : 0;
      } else if (action !== BYTES) checkPacked(view, at, stop, action);
      at = stop;
    } else if (action === TIME) {
      timeAt[entry >> ACTION_BITS] = at;
      at += 8;
    } else if (action === VARINT) {
      if (entry !== VARINT) partAt[entry >> ACTION_BITS] = at;
      if (at < end && view.getUint8(at) < 0x80) at++;
      else at = skipVarint(view, at, end);
    } else if (action === FIXED64) at += 8;
    else if (action === FIXED32) at += 4;
    else if (action === WRONG) throw wrongWireType(level >> ACTION_BITS, tag, start);
    else if ((tag & 7) === 3 || (tag & 7) === 4) {
      columns.noteGroup();
      const isTooDeep = depth === DEPTH_MAX && (tag & 7) === 3;
      depth = isTooDeep ? leaveGroups(state, columns, at) : walkGroup(state, tag, at, end, depth);
      end = ends[depth] as number;
      if (isTooDeep) at = end;
      level = entries[depth] as number;
      base = (level >> ACTION_BITS) * TAGS;
      limit = Math.min(end, pauseAt);
    } else {
      if (tag === MARK_TAG && columns.faults.length > 0) noteMark(state, columns, depth, at);
      at = skipPlainValue(view, at, end, tag);
    }
  }
}

function notePart(partAt: ItemParts['at'], slot: number, start: number, end: number): void {
  partAt[slot] = start;
  partAt[slot + 1] = end;
}

/** Records where to go on; returns true at the end of the body. */
function paused(state: WalkState, at: number, depth: number): boolean {
  state.at = at;
  state.depth = depth;
  const end = state.ends[depth] as number;
  if (at > end) throw numberCutOff(end);
  return at === end;
}

function closeLevel(columns: ScannedRequest, entry: number, at: number, end: number): void {
  if (at > end) throw numberCutOff(end);
  const action = entry & ACTION_MASK;
  if (action < POINT) return;
  if (action === GROUP) throw fault(end, 'a group is cut off');
  columns.close(action, end);
}

function numberCutOff(end: number): TailraceError {
  return fault(end, 'a number is cut off');
}

/** Takes a tag that starts or ends a group; returns the depth after it. All fields in a group are unknown ones. */
function walkGroup(
  { ends, entries, groupTags }: WalkState,
  tag: number,
  at: number,
  end: number,
  depth: number,
): number {
  if (tag < 8) throw fault(at, 'field number 0 does not exist');
  if ((tag & 7) === 4) {
    if (entries[depth] === GROUP_ENTRY && groupTags[depth] === tag - 1) return depth - 1;
    throw fault(at, 'a group ends that did not start');
  }
  ends[depth + 1] = end;
  entries[depth + 1] = GROUP_ENTRY;
  groupTags[depth + 1] = tag;
  return depth + 1;
}

/**
 * A message at that depth cannot be stored, and so not the item that it is in, or all items of that scope or resource. One
 * that is nested too deep is not looked into.
 */
function noteBad({ entries }: WalkState, columns: ScannedRequest, depth: number, why: Rejection): void {
  const actionAt = (level: number): number => (depth < level ? 0 : (entries[level] as number) & ACTION_MASK);
  columns.noteBad(actionAt(ITEM_LEVEL) === ITEM ? ITEM : actionAt(SCOPE_LEVEL), why);
}

/** The number of a fault is at `at`; a fault has few. */
function noteMark(state: WalkState, columns: ScannedRequest, depth: number, at: number): void {
  const low = columns.view.getUint8(at);
  const number = low < 0x80 ? low : (low & 0x7f) | (columns.view.getUint8(at + 1) << 7);
  const why = columns.faults[number - 1];
  if (why !== undefined) noteBad(state, columns, depth, why);
}

/**
 * The same for a group, whose end is not known: goes on behind the message that holds it. Returns the level of that
 * message.
 * @throws TailraceError `bad_proto` when that would pass over items
 */
function leaveGroups(state: WalkState, columns: ScannedRequest, at: number): number {
  let depth = DEPTH_MAX;
  while (state.entries[depth] === GROUP_ENTRY) depth--;
  const action = (state.entries[depth] as number) & ACTION_MASK;
  if (depth === 1 || action > ITEM) throw tooDeep(at);
  noteBad(state, columns, DEPTH_MAX, COMMON_REJECTIONS.tooDeep);
  return depth;
}

function checkPacked(view: DataView, at: number, stop: number, action: number): void {
  if (action === PACKED_VARINT) checkVarints(view, at, stop);
  else if ((stop - at) % (action === PACKED_FIXED64 ? 8 : 4) !== 0) throw fault(at, 'packed numbers are cut off');
}

function checkVarints(view: DataView, at: number, stop: number): void {
  let first = at;
  for (let next = at; next < stop; next++) {
    const byte = view.getUint8(next);
    if (byte >= 0x80) continue;
    const before = next - first;
    if (before >= 9 && (before > 9 || byte > 1)) throw fault(next, 'a number is longer than 64 bits');
    first = next + 1;
  }
  if (first !== stop) throw numberCutOff(stop);
}
