/** The one parser of what is counted and summed, whoever writes it: see README.md. */

import { nearest } from '../../encoding/nearest.ts';
import { timeSpanMs } from '../../encoding/time-span.ts';
import {
  type AggregateQuery,
  type AttributeColumn,
  type FieldColumn,
  GROUP_FIELDS,
  SUM_FIELDS,
} from '../../model/aggregate.ts';
import { TailraceError } from '../../model/error.ts';
import type { AttributeOwner } from '../../model/filter.ts';
import { AGGREGATE_COLUMNS_MAX } from '../../model/limits.ts';

/** A query as texts. */
export interface AggregateText {
  readonly sum: string | undefined;
  /** Each may hold several columns with commas between them. */
  readonly by: readonly string[];
  readonly bucket: string | undefined;
}

const OWNERS: readonly AttributeOwner[] = ['attr', 'resource', 'scope'];
/** Names of the `message` view for what filters call otherwise. */
const OTHER_NAMES: ReadonlyMap<string, (typeof GROUP_FIELDS)[number]> = new Map([
  ['serviceName', 'service'],
  ['type', 'name'],
  ['traceId', 'trace_id'],
  ['spanId', 'span_id'],
]);
/** A comma outside of quotes. */
const COMMA = /,(?=(?:[^"]*"[^"]*")*[^"]*$)/;

/** @throws TailraceError `bad_query` that says what is wrong, and what was expected */
export function parseAggregate({ sum, by, bucket }: AggregateText): AggregateQuery {
  const names = by.flatMap((text) => text.split(COMMA)).map((name) => name.trim());
  const columns = names.map((name) => ({ name, column: columnNamed('by', name, GROUP_FIELDS, OTHER_NAMES) }));
  if (names.length > AGGREGATE_COLUMNS_MAX) {
    throw new TailraceError('bad_query', `\`by\` takes at most ${AGGREGATE_COLUMNS_MAX} columns, not ${names.length}`);
  }
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw new TailraceError('bad_query', `\`by\` has ${JSON.stringify(twice)} twice`);
  return {
    sum: sum === undefined ? undefined : columnNamed('sum', sum.trim(), SUM_FIELDS, new Map()),
    by: columns,
    bucketMs: bucket === undefined ? undefined : bucketOf(bucket),
  };
}

function columnNamed<Field extends string>(
  parameter: string,
  name: string,
  fields: readonly Field[],
  others: ReadonlyMap<string, Field>,
): FieldColumn<Field> | AttributeColumn {
  const field = fields.find((known) => known === name) ?? others.get(name);
  if (field !== undefined) return { field };
  const owner = OWNERS.find((known) => name.startsWith(`${known}.`));
  if (owner !== undefined) return { field: owner, key: keyOf(parameter, name, name.slice(owner.length + 1)) };
  const known = [...fields, ...OWNERS.map((each) => `${each}.<key>`)];
  const [close] = name === '' ? [] : nearest(name, [...fields, ...others.keys()]);
  const hint = close === undefined ? '' : `${close} perhaps, or `;
  throw new TailraceError(
    'bad_query',
    `\`${parameter}\` has no column ${shown(name)}: expected is ${hint}one of ${known.join(', ')}`,
  );
}

/** A key with a comma or a quote is in quotes, as in a filter. */
function keyOf(parameter: string, name: string, key: string): string {
  let text = key;
  if (key.startsWith('"')) {
    try {
      text = String(JSON.parse(key));
    } catch {
      throw new TailraceError('bad_query', `\`${parameter}\`: the key in ${shown(name)} must be in quotes as in JSON`);
    }
  }
  if (text !== '') return text;
  throw new TailraceError(
    'bad_query',
    `\`${parameter}\`: ${shown(name)} lacks the name of an attribute, as in ${name.replace(/\..*$/, '')}.http.method`,
  );
}

function bucketOf(text: string): number {
  const ms = timeSpanMs(text);
  if (ms !== undefined && ms >= 1 && Number.isSafeInteger(ms)) return ms;
  throw new TailraceError('bad_query', `\`bucket\` must be a span of time such as 1m, 1h or 7d, not ${shown(text)}`);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
