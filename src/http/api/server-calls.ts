/** Descriptions of the calls on the server: health, usage, who sends, locations, the page and what describes the interface. */

import { z } from 'zod';
import { NODE_ROLES } from '../../model/cluster-state.ts';
import { LOCATION } from '../../model/location.ts';
import { SIGNALS } from '../../model/record.ts';
import { STORAGE_CLASSES } from '../../model/stream-config.ts';
import { type METRIC_SETS, USAGE_INTERVALS } from '../../model/usage.ts';
import { AUDIT_PROTOCOLS } from '../../observe/audit.ts';
import { count } from '../../readers/read-shapes.ts';
import { answer, BODY_ERRORS, type CallDescription, json } from './call-description.ts';
import { metricSet } from './parameters.ts';

const time = z.string().meta({ format: 'date-time' });
const signal = z.enum(SIGNALS).nullable();

const location = z
  .object({
    name: z.literal(LOCATION.name),
    is_private: z.boolean(),
    storage_classes: z.array(z.enum(STORAGE_CLASSES)),
    default_storage_class: z.enum(STORAGE_CLASSES),
  })
  .meta({ id: 'Location' });

const points = z
  .array(z.array(z.number()).length(2))
  .meta({ description: 'the start in seconds since 1970, and the value' });
const unit = z.enum(['bytes', 'operations', 'usd']);

const metric = z
  .union([
    z.object({ label: z.object({ name: z.string(), values: z.array(z.string()) }) }),
    z.object({
      accumulation: z.object({ name: z.string(), unit, interval: z.enum(USAGE_INTERVALS), values: points }),
    }),
    z.object({ gauge: z.object({ name: z.string(), unit, values: points }) }),
  ])
  .meta({ id: 'Metric' });

const sender = z
  .object({
    address: z.string(),
    user_agent: z.string().nullable(),
    service_names: z.array(z.string()),
    sdk: z
      .object({ name: z.string().optional(), language: z.string().optional(), version: z.string().optional() })
      .nullable(),
    token: z.string().nullable(),
    basin: z.string().nullable(),
    streams: z.array(z.string()),
    protocols: z.array(z.enum(['http', 'grpc'])),
    encodings: z.array(z.enum(['protobuf', 'json'])),
    accepted: count,
    rejected: count,
    refused: count,
    signals: z.partialRecord(
      z.enum(SIGNALS),
      z.object({ requests: count, accepted: count, rejected: count, last_seen: time }),
    ),
    rejections: z.array(
      z.object({ reason: z.string(), message: z.string().nullable(), signal, count, last_seen: time }),
    ),
    repairs: z.array(z.object({ kind: z.string(), message: z.string(), signal, count, last_seen: time })),
    refusals: z.array(
      z.object({
        status: count,
        code: z.string(),
        message: z.string().nullable(),
        path: z.string(),
        signal,
        count,
        last_seen: time,
      }),
    ),
    clock_skew_ms: z.number().nullable(),
    ack_ms: z.object({ p50: z.number(), p99: z.number() }).nullable(),
    first_seen: time,
    last_seen: time,
  })
  .meta({ id: 'Sender', description: 'One who sends OTLP data, as far as the caller may know.' });

const senders = z.object({ since: time, now: time, senders: z.array(sender), has_more: z.boolean() });

const auditLine = z
  .object({
    time,
    action: z.string(),
    outcome: z.enum(['done', 'failed', 'refused']),
    error: z.string().optional(),
    reason: z.string().optional(),
    principal: z.string().optional(),
    principal_number: count.optional(),
    basin: z.string().optional(),
    stream: z.string().optional(),
    token_id: z.string().optional(),
    protocol: z.enum(AUDIT_PROTOCOLS).optional(),
    sender: z.string().optional(),
    correlation_id: z.string().optional(),
    done_at: time.optional(),
    count: count.optional(),
  })
  .meta({ id: 'AuditLine', description: 'Fields that do not apply are left out.' });

const auditLines = z.object({
  since: time,
  now: time,
  lines: z.array(auditLine),
  has_more: z.boolean(),
  forgotten: count,
});

const USAGE = { tag: 'Usage' } as const;
const SERVER = { tag: 'Server' } as const;
const PAGES = { tag: 'Pages', needs: 'nothing' } as const;

function metricsOf(level: keyof typeof METRIC_SETS): CallDescription {
  return {
    ...USAGE,
    summary: `Get usage metrics of ${level === 'account' ? 'the whole server' : `a ${level}`}`,
    needs: [`${level}-metrics`],
    query: { set: metricSet(level) },
    answers: { 200: answer('What does not exist has none.', z.object({ values: z.array(metric) })) },
    errors: ['invalid'],
  };
}

export const USAGE_CALLS = {
  'account-metrics': metricsOf('account'),
  'basin-metrics': metricsOf('basin'),
  'stream-metrics': metricsOf('stream'),
  'list-senders': {
    ...USAGE,
    summary: 'List who sends OTLP data, and who is refused',
    needs: ['account-metrics'],
    answers: { 200: answer('Those that sent last come first.', senders) },
  },
  'list-basin-senders': {
    ...USAGE,
    summary: 'List who sends OTLP data to a basin',
    needs: ['basin-metrics'],
    answers: { 200: answer('Those that sent last come first.', senders) },
  },
  'list-audit': {
    ...USAGE,
    summary: 'List the last lines of the audit log',
    needs: 'root',
    answers: { 200: answer('The newest come first.', auditLines) },
  },
} as const satisfies Readonly<Record<string, CallDescription>>;

const ready = z.object({
  status: z.enum(['ready', 'draining', 'no_leader']),
  writes: z.enum(['ok', 'full', 'read_only', 'closed', 'no_leader']),
  role: z.enum(NODE_ROLES).optional().meta({ description: 'Of a node of a cluster that does not lead.' }),
  leader: z.string().nullable().optional(),
  problems: z.array(z.string()).optional(),
  partitions: z
    .array(z.object({ partition: count, role: z.enum(NODE_ROLES), leader: z.string().nullable() }))
    .optional()
    .meta({ description: 'Of a node of a cluster with more than one.' }),
});

const HEALTH = {
  ...SERVER,
  summary: 'Ask whether the server works',
  needs: 'nothing',
  answers: {
    200: { description: 'It works.', content: { 'text/plain': 'text' } },
    503: { description: 'Only a restart helps.', content: { 'text/plain': 'text' } },
  },
} as const satisfies CallDescription;

export const SERVER_CALLS = {
  health: HEALTH,
  ping: HEALTH,
  readiness: {
    ...SERVER,
    summary: 'Ask whether requests should come here',
    needs: 'nothing',
    answers: { 200: answer('They should.', ready), 503: answer('They should go elsewhere.', ready) },
  },
  'scrape-metrics': {
    ...SERVER,
    summary: 'Get metrics for Prometheus',
    needs: ['account-metrics'],
    answers: { 200: { description: 'In the text format 0.0.4.', content: { 'text/plain': 'text' } } },
  },
  'confirm-clock': {
    ...SERVER,
    summary: 'Say that the clock of the machine is right',
    needs: 'root',
    answers: {
      200: answer('Whether expiry had waited for this.', z.object({ clock: time, was_paused: z.boolean() })),
    },
  },
  backup: {
    ...SERVER,
    summary: 'Get everything that is stored as one file',
    needs: 'root',
    answers: {
      200: {
        description: 'One that breaks off is no backup: `tailrace restore` and `verify` notice it.',
        content: { 'application/vnd.tailrace.backup': 'bytes' },
        headers: ['Cache-Control', 'Content-Disposition'],
      },
    },
    errors: ['rate_limited', 'storage_full'],
  },
  'list-locations': {
    ...SERVER,
    summary: 'List locations',
    needs: ['list-locations'],
    answers: { 200: answer('There is one.', z.array(location)) },
  },
  'get-default-location': {
    ...SERVER,
    summary: 'Get the default location',
    needs: ['get-default-location'],
    answers: { 200: answer('The only one.', location) },
  },
  'set-default-location': {
    ...SERVER,
    summary: 'Set the default location',
    needs: ['set-default-location'],
    body: { required: true, content: json(z.literal(LOCATION.name)) },
    answers: { 200: answer('The only one.', location) },
    errors: [...BODY_ERRORS, 'invalid'],
  },
} as const satisfies Readonly<Record<string, CallDescription>>;

const KEPT = {
  headers: ['If-None-Match'],
  errors: ['not_found'],
} as const;
const FILE = { description: 'The file.', headers: ['Cache-Control', 'ETag'] } as const;
const UNCHANGED = { description: 'As the caller has it.', headers: ['Cache-Control', 'ETag'] } as const;

export const PAGE_CALLS = {
  page: {
    ...PAGES,
    summary: 'Open the web page',
    answers: { 200: { description: 'The page.', content: { 'text/html': 'text' }, headers: ['Cache-Control'] } },
    errors: ['not_found'],
  },
  'page-file': {
    ...PAGES,
    summary: 'Get a file of the web page',
    answers: { 200: { description: 'The file.', content: { '*/*': 'bytes' }, headers: ['Cache-Control'] } },
    errors: ['not_found'],
  },
  dashboard: {
    ...PAGES,
    summary: 'Be led to the web page',
    answers: { 302: { description: 'The page is at `/`.', headers: ['Location'] } },
  },
  openapi: {
    ...PAGES,
    ...KEPT,
    summary: 'Get this description',
    answers: { 200: { ...FILE, content: json(z.looseObject({ openapi: z.string() })) }, 304: UNCHANGED },
  },
  asyncapi: {
    ...PAGES,
    ...KEPT,
    summary: 'Get the description of the WebSocket frames',
    answers: { 200: { ...FILE, content: json(z.looseObject({ asyncapi: z.string() })) }, 304: UNCHANGED },
  },
  llms: {
    ...PAGES,
    ...KEPT,
    summary: 'Get an index of the documentation for language models',
    answers: { 200: { ...FILE, content: { 'text/plain': 'text' } }, 304: UNCHANGED },
  },
  'llms-full': {
    ...PAGES,
    ...KEPT,
    summary: 'Get the documentation as one text',
    answers: { 200: { ...FILE, content: { 'text/plain': 'text' } }, 304: UNCHANGED },
  },
} as const satisfies Readonly<Record<string, CallDescription>>;
