/**
 * The index of an OTLP block, and what is built from it: self-contained bodies, and messages for runs of records.
 *
 * The payload is a LogsData, TracesData or MetricsData message as it was received. All three have one shape: field 1
 * contains resources, field 2 of a resource its scopes, field 2 of a scope its items. All other fields are the head of
 * their container. The index is a sequence of varints; the low two bits of each give its meaning:
 *
 * ```
 *  4n + 3   a resource begins; its head has n segments, each: zigzag(start - cursor), length
 *  4n + 2   a scope of it begins; its head has n segments, written alike
 *  4n       an item of it: length = length of the item before + unzigzag(n); it begins right after the cursor
 *           with a tag of one byte and a shortest length
 *  4n + 1   an item at another offset: then follows zigzag(start - cursor)
 * ```
 *
 * The cursor is the end of the last segment or item. It starts at 0, and so does the length before the first item.
 */

import { varintBytes, writeVarint } from '../../encoding/varint.ts';
import { corrupt, unzigzag, VarintReader, zigzag } from './format.ts';

const ITEM = 0;
const ITEM_ELSEWHERE = 1;
const SCOPE = 2;
const RESOURCE = 3;

export const RESOURCE_TAG = 0x0a;
export const CHILD_TAG = 0x12;
const NOTHING = new Uint8Array(0);
/** Two varints of a number below 2^40 each. */
const STEP_BYTES_MAX = 16;

/**
 * Collects the index of an OTLP block while the request is scanned. All offsets are relative to the payload. Reusable:
 * call `reset` between blocks. Order of calls: a resource, then its first scope, then the items of that scope, and so
 * on.
 */
export class OtlpLayout {
  #bytes: Uint8Array = new Uint8Array(4_096);
  #at = 0;
  #cursor = 0;
  #length = 0;

  /** Forgets everything. */
  reset(): void {
    this.#at = 0;
    this.#cursor = 0;
    this.#length = 0;
  }

  /**
   * Begins a resource. Its head is all its fields except its scopes, tags included, in wire order: `count` pairs
   * `[start, end, start, end …]`. Neighbouring fields may share a pair; zero pairs are an empty head.
   */
  resource(segments: ArrayLike<number>, count: number): void {
    this.#head(RESOURCE, segments, count);
  }

  /** Begins a scope of the last resource. Its head is all its fields except its items. */
  scope(segments: ArrayLike<number>, count: number): void {
    this.#head(SCOPE, segments, count);
  }

  /** An item of the last scope: the offset and length of its message, without tag and length. */
  item(offset: number, length: number): void {
    this.#ensure(STEP_BYTES_MAX);
    const change = zigzag(length - this.#length) * 4;
    const gap = offset - this.#cursor;
    if (gap === 1 + varintBytes(length)) {
      this.#at = writeVarint(this.#bytes, this.#at, change + ITEM);
    } else {
      this.#at = writeVarint(this.#bytes, this.#at, change + ITEM_ELSEWHERE);
      this.#at = writeVarint(this.#bytes, this.#at, zigzag(gap));
    }
    this.#length = length;
    this.#cursor = offset + length;
  }

  /** Returns a copy of the index. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #head(what: number, segments: ArrayLike<number>, count: number): void {
    this.#ensure((count + 1) * STEP_BYTES_MAX);
    this.#at = writeVarint(this.#bytes, this.#at, count * 4 + what);
    for (let i = 0; i < 2 * count; i += 2) {
      const start = segments[i] ?? 0;
      const end = segments[i + 1] ?? 0;
      this.#at = writeVarint(this.#bytes, this.#at, zigzag(start - this.#cursor));
      this.#at = writeVarint(this.#bytes, this.#at, end - start);
      this.#cursor = end;
    }
  }

  #ensure(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

/** The heads of one scope of a block, which its records need. */
export interface ScopeHeads {
  readonly head: Uint8Array;
  /** Number of its resource within the block. */
  readonly resource: number;
  readonly resourceHead: Uint8Array;
}

/** The index of an OTLP block, unpacked. */
export interface OtlpIndex {
  readonly itemAt: Uint32Array;
  readonly itemBytes: Uint32Array;
  readonly scopeOf: Uint32Array;
  readonly scopes: readonly ScopeHeads[];
}

/**
 * Unpacks an index and checks that everything it points at is inside the payload.
 * @throws TailraceError `corrupt`
 */
export function readOtlpIndex(bytes: Uint8Array, start: number, payload: Uint8Array, count: number): OtlpIndex {
  const itemAt = new Uint32Array(count);
  const itemBytes = new Uint32Array(count);
  const scopeOf = new Uint32Array(count);
  const scopes: ScopeHeads[] = [];
  const reader = new VarintReader(bytes, start, bytes.length);
  const heads = new HeadReader(reader, payload);
  let resourceHead: Uint8Array = NOTHING;
  let resource = -1;
  let items = 0;
  let length = 0;
  while (!reader.done) {
    const step = reader.next();
    const what = step % 4;
    const value = Math.floor(step / 4);
    if (what === RESOURCE) {
      resourceHead = heads.next(value);
      resource += 1;
      continue;
    }
    if (what === SCOPE) {
      scopes.push({ head: heads.next(value), resource, resourceHead });
      continue;
    }
    length += unzigzag(value);
    const at = heads.cursor + (what === ITEM ? 1 + varintBytes(length) : unzigzag(reader.next()));
    if (length < 0 || at < 0 || at + length > payload.length) throw corrupt('a record lies outside its payload');
    if (items === count || scopes.length === 0) throw corrupt('its index does not match its record count');
    itemAt[items] = at;
    itemBytes[items] = length;
    scopeOf[items] = scopes.length - 1;
    items += 1;
    heads.cursor = at + length;
  }
  if (items !== count) throw corrupt('its index does not match its record count');
  return { itemAt, itemBytes, scopeOf, scopes };
}

/** Bytes of the self-contained body of record i. */
export function otlpBodyBytes(index: OtlpIndex, i: number): number {
  const scope = scopeAt(index, i);
  const scopeBytes = scope.head.length + fieldBytes(index.itemBytes[i] ?? 0);
  return fieldBytes(scope.resourceHead.length + fieldBytes(scopeBytes));
}

/** Writes the self-contained body of record i at `at`. Returns where it ends. */
export function writeOtlpBody(
  index: OtlpIndex,
  payload: Uint8Array,
  i: number,
  target: Uint8Array,
  at: number,
): number {
  const scope = scopeAt(index, i);
  const scopeBytes = scope.head.length + fieldBytes(index.itemBytes[i] ?? 0);
  let end = writeField(target, at, RESOURCE_TAG, scope.resourceHead.length + fieldBytes(scopeBytes));
  end = copy(scope.resourceHead, 0, scope.resourceHead.length, target, end);
  end = writeField(target, end, CHILD_TAG, scopeBytes);
  end = copy(scope.head, 0, scope.head.length, target, end);
  return writeItem(index, payload, i, target, end);
}

/** One message with the records [from, to), each resource and scope once for every run of its records. */
export function otlpMessage(index: OtlpIndex, payload: Uint8Array, from: number, to: number): Uint8Array {
  const plan = planContainers(index, from, to);
  let bytes = 0;
  for (const run of plan) if (run.resourceBytes >= 0) bytes += fieldBytes(run.resourceBytes);
  const target = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const run of plan) {
    const scope = scopeAt(index, run.from);
    if (run.resourceBytes >= 0) {
      at = writeField(target, at, RESOURCE_TAG, run.resourceBytes);
      at = copy(scope.resourceHead, 0, scope.resourceHead.length, target, at);
    }
    at = writeField(target, at, CHILD_TAG, run.scopeBytes);
    at = copy(scope.head, 0, scope.head.length, target, at);
    at = writeItems(index, payload, run, target, at);
  }
  return target;
}

/** Records [from, to) of one scope; `resourceBytes` is set on the first run of each resource, -1 on the others. */
interface ScopeRun {
  readonly from: number;
  readonly to: number;
  readonly scopeBytes: number;
  resourceBytes: number;
}

function planContainers(index: OtlpIndex, from: number, to: number): readonly ScopeRun[] {
  const runs: ScopeRun[] = [];
  let opened: ScopeRun | undefined;
  let resource = -1;
  for (let first = from; first < to; ) {
    const scope = scopeAt(index, first);
    let scopeBytes = scope.head.length;
    let next = first;
    while (next < to && index.scopeOf[next] === index.scopeOf[first]) {
      scopeBytes += fieldBytes(index.itemBytes[next] ?? 0);
      next += 1;
    }
    const run: ScopeRun = { from: first, to: next, scopeBytes, resourceBytes: -1 };
    if (opened === undefined || scope.resource !== resource) {
      run.resourceBytes = scope.resourceHead.length;
      opened = run;
      resource = scope.resource;
    }
    opened.resourceBytes += fieldBytes(scopeBytes);
    runs.push(run);
    first = next;
  }
  return runs;
}

/** Items that follow each other in the payload with the shortest framing are copied at once. */
function writeItems(index: OtlpIndex, payload: Uint8Array, run: ScopeRun, target: Uint8Array, start: number): number {
  let at = start;
  for (let first = run.from; first < run.to; ) {
    let next = first + 1;
    while (next < run.to && followsDirectly(index, next)) next += 1;
    at = writeItem(index, payload, first, target, at);
    const tail = (index.itemAt[first] ?? 0) + (index.itemBytes[first] ?? 0);
    const end = (index.itemAt[next - 1] ?? 0) + (index.itemBytes[next - 1] ?? 0);
    at = copy(payload, tail, end, target, at);
    first = next;
  }
  return at;
}

/** Whether only the tag and the shortest length of item i are between it and the item before. */
function followsDirectly(index: OtlpIndex, i: number): boolean {
  const before = (index.itemAt[i - 1] ?? 0) + (index.itemBytes[i - 1] ?? 0);
  return index.itemAt[i] === before + 1 + varintBytes(index.itemBytes[i] ?? 0);
}

function writeItem(index: OtlpIndex, payload: Uint8Array, i: number, target: Uint8Array, at: number): number {
  const start = index.itemAt[i] ?? 0;
  const length = index.itemBytes[i] ?? 0;
  return copy(payload, start, start + length, target, writeField(target, at, CHILD_TAG, length));
}

/** The scope of record i. */
export function scopeAt(index: OtlpIndex, i: number): ScopeHeads {
  const scope = index.scopes[index.scopeOf[i] ?? 0];
  if (scope === undefined) throw new RangeError(`the block has no record ${i}`);
  return scope;
}

/** The message of record i, a view of the payload: a Uint8Array, which takes half the time of a Buffer. */
export function itemOf(index: OtlpIndex, payload: Uint8Array, i: number): Uint8Array {
  return new Uint8Array(payload.buffer, payload.byteOffset + (index.itemAt[i] ?? 0), index.itemBytes[i] ?? 0);
}

/** Bytes of a length-delimited field with a tag of one byte. */
export function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

/** Writes tag and length of such a field. Returns where its content begins. */
export function writeField(target: Uint8Array, at: number, tag: number, length: number): number {
  target[at] = tag;
  return writeVarint(target, at + 1, length);
}

function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  const bytes = end - start;
  if (bytes > 32) {
    target.set(start === 0 && end === source.length ? source : source.subarray(start, end), at);
  } else {
    // A view costs more than copying so few bytes.
    for (let i = 0; i < bytes; i++) target[at + i] = source[start + i] ?? 0;
  }
  return at + bytes;
}

/** Reads heads. Their segments are joined once here, so that building a body copies at most three slices. */
class HeadReader {
  cursor = 0;
  readonly #reader: VarintReader;
  readonly #payload: Uint8Array;

  constructor(reader: VarintReader, payload: Uint8Array) {
    this.#reader = reader;
    this.#payload = payload;
  }

  next(segments: number): Uint8Array {
    if (segments === 0) return NOTHING;
    if (segments === 1) return this.#segment();
    const parts: Uint8Array[] = [];
    for (let i = 0; i < segments; i++) parts.push(this.#segment());
    return Buffer.concat(parts);
  }

  #segment(): Uint8Array {
    const start = this.cursor + unzigzag(this.#reader.next());
    const end = start + this.#reader.next();
    if (start < 0 || end > this.#payload.length) throw corrupt('a head lies outside its payload');
    this.cursor = end;
    return this.#payload.subarray(start, end);
  }
}
