/** What a filter means, on records that protobufjs has decoded: slow, and shares no code with the matcher. */

import type { Comparison, Filter, FilterNumber, FilterTest, TextTest, ValueTest } from '../../src/model/filter.ts';
import type { Signal } from '../../src/model/record.ts';
import type {
  AnyValue,
  InstrumentationScope,
  KeyValue,
  LogRecord,
  Metric,
  Resource,
  Span,
} from '../../src/otlp/views/decode.ts';
import { decodeScopes } from '../../src/otlp/views/decode.ts';
import { logFields } from '../../src/otlp/views/log-fields.ts';

interface Decoded {
  readonly signal: Signal;
  readonly resource: Resource | null;
  readonly scope: InstrumentationScope | null;
  readonly item: LogRecord | Span | Metric;
}

/** Whether the one item of a message is wanted. */
export function isWanted(filter: Filter, signal: Signal, message: Uint8Array): boolean {
  const [only] = decodeScopes(signal, message).flatMap(({ resource, scope, items }) =>
    items.map((item) => ({ signal, resource, scope, item })),
  );
  if (only === undefined) throw new Error('a message without an item');
  return filter.terms.every(({ test, isNegated }) => holds(test, only) !== isNegated);
}

function holds(test: FilterTest, { signal, resource, scope, item }: Decoded): boolean {
  const log = signal === 'logs' ? (item as LogRecord) : undefined;
  const span = signal === 'traces' ? (item as Span) : undefined;
  switch (test.field) {
    case 'signal':
      return test.signal === signal;
    case 'level':
      return log !== undefined && test.levels.includes(String(logFields(log).level));
    case 'trace_id':
      return hex((log ?? span)?.traceId).startsWith(test.prefix);
    case 'span_id':
      return hex((log ?? span)?.spanId).startsWith(test.prefix);
    case 'parent_span_id':
      return hex(span?.parentSpanId).startsWith(test.prefix);
    case 'status':
      return span !== undefined && (['unset', 'ok', 'error'][span.status?.code ?? 0] ?? 'unset') === test.status;
    case 'duration': {
      if (span === undefined) return false;
      const [start, end] = [BigInt(span.startTimeUnixNano.toString()), BigInt(span.endTimeUnixNano.toString())];
      return start !== 0n && end !== 0n && compares(end - start, test.by, test.nanos);
    }
    case 'service':
      return attributes(test.test, 'service.name', resource?.attributes);
    case 'resource':
      return attributes(test.test, test.key, resource?.attributes);
    case 'scope':
      return attributes(test.test, test.key, scope?.attributes);
    case 'scope_name':
      return text(test.test, scope?.name ?? '');
    case 'name':
      return text(test.test, log?.eventName ?? (item as Span | Metric).name);
    case 'body':
      return log !== undefined && log.body !== null && value(test.test, log.body);
    case 'attr':
      return ownAttributes(signal, item).some((list) => attributes(test.test, test.key, list));
    case 'text':
      return (
        texts(signal, item).some((one) => one !== '' && text(test.test, one)) ||
        values(signal, item).some((one) => value(test.test, one))
      );
    default:
      return false;
  }
}

/** Of a metric, one list for each data point. */
function ownAttributes(signal: Signal, item: LogRecord | Span | Metric): readonly (readonly KeyValue[])[] {
  if (signal !== 'metrics') return [(item as LogRecord | Span).attributes];
  const { gauge, sum, histogram, exponentialHistogram, summary } = item as Metric;
  return [gauge, sum, histogram, exponentialHistogram, summary].flatMap(
    (points) => points?.dataPoints.map((point) => point.attributes) ?? [],
  );
}

function texts(signal: Signal, item: LogRecord | Span | Metric): readonly string[] {
  if (signal === 'logs') return [(item as LogRecord).eventName, (item as LogRecord).severityText];
  if (signal === 'metrics') return [(item as Metric).name, (item as Metric).description, (item as Metric).unit];
  const { name, events, status } = item as Span;
  return [name, ...events.map((event) => event.name), ...(status === null ? [] : [status.message])];
}

function values(signal: Signal, item: LogRecord | Span | Metric): readonly AnyValue[] {
  const pairs = ownAttributes(signal, item).flat();
  if (signal === 'traces') {
    const { events, links } = item as Span;
    for (const { attributes: more } of [...events, ...links]) pairs.push(...more);
  }
  const body = signal === 'logs' ? (item as LogRecord).body : null;
  return [...pairs.map((pair) => pair.value), body].filter((one) => one !== null);
}

function attributes(test: ValueTest, key: string, list: readonly KeyValue[] = []): boolean {
  const last = list.findLast((pair) => pair.key === key);
  return last !== undefined && last.value !== null && value(test, last.value);
}

function value(test: ValueTest, any: AnyValue): boolean {
  switch (any.value) {
    case 'stringValue':
      return text(test, any.stringValue);
    case 'arrayValue':
      return any.arrayValue.values.some((one) => value(test, one));
    case 'kvlistValue':
      if (test.type === 'equals' || test.type === 'compares') return false;
      return any.kvlistValue.values.some((pair) => pair.value !== null && value(test, pair.value));
    case 'boolValue':
      return test.type !== 'compares' && textTest(test, String(any.boolValue));
    case 'bytesValue':
      return test.type !== 'compares' && textTest(test, Buffer.from(any.bytesValue).toString('base64'));
    case 'intValue':
      return number(test, BigInt(any.intValue.toString()));
    case 'doubleValue':
      return number(test, any.doubleValue);
    default:
      return false;
  }
}

function number(test: ValueTest, is: FilterNumber): boolean {
  if (test.type === 'compares') return compares(is, test.by, test.to);
  if (textTest(test, String(is))) return true;
  const wanted = test.type === 'equals' ? parsed(test.text) : undefined;
  return wanted !== undefined && !(is < wanted) && !(is > wanted) && !Number.isNaN(Number(is));
}

function text(test: ValueTest, is: string): boolean {
  if (test.type !== 'compares') return textTest(test, is);
  const found = is.length > 64 ? undefined : parsed(is);
  return found !== undefined && compares(found, test.by, test.to);
}

function textTest(test: TextTest, is: string): boolean {
  if (test.type === 'equals') return is === test.text;
  if (test.type === 'contains') return is.includes(test.text);
  return new RegExp(test.pattern, test.ignoresCase ? 'iu' : 'u').test(is);
}

function parsed(from: string): FilterNumber | undefined {
  if (/^[-+]?[0-9]+$/.test(from)) return BigInt(from);
  return /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?$/i.test(from) ? Number(from) : undefined;
}

function compares(a: FilterNumber, by: Comparison, b: FilterNumber): boolean {
  return { '<': a < b, '<=': a <= b, '>': a > b, '>=': a >= b }[by];
}

function hex(id: Uint8Array | undefined): string {
  return id === undefined || id.length === 0 ? '-' : Buffer.from(id).toString('hex');
}
