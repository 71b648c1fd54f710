/**
 * Rows of what OTLP requests are answered, each for any form of request, and what is wrong with the answers that a server
 * gives to them.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Signal } from '../../src/model/record.ts';
import { type Answer, type Form, type FormSender, nameOf, type Sending } from './otlp-forms.ts';

/** One row: what is sent, and what the answer says. */
export interface Row {
  readonly what: string;
  /** Forms in which it can happen; all of them without it. */
  readonly over?: (form: Form) => boolean;
  readonly send: (form: Form) => Sending;
  readonly status: number;
  /** Of gRPC, and in the Status. */
  readonly code: number;
  /** Of a refusal, or of a partial success: what the message has in it. Without it there is no message at all. */
  readonly words?: string;
  /** Records, or data points, that are rejected. */
  readonly rejected?: number;
  /** Headers of HTTP besides Content-Type and X-Correlation-Id. */
  readonly headers?: (form: Form) => Readonly<Record<string, string>>;
  /** The least and the most seconds until it may be sent again. */
  readonly retryAfter?: readonly [number, number];
}

/** What every answer is checked for; what may differ is as it should be where it is fine. */
interface Judged {
  readonly status: number;
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
  readonly rejected: number;
  readonly retryAfter: string;
  readonly empty: string;
}

const AT_ONCE = 8;
/** So many faults are shown. */
const SHOWN_MAX = 3;

/** Sends a row in all of its forms; returns the answers that are not as they should be, and how many there were. */
export async function faultsOf(row: Row, forms: readonly Form[], sender: FormSender): Promise<readonly object[]> {
  const sent = forms.filter(row.over ?? (() => true));
  if (sent.length === 0) throw new Error(`no form can be sent: ${row.what}`);
  const faults: object[] = [];
  const queue = sent.entries();
  const work = async (): Promise<void> => {
    for (const [i, form] of queue) {
      const id = `row-${i}`;
      const { headers, ...sending } = row.send(form);
      const answer = await sender.send(form, { ...sending, headers: { 'x-correlation-id': id, ...headers } });
      const [got, wanted] = [judged(row, form, answer), wantedOf(row, form, answer, id)];
      if (!isDeepStrictEqual(got, wanted)) faults.push({ form: nameOf(form), got, wanted });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return faults.length <= SHOWN_MAX ? faults : [...faults.slice(0, SHOWN_MAX), { more: faults.length - SHOWN_MAX }];
}

function judged(row: Row, form: Form, answer: Answer): Judged {
  const { status, code, rejected, message, body } = answer;
  const hasWords = row.words !== undefined && message.includes(row.words);
  const isEmpty = row.status === 200 && row.words === undefined;
  return {
    status,
    code,
    headers: answer.headers,
    message: hasWords ? (row.words ?? '') : message,
    rejected,
    retryAfter: retryOf(row, answer),
    empty: isEmpty && form.path !== WITH_IDS ? body.toString() : '',
  };
}

/** Its answers in JSON say more than those of OTLP. */
const WITH_IDS = '/v1/traces/otlp';

function retryOf({ retryAfter }: Row, { retryAfter: seconds }: Answer): string {
  if (seconds === undefined) return 'never';
  const [least, most] = retryAfter ?? [0, -1];
  return Number.isInteger(seconds) && seconds >= least && seconds <= most ? 'in time' : `after ${seconds} s`;
}

function wantedOf(row: Row, form: Form, answer: Answer, id: string): Judged {
  const isCall = form.transport === 'gRPC';
  const isEmpty = row.status === 200 && row.words === undefined && form.path !== WITH_IDS;
  return {
    status: isCall ? 200 : row.status,
    code: row.code,
    headers: { ...(isCall ? callHeaders(row, answer) : httpHeaders(row, form, answer)), 'x-correlation-id': id },
    message: row.words ?? '',
    rejected: row.rejected ?? 0,
    retryAfter: row.retryAfter === undefined ? 'never' : 'in time',
    empty: isEmpty && form.encoding === 'JSON' ? '{}' : '',
  };
}

function httpHeaders(row: Row, form: Form, { headers }: Answer): Record<string, string> {
  const own = row.headers?.(form) ?? {};
  const isJson = form.encoding === 'JSON' || own['content-type'] === 'application/json';
  return {
    'content-type': isJson ? 'application/json' : 'application/x-protobuf',
    ...own,
    // Its value is checked as a number.
    ...(row.retryAfter === undefined ? {} : { 'retry-after': headers['retry-after'] ?? 'missing' }),
  };
}

function callHeaders(row: Row, { headers }: Answer): Record<string, string> {
  const detail = 'grpc-status-details-bin';
  return {
    'content-type': 'application/grpc',
    'grpc-accept-encoding': 'identity,gzip,deflate,zstd',
    'grpc-status': String(row.code),
    ...(row.code === 0 ? {} : { 'grpc-message': headers['grpc-message'] ?? 'missing' }),
    ...(row.retryAfter === undefined ? {} : { [detail]: headers[detail] ?? 'missing' }),
  };
}

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const SPAN_ID = 'b7ad6b7169203331';
const NANOS = '1700000000123456789';
/** The same time as a record has it. */
export const ITEM_MS = 1_700_000_000_123;

/** The usual item of a signal, with a text in it. */
const ITEMS: Readonly<Record<Signal, (text: string) => object>> = {
  logs: (text) => ({ timeUnixNano: NANOS, body: { stringValue: text } }),
  traces: (text) => ({ traceId: TRACE_ID, spanId: SPAN_ID, name: text, endTimeUnixNano: NANOS }),
  metrics: (text) => ({ name: text, gauge: { dataPoints: [{ timeUnixNano: NANOS, asInt: '1' }] } }),
};
const LISTS = {
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const satisfies Record<Signal, readonly string[]>;

/** A request in OTLP/JSON with items of these texts; of each stream one resource, and one without a stream for ''. */
export function requestFor(signal: Signal, texts: Readonly<Record<string, readonly string[]>>): object {
  const [resources, scopes, items] = LISTS[signal];
  const list = Object.entries(texts).map(([stream, each]) => {
    const attributes = stream === '' ? [] : [{ key: 's2.stream', value: { stringValue: stream } }];
    return { resource: { attributes }, [scopes]: [{ scope: { name: 'rows' }, [items]: each.map(ITEMS[signal]) }] };
  });
  return { [resources]: list };
}
