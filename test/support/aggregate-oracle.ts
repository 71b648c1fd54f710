/** What counts and sums mean, on records that protobufjs has decoded: slow, and keeps every value. */

import type { AggregateQuery, AggregateRow, GroupColumn, SumColumn } from '../../src/model/aggregate.ts';
import type { FilterNumber } from '../../src/model/filter.ts';
import type { Signal } from '../../src/model/record.ts';
import {
  type AnyValue,
  type DataPoint,
  decodeScopes,
  type KeyValue,
  type LogRecord,
  type Metric,
  type Span,
} from '../../src/otlp/views/decode.ts';
import type { RecordRow } from '../../src/otlp/views/row.ts';

/** A record, or a data point of a metric: the text of each column of `by`, and the value. */
export interface OracleRow {
  readonly bucket: number;
  readonly names: readonly (string | null)[];
  readonly value: FilterNumber | undefined;
}

/** A record with its row of the `message` view. */
export interface OracleRecord {
  readonly signal: Signal;
  readonly timestamp: number;
  readonly message: Uint8Array;
  readonly row: RecordRow;
}

export function oracleRows({ by, sum, bucketMs }: AggregateQuery, record: OracleRecord): readonly OracleRow[] {
  const { signal, timestamp, message, row } = record;
  const [scope] = decodeScopes(signal, message);
  const item = scope?.items[0];
  if (scope === undefined || item === undefined) throw new Error('a message without an item');
  const isOfPoint = (column: GroupColumn | SumColumn | undefined): boolean =>
    column?.field === 'attr' || column?.field === 'value';
  const looksAtPoints = signal === 'metrics' && [sum, ...by.map(({ column }) => column)].some(isOfPoint);
  const points = looksAtPoints ? pointsOf(item as Metric) : [];
  const owners = { resource: scope.resource?.attributes, scope: scope.scope?.attributes };
  const read = (point: DataPoint | undefined): OracleRow => {
    const attributes = signal === 'metrics' ? (point?.attributes ?? []) : (item as LogRecord | Span).attributes;
    const all = { attr: attributes, ...owners };
    return {
      bucket: bucketMs === undefined ? 0 : Math.floor(timestamp / bucketMs) * bucketMs,
      names: by.map(({ column }) => nameOf(column, row, all)),
      value: sum === undefined ? undefined : valueIn(sum, row, all, point),
    };
  };
  return points.length === 0 ? [read(undefined)] : points.map(read);
}

type Owners = Readonly<Record<'attr' | 'resource' | 'scope', readonly KeyValue[] | undefined>>;

function nameOf(column: GroupColumn, row: RecordRow, owners: Owners): string | null {
  if ('key' in column) return textOf(attribute(owners[column.field], column.key));
  switch (column.field) {
    case 'service':
      return textOf(attribute(owners.resource, 'service.name'));
    case 'name':
      return stringOrNull(row.type);
    case 'scope':
      return stringOrNull((row.scope as { name?: string } | undefined)?.name);
    case 'status':
      return row.signal === 'traces' ? String((row.status as { code: string }).code) : null;
    case 'trace_id':
      return stringOrNull(row.traceId);
    case 'span_id':
      return stringOrNull(row.spanId);
    default:
      return stringOrNull(row[column.field]);
  }
}

function valueIn(
  column: SumColumn,
  row: RecordRow,
  owners: Owners,
  point: DataPoint | undefined,
): FilterNumber | undefined {
  if ('key' in column) return numberOf(attribute(owners[column.field], column.key));
  if (column.field !== 'value') {
    const value = row[column.field];
    return typeof value === 'number' ? value : undefined;
  }
  if (point === undefined || (point.flags & 1) !== 0) return undefined;
  if (point.value === 'asInt') return BigInt(String(point.asInt));
  return point.value === 'asDouble' ? point.asDouble : undefined;
}

function pointsOf(metric: Metric): readonly DataPoint[] {
  const { gauge, sum, histogram, exponentialHistogram, summary } = metric;
  return [gauge, sum, histogram, exponentialHistogram, summary].flatMap((points) => points?.dataPoints ?? []);
}

function attribute(list: readonly KeyValue[] = [], key: string): AnyValue | undefined {
  return list.findLast((pair) => pair.key === key)?.value ?? undefined;
}

function textOf(any: AnyValue | undefined): string | null {
  switch (any?.value) {
    case 'stringValue':
      return any.stringValue;
    case 'boolValue':
      return String(any.boolValue);
    case 'intValue':
      return String(any.intValue);
    case 'doubleValue':
      return String(any.doubleValue);
    case 'bytesValue':
      return Buffer.from(any.bytesValue).toString('base64');
    default:
      return null;
  }
}

function numberOf(any: AnyValue | undefined): FilterNumber | undefined {
  if (any?.value === 'intValue') return BigInt(String(any.intValue));
  if (any?.value === 'doubleValue') return any.doubleValue;
  if (any?.value !== 'stringValue' || any.stringValue.length > 64) return undefined;
  if (/^[-+]?\d+$/.test(any.stringValue)) return BigInt(any.stringValue);
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(any.stringValue) ? Number(any.stringValue) : undefined;
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** What is wrong with a row for the values of its group; undefined when it is right. */
export function wrongIn(row: AggregateRow, all: readonly OracleRow[]): string | undefined {
  if (row.count !== all.length) return `count ${row.count}, not ${all.length}`;
  const given = all.flatMap(({ value }) => (value === undefined ? [] : [value]));
  const values = given.filter((value) => typeof value === 'bigint' || Number.isFinite(value));
  const strange = given.length - values.length;
  if ((row.not_finite ?? 0) !== strange) return `not_finite ${row.not_finite}, not ${strange}`;
  if ((row.values ?? 0) !== values.length) return `values ${row.values}, not ${values.length}`;
  if (values.length === 0) return row.sum === undefined ? undefined : 'a sum of nothing';
  const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  if (!isSame(row.min, sorted[0])) return `min ${row.min}, not ${sorted[0]}`;
  if (!isSame(row.max, sorted.at(-1))) return `max ${row.max}, not ${sorted.at(-1)}`;
  for (const [name, rank] of [['p50', 0.5] as const, ['p95', 0.95] as const, ['p99', 0.99] as const]) {
    const right = Number(sorted[Math.floor(rank * (sorted.length - 1))]);
    const said = Number(row[name]);
    if (!(Math.abs(said - right) <= Math.abs(right) / 100 + 1e-300)) return `${name} ${said}, not ${right}`;
  }
  return wrongSum(row, values);
}

/** Exact for integers, whatever they are written as; as near as doubles are for the others. */
function wrongSum(row: AggregateRow, values: readonly FilterNumber[]): string | undefined {
  if (values.every((value) => typeof value === 'bigint' || Number.isSafeInteger(value))) {
    const right = values.reduce<bigint>((sum, value) => sum + BigInt(value), 0n);
    return isSame(row.sum, right) ? undefined : `sum ${row.sum}, not ${right}`;
  }
  const right = values.reduce<number>((sum, value) => sum + Number(value), 0);
  const size = values.reduce<number>((sum, value) => sum + Math.abs(Number(value)), 0);
  if (!Number.isFinite(size)) return undefined;
  return Math.abs(Number(row.sum) - right) <= size * 1e-12 ? undefined : `sum ${row.sum}, not ${right}`;
}

/** A number as rows write it: an integer with all its digits. */
function isSame(said: string | number | undefined, right: FilterNumber | undefined): boolean {
  if (said === undefined || right === undefined) return false;
  if (typeof right === 'bigint')
    return typeof said === 'number' || /^-?\d+$/.test(said) ? BigInt(said) === right : false;
  return Number(said) === right;
}
