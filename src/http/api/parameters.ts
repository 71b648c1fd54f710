/** Query parameters, parts of paths and headers, each described once: which call takes which of them its route says. */

import {
  AGGREGATE_COLUMNS_MAX,
  BACK_RECORDS_MAX,
  BASIN_NAME_BYTES_MAX,
  BASIN_NAME_BYTES_MIN,
  CONTEXT_RECORDS_MAX,
} from '../../model/limits.ts';
import { METRIC_SETS, USAGE_INTERVALS } from '../../model/usage.ts';
import { VIEWS } from '../../model/view.ts';
import type { Parameter } from './call-description.ts';

const TEXT = { type: 'string' };
const WHOLE = { type: 'integer', minimum: 0 };
const BASIN = {
  type: 'string',
  minLength: BASIN_NAME_BYTES_MIN,
  maxLength: BASIN_NAME_BYTES_MAX,
  pattern: '^[a-z0-9][a-z0-9-]*[a-z0-9]$',
};
const FLAG = { type: 'boolean', default: false };

function text(description: string): Parameter {
  return { description, schema: TEXT };
}

function whole(description: string): Parameter {
  return { description, schema: WHOLE };
}

function oneOf(description: string, values: readonly string[]): Parameter {
  return { description, schema: { type: 'string', enum: [...values] } };
}

/** By the name that routes use. */
export const QUERY: Readonly<Record<string, Parameter>> = {
  basin: {
    description:
      'The basin, where no header and no Host names it: else the only basin of the token, else the default one.',
    schema: BASIN,
  },
  prefix: text('Only names that begin so.'),
  start_after: text('Only names after this one.'),
  limit: whole('At most so many; 0 and more than 1,000 mean 1,000.'),
  figures: { description: 'Adds `figures` to each stream.', schema: FLAG },
  seq_num: whole('Starts at this record.'),
  timestamp: whole('Starts at the first record from this time on, in milliseconds since 1970.'),
  tail_offset: whole('Starts so many records before the tail; 0, the default, is the tail.'),
  clamp: { description: 'A start beyond the tail becomes the tail, in place of 416.', schema: FLAG },
  count: whole('Ends after so many records.'),
  bytes: whole('Ends after so many metered bytes.'),
  until: whole('Ends before this time, in milliseconds since 1970.'),
  wait: whole('Waits so many seconds at the tail for records.'),
  view: { ...oneOf('How records look.', VIEWS), schema: { type: 'string', enum: [...VIEWS], default: 'raw' } },
  format: oneOf('How bytes are written in JSON, as in `S2-Format`.', ['raw', 'base64']),
  of: oneOf('Has a node of a cluster that does not lead ask the one that leads.', ['leader']),
  place_of: text('Adds `place`: in which partition of a cluster this basin is.'),
  ticket: text('A single-use ticket in place of a token, for pages; only for server-sent events and WebSockets.'),
  filter: text('Which records are wanted, such as `level>=warn service=shop`; several must all hold.'),
  before: {
    description: 'The last records before this position; only with `limit`, `filter`, `clamp`, `view`, `format`.',
    schema: { oneOf: [WHOLE, { const: 'tail' }] },
  },
  around: whole('This record and those around it; only with `context`, `view`, `format`.'),
  context: whole(`So many records on each side of \`around\`, at most ${CONTEXT_RECORDS_MAX}.`),
  glob: text('All streams whose whole names match; `*` stands for any characters.'),
  stream: text('Exactly these streams, once for each.'),
  from: oneOf('Where to begin in each stream; `resume` is for WebSockets alone.', ['tail', 'start', 'resume']),
  sum: text('The column to sum, such as `durationMs` or `attr.<key>`; without it, records are counted.'),
  by: text(`Columns to group by, at most ${AGGREGATE_COLUMNS_MAX}, such as \`level\` or \`attr.<key>\`.`),
  bucket: text('The width of buckets of time, such as `1m`, `1h30m` or `7d`.'),
  start: { ...whole('The first second, since 1970.'), required: true },
  end: { ...whole('The last second, since 1970; at most 90 days after `start`.'), required: true },
  interval: oneOf('The width of each point.', USAGE_INTERVALS),
};

export const BACK_LIMIT = whole(`With \`before\`: at most so many records, from 1 to ${BACK_RECORDS_MAX}.`);

/** The sets of a level of usage metrics. */
export function metricSet(level: keyof typeof METRIC_SETS): Parameter {
  return { ...oneOf('What is asked for.', METRIC_SETS[level]), required: true };
}

/** By what stands in braces. */
export const PATH: Readonly<Record<string, Parameter>> = {
  basin: { description: 'The name of a basin.', schema: BASIN },
  stream: {
    description: 'The name of a stream, 1 to 512 bytes, percent-encoded: a slash is `%2F`.',
    schema: { ...TEXT, minLength: 1, maxLength: 512 },
  },
  id: { description: 'The id of an access token, 1 to 96 bytes.', schema: { ...TEXT, minLength: 1, maxLength: 96 } },
  file: { description: 'A file of the page.', schema: TEXT },
};

/** Headers of requests. */
export const HEADERS: Readonly<Record<string, Parameter>> = {
  'S2-Basin': {
    description:
      'The basin. Without it the parameter `basin`, the Host, the only basin of the token, or the default basin counts.',
    schema: BASIN,
  },
  'S2-Format': oneOf('How bytes are written in JSON.', ['raw', 'base64']),
  'S2-Encryption-Key': text('Of an encrypted stream: 32 bytes in base64. It is never stored.'),
  'S2-Stream-Config': text('The configuration, as JSON, that a stream gets which this call makes.'),
  'S2-Request-Token': text('A repeat with the same token, of at most 36 bytes, gets the first answer in place of 409.'),
  'Last-Event-ID': text('Of server-sent events: the id of the last event, after which to go on.'),
  'If-None-Match': text('An `ETag`: 304 where it still holds.'),
};

/** A header of answers. */
export interface AnswerHeader {
  readonly description: string;
  /** Whether it is in every answer for which a description names it, and not only in some. */
  readonly isAlways: boolean;
}

function always(description: string): AnswerHeader {
  return { description, isAlways: true };
}

function sometimes(description: string): AnswerHeader {
  return { description, isAlways: false };
}

export const ANSWER_HEADERS: Readonly<Record<string, AnswerHeader>> = {
  'X-Correlation-Id': always(
    'The id of the request in the log of the server: the one that the caller sent, or a new one.',
  ),
  'Retry-After': always('Whole seconds after which another try makes sense.'),
  'WWW-Authenticate': always('The scheme of tokens.'),
  'Accept-Encoding': always('What bodies may be compressed with.'),
  'Cache-Control': always('How long the answer may be kept.'),
  'Content-Disposition': always('The name for the file.'),
  'S2-Provision-Result': always('What happened: `created`, `updated` or `noop`.'),
  'Tailrace-Next-Seq-Num': sometimes('Where a later read goes on.'),
  'Tailrace-Next-Before': sometimes('Older records are before this position.'),
  'Tailrace-At-Start': sometimes('`true` when there are no older records.'),
  'Tailrace-Signal': sometimes('The signal of a body in the view `otlp`.'),
  ETag: always('Changes with the version of the server.'),
  Location: always('Where the page is.'),
};
