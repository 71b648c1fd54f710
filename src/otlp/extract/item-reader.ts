/** What the columns of a query are in one OTLP item of one signal, and in each data point of a metric. */

import type { AggregateQuery, GroupColumn, SumColumn } from '../../model/aggregate.ts';
import type { FilterNumber } from '../../model/filter.ts';
import type { Signal } from '../../model/record.ts';
import { ITEM_LAYOUTS, type PartLayout } from '../match/item-layout.ts';
import type { Bytes } from '../match/value-test.ts';
import { anyAlong, type FieldTest } from '../match/walk-fields.ts';
import { FoundAttributes } from './attributes.ts';
import { FoundFields } from './fields.ts';
import { groupReader, type ReadName, type ReadNumber, sumReader } from './item-columns.ts';
import type { Names } from './names.ts';
import { smallest } from './values.ts';

/** Of a NumberDataPoint: as_double, as_int, and flags. */
const AS_DOUBLE = 0x21;
const AS_INT = 0x31;
const FLAGS = 0x40;
const NO_RECORDED_VALUE = 1;
/** The paths of the data points of gauges and sums, whose values are numbers. */
const GAUGE = 0x2a;
const SUM = 0x3a;
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/** One record, or one data point of a metric, as a query sees it. */
export interface Extracted {
  /** The number of the name of each column of `by`. */
  readonly names: Int32Array;
  value: FilterNumber | undefined;
  /** A span that is open or closed, and has an id; 64 bits of it. */
  span: 'open' | 'closed' | undefined;
  spanHigh: number;
  spanLow: number;
}

export class ItemReader {
  readonly #row: Extracted;
  readonly #fields: FoundFields;
  /** Those of containers and of data points are not among them. */
  readonly #groups: GroupReaders;
  readonly #sum: ReadNumber | undefined;
  readonly #points: PointsReader | undefined;
  readonly #span: SpanFields | undefined;

  /** Fills `row`. */
  constructor(signal: Signal, { by, sum }: AggregateQuery, names: Names, row: Extracted) {
    const layout = ITEM_LAYOUTS[signal];
    const attributes = new FoundAttributes();
    const fields = new FoundFields(layout.attributes, attributes);
    const columns = by.map(({ column }) => groupReader(column, signal, { fields, attributes }, names));
    const readSum = sum === undefined ? undefined : sumReader(sum, signal, { fields, attributes });
    const isOfPoint = (column: GroupColumn | SumColumn | undefined): boolean =>
      signal === 'metrics' && (column?.field === 'attr' || column?.field === 'value');
    const readers = (ofPoints: boolean): GroupReaders =>
      columns.flatMap((read, at) =>
        read !== undefined && isOfPoint(by[at]?.column) === ofPoints ? [{ at, read }] : [],
      );
    this.#row = row;
    this.#fields = fields;
    this.#groups = readers(false);
    this.#sum = isOfPoint(sum) ? undefined : readSum;
    this.#span = signal === 'traces' ? spanFields(fields) : undefined;
    const groups = readers(true);
    if (groups.length === 0 && !isOfPoint(sum)) return;
    const read = sum?.field === 'attr' ? readSum : undefined;
    this.#points = new PointsReader(layout.parts, attributes, groups, { isValue: sum?.field === 'value', read });
  }

  /** Fills the row from the item and calls `each`. What the container gives is in the row already. */
  read(source: Bytes, start: number, end: number, each: () => void): void {
    const row = this.#row;
    this.#fields.walk(source, start, end);
    readNames(row, this.#groups, source);
    if (this.#sum !== undefined) row.value = this.#sum(source);
    row.span = undefined;
    if (this.#span !== undefined) readSpan(row, this.#fields, this.#span, source);
    if (this.#points?.read(row, source, start, end, each) !== true) each();
  }
}

/** Columns with their place in `by`. */
type GroupReaders = readonly { readonly at: number; readonly read: ReadName }[];

function readNames({ names }: Extracted, groups: GroupReaders, source: Bytes): void {
  for (let g = 0; g < groups.length; g++) {
    const group = groups[g] as GroupReaders[number];
    names[group.at] = group.read(source);
  }
}

interface PointSum {
  readonly isValue: boolean;
  readonly read: ReadNumber | undefined;
}

/** Goes over the data points of a metric. */
class PointsReader {
  readonly #parts: readonly { readonly path: readonly number[]; readonly fields: FoundFields }[];
  readonly #groups: GroupReaders;
  readonly #sum: PointSum;

  constructor(parts: readonly PartLayout[], attributes: FoundAttributes, groups: GroupReaders, sum: PointSum) {
    this.#groups = groups;
    this.#sum = sum;
    this.#parts = parts
      .filter(({ isItem }) => isItem)
      .map((part) => {
        const fields = new FoundFields(part.attributes, attributes);
        for (const tag of [AS_DOUBLE, AS_INT, FLAGS]) fields.add(tag);
        return { path: part.path, fields };
      });
  }

  /** Returns whether there are any. */
  read(row: Extracted, source: Bytes, start: number, end: number, each: () => void): boolean {
    let isAny = false;
    const shared = row.value;
    for (const { path, fields } of this.#parts) {
      const isNumber = path[0] === GAUGE || path[0] === SUM;
      const visit: FieldTest = (_, from, to) => {
        isAny = true;
        fields.walk(source, from, to);
        readNames(row, this.#groups, source);
        if (this.#sum.read !== undefined) row.value = this.#sum.read(source);
        else row.value = this.#sum.isValue ? (isNumber ? pointValue(fields, source) : undefined) : shared;
        each();
        return false;
      };
      anyAlong(source, start, end, path, visit);
    }
    return isAny;
  }
}

/** The last one of both counts; a point may say that it has no value. */
function pointValue(fields: FoundFields, { view }: Bytes): FilterNumber | undefined {
  const [double, int, flags] = [fields.add(AS_DOUBLE), fields.add(AS_INT), fields.add(FLAGS)];
  if (fields.start(flags) >= 0 && (view.getUint8(fields.start(flags)) & NO_RECORDED_VALUE) !== 0) return undefined;
  if (fields.start(int) > fields.start(double)) return smallest(view.getBigInt64(fields.start(int), true));
  return fields.start(double) < 0 ? undefined : view.getFloat64(fields.start(double), true);
}

interface SpanFields {
  readonly end: number;
  readonly traceId: number;
  readonly spanId: number;
}

function spanFields(fields: FoundFields): SpanFields {
  const layout = ITEM_LAYOUTS.traces;
  return { end: fields.add(layout.end), traceId: fields.add(layout.traceId), spanId: fields.add(layout.spanId) };
}

/** A span without an end is open. One whose ids have a wrong length is neither open nor closed. */
function readSpan(row: Extracted, fields: FoundFields, { end, traceId, spanId }: SpanFields, { view }: Bytes): void {
  const [trace, span, ended] = [fields.start(traceId), fields.start(spanId), fields.start(end)];
  const hasId = fields.end(traceId) - trace === TRACE_ID_BYTES && fields.end(spanId) - span === SPAN_ID_BYTES;
  if (trace < 0 || span < 0 || !hasId) return;
  const isOpen = ended < 0 || (view.getUint32(ended, true) === 0 && view.getUint32(ended + 4, true) === 0);
  row.span = isOpen ? 'open' : 'closed';
  row.spanHigh = view.getInt32(span, true) ^ view.getInt32(trace + 8, true);
  row.spanLow = view.getInt32(span + 4, true) ^ view.getInt32(trace + 12, true);
}
