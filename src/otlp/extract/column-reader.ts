/**
 * What the columns of a query are in stored records: numbers of names to group by, and a value to sum. Resource and scope
 * are looked at once for all their items, and of an item only the fields that a column asks for.
 */

import type { AggregateQuery, AttributeColumn, GroupColumn, SumColumn } from '../../model/aggregate.ts';
import type { FilterNumber } from '../../model/filter.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { type Bytes, bytesOf } from '../match/value-test.ts';
import { anyField } from '../match/walk-fields.ts';
import { signalOf } from '../views/otlp.ts';
import { FoundAttributes } from './attributes.ts';
import { type Extracted, ItemReader } from './item-reader.ts';
import { type Names, NO_NAME } from './names.ts';
import { nameOf, numberOf } from './values.ts';

/** From a LogsData, TracesData or MetricsData message down to its items; the same tags for all signals. */
const RESOURCES_TAG = 0x0a;
const CHILD_TAG = 0x12;
/** In the container of a resource, its Resource; in that of a scope, its InstrumentationScope. And what is in these. */
const INNER_TAG = 0x0a;
const RESOURCE_ATTRIBUTES = 0x0a;
const SCOPE_ATTRIBUTES = 0x1a;
const SCOPE_NAME = 0x0a;

/** What all items of a scope share: a name for each column of `by` that asks for it, and the value. */
interface SharedColumns {
  readonly names: Int32Array;
  readonly value: FilterNumber | undefined;
}

/** A row with the texts themselves. */
export interface TextRow extends Omit<Extracted, 'names'> {
  readonly texts: readonly (string | null)[];
}

export class ColumnReader {
  /** What `each` was called for. */
  readonly row: Extracted;
  readonly #query: AggregateQuery;
  readonly #names: Names;
  readonly #items: ReadonlyMap<Signal, ItemReader>;
  readonly #resource = new FoundAttributes();
  readonly #scope = new FoundAttributes();
  /** Of the last block: what its scopes share. */
  #block: Block | undefined;
  #source: Bytes | undefined;
  readonly #shared: (SharedColumns | undefined)[] = [];

  constructor(query: AggregateQuery, names: Names) {
    this.#query = query;
    this.#names = names;
    const width = query.by.length;
    this.row = { names: new Int32Array(width), value: undefined, span: undefined, spanHigh: 0, spanLow: 0 };
    this.#items = new Map(SIGNALS.map((signal) => [signal, new ItemReader(signal, query, names, this.row)]));
    for (const column of [...query.by.map((one) => one.column), ...(query.sum === undefined ? [] : [query.sum])]) {
      const found = containerColumn(column);
      if (found !== undefined) (found.field === 'resource' ? this.#resource : this.#scope).add(found.key);
    }
  }

  /**
   * Fills `row` for record i of a block and calls `each`: once, or for each data point of a metric where a column is about
   * these. Returns how many bytes were looked at.
   */
  read(block: Block, i: number, each: () => void): number {
    const { kind } = block.header;
    if (kind === 's2') return this.#readPlain(block, i, each);
    const { index, payload } = block.otlpParts();
    if (this.#block !== block) {
      this.#block = block;
      this.#source = bytesOf(payload);
      this.#shared.length = 0;
    }
    const scope = index.scopeOf[i] as number;
    let shared = this.#shared[scope];
    if (shared === undefined) {
      const heads = index.scopes[scope];
      const resourceHead = bytesOf(heads?.resourceHead ?? NOTHING);
      const head = bytesOf(heads?.head ?? NOTHING);
      shared = this.#sharedIn(resourceHead, [0, resourceHead.bytes.length], head, [0, head.bytes.length]);
      this.#shared[scope] = shared;
    }
    const at = index.itemAt[i] as number;
    const bytes = index.itemBytes[i] as number;
    this.#begin(shared);
    this.#items.get(kind)?.read(this.#source as Bytes, at, at + bytes, each);
    return bytes;
  }

  /** A record of an S2 block: OTLP data with a header that says so, or anything else. */
  #readPlain(block: Block, i: number, each: () => void): number {
    const signal = signalOf(block, i);
    const body = Buffer.allocUnsafe(signal === undefined ? 0 : block.bodyBytesOf(i));
    if (signal !== undefined) block.writeBody(i, body, 0);
    this.readMessage(signal, body, each);
    return 2 * block.bodyBytesOf(i);
  }

  /** The same as `read` for a message with one item. Of a record that is not OTLP no column is known. */
  readMessage(signal: Signal | undefined, message: Uint8Array, each: () => void): void {
    if (signal === undefined) {
      this.row.names.fill(NO_NAME);
      this.row.value = undefined;
      this.row.span = undefined;
      each();
      return;
    }
    const source = bytesOf(message);
    anyField(source, 0, message.length, RESOURCES_TAG, (_, start, end) =>
      anyField(source, start, end, CHILD_TAG, (_same, from, to) => {
        let shared: SharedColumns | undefined;
        return anyField(source, from, to, CHILD_TAG, (_item, at, itemEnd) => {
          shared ??= this.#sharedIn(source, [start, end], source, [from, to]);
          this.#begin(shared);
          this.#items.get(signal)?.read(source, at, itemEnd, each);
          return false;
        });
      }),
    );
  }

  /** A copy of `row` for another thread. */
  textRow(): TextRow {
    const { names, ...rest } = this.row;
    return { ...rest, texts: Array.from(names, (name) => this.#names.text(name)) };
  }

  /** Fills `row` with what another thread has found. */
  setRow({ texts, ...rest }: TextRow): void {
    Object.assign(this.row, rest);
    for (const [n, text] of texts.entries()) this.row.names[n] = text === null ? NO_NAME : this.#names.ofText(text);
  }

  #begin(shared: SharedColumns): void {
    const { names } = this.row;
    for (let n = 0; n < names.length; n++) names[n] = shared.names[n] as number;
    this.row.value = shared.value;
  }

  /** Of the containers of a resource and a scope: their fields, with or without what is in them. */
  #sharedIn(resources: Bytes, [start, end]: Range, scopes: Bytes, [from, to]: Range): SharedColumns {
    this.#resource.reset();
    this.#scope.reset();
    if (!this.#resource.isEmpty) {
      anyField(resources, start, end, INNER_TAG, (source, at, stop) => {
        this.#resource.seeAll(source, at, stop, RESOURCE_ATTRIBUTES);
        return false;
      });
    }
    if (!this.#scope.isEmpty) {
      anyField(scopes, from, to, INNER_TAG, (source, at, stop) => {
        this.#scope.seeAll(source, at, stop, SCOPE_ATTRIBUTES);
        return false;
      });
    }
    const names = this.#query.by.map(({ column }) => {
      if (column.field === 'scope' && !('key' in column)) return scopeName(scopes, from, to, this.#names);
      return this.#ofAttribute(column, resources, scopes, NO_NAME, (...at) => nameOf(...at, this.#names));
    });
    const { sum } = this.#query;
    const value = sum === undefined ? undefined : this.#ofAttribute(sum, resources, scopes, undefined, numberOf);
    return { names: Int32Array.from(names), value };
  }

  #ofAttribute<T>(
    column: GroupColumn | SumColumn,
    resources: Bytes,
    scopes: Bytes,
    none: T,
    read: (source: Bytes, start: number, end: number) => T,
  ): T {
    const found = containerColumn(column);
    if (found === undefined) return none;
    const isResource = found.field === 'resource';
    const attributes = isResource ? this.#resource : this.#scope;
    const number = attributes.add(found.key);
    const start = attributes.start(number);
    return start < 0 ? none : read(isResource ? resources : scopes, start, attributes.end(number));
  }
}

type Range = readonly [start: number, end: number];

const NOTHING = new Uint8Array(0);

/** The attribute of a resource or scope that a column is; undefined for one of the item. */
function containerColumn(column: GroupColumn | SumColumn): AttributeColumn | undefined {
  if (column.field === 'service') return { field: 'resource', key: 'service.name' };
  return 'key' in column && column.field !== 'attr' ? column : undefined;
}

function scopeName(source: Bytes, start: number, end: number, names: Names): number {
  let name = NO_NAME;
  anyField(source, start, end, INNER_TAG, (_, from, to) =>
    anyField(source, from, to, SCOPE_NAME, (_same, at, stop) => {
      name = at === stop ? NO_NAME : names.ofBytes(source.bytes, at, stop);
      return false;
    }),
  );
  return name;
}
