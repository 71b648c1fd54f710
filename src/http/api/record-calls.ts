/** Descriptions of the calls on records, of those of OTLP, and of what is told about readers. */

import { z } from 'zod';
import type { AggregateRow } from '../../model/aggregate.ts';
import type { Signal } from '../../model/record.ts';
import { count, position, readBatch, rowsPage } from '../../readers/read-shapes.ts';
import {
  answer,
  BODY_ERRORS,
  type BodyContent,
  type CallDescription,
  json,
  STREAM_ERRORS,
  WRITE_ERRORS,
} from './call-description.ts';
import { BACK_LIMIT } from './parameters.ts';

const PROTOBUF = { 'application/protobuf': 'bytes' } as const;
const EVENTS = { 'text/event-stream': 'text' } as const;
const SESSION = { 's2s/proto': 'bytes' } as const;

const appended = z
  .object({
    records: z.array(
      z.object({
        timestamp: count.nullish(),
        headers: z.array(z.array(z.string()).length(2)).optional(),
        body: z.string().optional(),
      }),
    ),
    match_seq_num: count.nullish().meta({ description: 'refused with 412 unless the next record gets this number' }),
    fencing_token: z.string().nullish().meta({ description: 'refused with 412 unless it is the one in force' }),
  })
  .meta({ id: 'AppendInput' });

const acknowledged = z
  .object({ start: position, end: position, tail: position })
  .meta({ id: 'AppendAck', description: 'What was appended is durable: from `start` to before `end`.' });

const figure = z.union([z.number(), z.string()]).meta({ description: 'integers beyond 2^53 - 1 are strings' });

const aggregateRow = z
  .object({
    group: z.record(z.string(), z.string().nullable()).optional(),
    other: z.literal(true).optional(),
    bucket: count.optional(),
    count,
    values: count.optional(),
    sum: figure.optional(),
    min: figure.optional(),
    max: figure.optional(),
    average: figure.optional(),
    p50: figure.optional(),
    p95: figure.optional(),
    p99: figure.optional(),
    not_finite: count.optional(),
  } satisfies { readonly [Column in keyof Required<AggregateRow>]: z.ZodType })
  .meta({ id: 'AggregateRow' });

const aggregated = z
  .object({ from: count, next_seq_num: count, records: count, complete: z.boolean(), rows: z.array(aggregateRow) })
  .meta({ id: 'Aggregate' });

const reader = z
  .object({
    protocol: z.enum(['websocket', 'sse', 's2s']),
    view: z.string(),
    since: z.string(),
    next_seq_num: count,
    lag_records: count,
    waiting_bytes: count,
    token: z.string().nullable(),
    address: z.string().nullable(),
  })
  .meta({ id: 'Reader' });

const DATA_PLANE = ['S2-Basin', 'S2-Format', 'S2-Encryption-Key', 'S2-Stream-Config'] as const;
const READ_ERRORS = [...STREAM_ERRORS, ...WRITE_ERRORS, 'invalid', 'decryption_failed', 'rate_limited'] as const;
const RECORDS = { tag: 'Records', headers: DATA_PLANE } as const;

export const RECORD_CALLS = {
  append: {
    ...RECORDS,
    summary: 'Append records to a stream',
    about:
      'With `Content-Type: s2s/proto` it is a session of S2 with frames in both directions. A record with one header whose name is empty is a command: `fence` or `trim`, which need these operations.',
    needs: ['append'],
    body: { required: true, content: { ...json(appended), ...PROTOBUF, ...SESSION } },
    answers: {
      200: { description: 'Durable.', content: { ...json(acknowledged), ...PROTOBUF, ...SESSION } },
    },
    errors: [...BODY_ERRORS, ...READ_ERRORS, 'bad_proto', 'bad_frame', 'seq_num_mismatch', 'fencing_token_mismatch'],
  },
  read: {
    ...RECORDS,
    summary: 'Read records of a stream',
    about:
      'One batch; with `Accept: text/event-stream` a live read as server-sent events, with `Content-Type: s2s/proto` a session of S2, with an upgrade a WebSocket, which `/asyncapi.json` describes. `view` chooses what records look like.',
    needs: ['read'],
    takesTicket: true,
    query: { limit: BACK_LIMIT },
    headers: [...DATA_PLANE, 'Last-Event-ID'],
    answers: {
      200: {
        description: 'Records, or none where there is none yet.',
        content: {
          'application/json': z.union([readBatch, rowsPage]),
          ...PROTOBUF,
          ...EVENTS,
          ...SESSION,
          'application/x-protobuf': 'bytes',
          'application/x-ndjson': 'text',
          'text/plain': 'text',
        },
        headers: ['Tailrace-Next-Seq-Num', 'Tailrace-Next-Before', 'Tailrace-At-Start', 'Tailrace-Signal'],
      },
    },
    errors: [...READ_ERRORS, 'range_not_satisfiable', 'not_found'],
  },
  'read-many': {
    ...RECORDS,
    summary: 'Read many streams of a basin live',
    about:
      'Needs `Accept: text/event-stream`, or an upgrade to a WebSocket, which `/asyncapi.json` describes; and one of `prefix`, `glob` and `stream`.',
    needs: ['read'],
    takesTicket: true,
    headers: [...DATA_PLANE, 'Last-Event-ID'],
    answers: { 200: { description: 'Events, until one side ends it.', content: EVENTS } },
    errors: ['basin_not_found', 'basin_deletion_pending', 'invalid'],
  },
  'check-tail': {
    ...RECORDS,
    headers: ['S2-Basin'],
    summary: 'Get the tail of a stream',
    needs: ['check-tail'],
    answers: {
      200: answer('What the next record gets as its number, and the last timestamp.', z.object({ tail: position })),
    },
    errors: [...STREAM_ERRORS, ...WRITE_ERRORS],
  },
  aggregate: {
    ...RECORDS,
    headers: ['S2-Basin', 'S2-Encryption-Key', 'S2-Stream-Config'],
    summary: 'Count and sum records by group and bucket of time',
    about: 'With `Accept: text/event-stream` there is an event about once a second with what there is so far.',
    needs: ['read'],
    takesTicket: true,
    answers: {
      200: {
        description: 'Rows; `complete` says whether all was looked at.',
        content: { ...json(aggregated), ...EVENTS },
      },
    },
    errors: [...READ_ERRORS, 'range_not_satisfiable'],
  },
  'list-readers': {
    ...RECORDS,
    headers: ['S2-Basin'],
    summary: 'List who reads a stream live',
    needs: ['read'],
    answers: {
      200: answer(
        'The one that is farthest behind comes first.',
        z.object({ tail: position, readers: z.array(reader), has_more: z.boolean() }),
      ),
    },
    errors: STREAM_ERRORS,
  },
} as const satisfies Readonly<Record<string, CallDescription>>;

const REJECTED: Readonly<Record<Signal, string>> = {
  logs: 'rejectedLogRecords',
  traces: 'rejectedSpans',
  metrics: 'rejectedDataPoints',
};

const OTLP_PROTOBUF = { 'application/x-protobuf': 'bytes' } as const;
const OTLP_ERRORS = [
  ...BODY_ERRORS,
  ...STREAM_ERRORS,
  ...WRITE_ERRORS,
  'bad_proto',
  'invalid',
  'rate_limited',
  'quota_exhausted',
  'decryption_failed',
  'resource_already_exists',
] as const;

function exported(signal: Signal, more: z.ZodRawShape = {}): BodyContent {
  const partial = z.object({
    [REJECTED[signal]]: z.string().optional(),
    errorMessage: z.string(),
  });
  return { ...json(z.object({ partialSuccess: partial.optional(), ...more })), ...OTLP_PROTOBUF };
}

function sends(signal: Signal, more?: z.ZodRawShape): CallDescription {
  const field = { logs: 'resourceLogs', traces: 'resourceSpans', metrics: 'resourceMetrics' }[signal];
  const sent = z.looseObject({ [field]: z.array(z.looseObject({})).optional() });
  return {
    tag: 'OTLP',
    summary: `Send ${signal}`,
    about: `An Export${{ logs: 'Logs', traces: 'Trace', metrics: 'Metrics' }[signal]}ServiceRequest of OTLP/HTTP. Parameters and headers that do not exist are taken, with a warning in the log. Bodies may be compressed with gzip, deflate or zstd.`,
    needs: ['append'],
    headers: ['S2-Basin', 'S2-Encryption-Key'],
    body: { required: true, content: { ...json(sent), ...OTLP_PROTOBUF } },
    answers: {
      200: { description: 'Stored, all or in part: `partialSuccess` says what not.', content: exported(signal, more) },
    },
    errors: OTLP_ERRORS,
  };
}

export const OTLP_CALLS = {
  'send-logs': sends('logs'),
  'send-traces': sends('traces'),
  'send-metrics': sends('metrics'),
  'send-traces-with-ids': {
    ...sends('traces', { traceIds: z.array(z.string()), spanCount: count }),
    summary: 'Send traces, and get their ids back',
  },
  'send-profiles': {
    tag: 'OTLP',
    summary: 'Send profiles: not supported yet',
    needs: 'nothing',
    body: { required: false, content: { ...json(z.looseObject({})), ...OTLP_PROTOBUF } },
    answers: {},
    errors: ['not_found'],
  },
} as const satisfies Readonly<Record<string, CallDescription>>;
