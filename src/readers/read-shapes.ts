/**
 * What readers get as JSON, as shapes: records, rows, and the frames of WebSockets, which server-sent events have as their data.
 * Descriptions of the interface are made from them; the server itself does not load this file.
 */

import { z } from 'zod';
import type { MessageRow } from '../model/message-row.ts';
import { SIGNALS } from '../model/record.ts';
import { type FrameWords, S2_WORDS, VIEW_WORDS } from './frame-words.ts';

/** A whole number that JSON carries exactly. */
export const count = z.number().meta({ type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const position = z
  .object({ seq_num: count, timestamp: count.meta({ description: 'milliseconds since 1970' }) })
  .meta({ id: 'Position', description: 'A sequence number with its timestamp.' });

const pair = z.array(z.string()).length(2).meta({ description: 'name and value' });

const record = z
  .object({ seq_num: count, timestamp: count, headers: z.array(pair).optional(), body: z.string().optional() })
  .meta({ id: 'Record', description: 'A record as S2 has it. Bytes are text, or base64 where the format is base64.' });

export const readBatch = z
  .object({
    records: z.array(record),
    tail: position.optional().meta({ description: 'there when the batch ends at it' }),
  })
  .meta({ id: 'ReadBatch' });

const viewPosition = z
  .object({ seqNum: count, timestamp: count })
  .meta({ id: 'ViewPosition', description: 'A position beside rows, which are spelt in camelCase.' });

const value = z.json().meta({ id: 'AttributeValue', description: 'Any JSON: integers beyond 2^53 - 1 are strings.' });
const values = z.record(z.string(), value);
const whole = z.number().meta({ type: 'integer' });

/** Each column of a row, so that one which is added to rows must be added here. */
const COLUMNS = {
  seqNum: count,
  timestamp: z.string(),
  signal: z.enum(SIGNALS).nullable(),
  serviceName: z.string().optional(),
  resource: values.optional(),
  scope: values.optional(),
  type: z.string().optional(),
  metadata: values.optional(),
  body: value.optional(),
  level: z.string().optional(),
  severityText: z.string().optional(),
  observedTimestamp: z.string().optional(),
  traceId: z.string().optional(),
  spanId: z.string().optional(),
  parentSpanId: z.string().optional(),
  kind: z.string().optional(),
  traceState: z.string().optional(),
  endTimestamp: z.string().optional(),
  durationMs: z.number().optional(),
  status: z.object({ code: z.enum(['unset', 'ok', 'error']), message: z.string().optional() }).optional(),
  events: z.array(values).optional(),
  links: z.array(values).optional(),
  unit: z.string().optional(),
  description: z.string().optional(),
  temporality: z.string().optional(),
  monotonic: z.boolean().optional(),
  dataPoints: z.array(values).optional(),
  spanType: z.string().optional(),
  llmSystem: z.string().optional(),
  model: z.string().optional(),
  inputTokens: whole.optional(),
  outputTokens: whole.optional(),
  cacheReadTokens: whole.optional(),
  cacheCreateTokens: whole.optional(),
  costMicrocents: z.number().optional(),
  input: value.optional(),
  output: value.optional(),
  headers: z.array(pair).optional(),
  encoding: z.literal('base64').optional(),
} satisfies { readonly [Column in keyof Required<MessageRow>]: z.ZodType };

const row = z.object(COLUMNS).meta({
  id: 'Row',
  description: 'A record in the view message. Columns for which it has nothing are absent.',
});

/** A unary read in the view `message`. */
export const rowsPage = z.object({
  rows: z.array(row),
  next: viewPosition.optional().meta({ description: 'where a later read goes on' }),
  tail: viewPosition.optional(),
});

const request = z.looseObject({}).meta({ description: 'one OTLP/JSON request' });
const stream = z.string().meta({ description: 'there where many streams are read together' });

/** The frames of a batch in each way to see records that is text, by the name of the subprotocol. */
const CONTENTS = {
  's2.json': { records: z.array(record) },
  'otlp.json': {
    first: position,
    count: count.optional().meta({ description: 'where a filter leaves out records' }),
    skipped: count.optional().meta({ description: 'records that are not OTLP' }),
    requests: z.array(request),
  },
  'view.json': { rows: z.array(row) },
  'view.text': { lines: z.array(z.string()) },
} as const;

const positionsOf = ({ seqNum }: FrameWords) => (seqNum === 'seq_num' ? position : viewPosition);

/** The text frames of a subprotocol, by their `type`. Those of `otlp.proto` and `s2.proto` come before binary ones. */
export function framesOf(name: string): Readonly<Record<string, z.ZodObject>> {
  const words = name === 'view.json' ? VIEW_WORDS : S2_WORDS;
  const at = positionsOf(words);
  const own = contentOf(name, at);
  const member = z.object({ stream: z.string(), [words.streamId]: z.string(), [words.seqNum]: count });
  const frames: Record<string, z.ZodRawShape> = {
    hello: { [words.streamId]: z.string().optional(), basin: z.string(), stream: z.string().optional() },
    joined: { streams: z.array(member) },
    ...own,
    caught_up: { tail: at.optional(), streams: count.optional() },
    heartbeat: { tail: at.optional(), streams: count.optional() },
    passed: { stream: stream.optional(), next: at },
    gap: { stream: stream.optional(), from: count, to: count.meta({ description: 'exclusive' }) },
    left: { stream: z.string(), [words.streamId]: z.string().optional(), code: z.string(), message: z.string() },
    error: {
      code: z.string(),
      message: z.string(),
      tail: at.optional(),
      [words.retryAfter]: z.number().optional().meta({ description: 'seconds' }),
    },
  };
  return Object.fromEntries(
    Object.entries(frames).map(([type, shape]) => [type, z.object({ type: z.literal(type), ...shape })]),
  );
}

function contentOf(name: string, at: z.ZodType): Record<string, z.ZodRawShape> {
  const ends = { next: at.meta({ description: 'where a later read goes on' }), tail: at.optional() };
  const content = Object.entries(CONTENTS).find(([known]) => known === name)?.[1];
  if (content !== undefined) return { batch: { stream: stream.optional(), ...content, ...ends } };
  const signal = name === 'otlp.proto' ? { signal: z.enum(SIGNALS).nullable() } : {};
  const facts = { ...signal, first: at, count: count.optional(), ...ends };
  return { positions: { stream: stream.optional(), ...facts } };
}
