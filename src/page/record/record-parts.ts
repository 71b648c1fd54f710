/** What a record holds, in the order in which it is shown: facts in its own columns, then lists of names with values. */

import { spanText } from '../parts/time.ts';
import type { Attributes, Json, Row } from '../wire/rows.ts';
import { type Condition, conditionFor } from './condition.ts';

/** A name with a value, and how a filter asks for it. */
export interface ShownPair {
  readonly name: string;
  readonly value: Json;
  readonly condition?: Condition | undefined;
}

export interface ShownPart {
  readonly title: string;
  readonly pairs: readonly ShownPair[];
  /** Those of lists stand closed where there are many. */
  readonly isOpen: boolean;
}

/** Columns with their names, and the field of the grammar where there is one. */
const FACTS: readonly (readonly [column: keyof Row, name: string, field?: string])[] = [
  ['level', 'level', 'level'],
  ['severityText', 'severity text'],
  ['serviceName', 'service', 'service'],
  ['type', 'name', 'name'],
  ['kind', 'kind'],
  ['observedTimestamp', 'observed'],
  ['endTimestamp', 'ended'],
  ['durationMs', 'duration'],
  ['traceId', 'trace', 'trace_id'],
  ['spanId', 'span', 'span_id'],
  ['parentSpanId', 'parent span', 'span_id'],
  ['traceState', 'trace state'],
  ['unit', 'unit'],
  ['description', 'description'],
  ['temporality', 'temporality'],
  ['monotonic', 'monotonic'],
  ['spanType', 'span type'],
  ['llmSystem', 'system'],
  ['model', 'model'],
  ['inputTokens', 'input tokens'],
  ['outputTokens', 'output tokens'],
  ['cacheReadTokens', 'tokens read from cache'],
  ['cacheCreateTokens', 'tokens written to cache'],
  ['encoding', 'encoding'],
];
const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'];
const LISTS_OPEN_MAX = 6;

export function factsOf(row: Row): readonly ShownPair[] {
  const facts: ShownPair[] = [];
  for (const [column, name, field] of FACTS) {
    const value = row[column] as Json | undefined;
    if (value === undefined || value === null) continue;
    const shown = column === 'durationMs' && typeof value === 'number' ? spanText(value) : value;
    facts.push({ name, value: shown, condition: field === undefined ? undefined : factCondition(field, value) });
  }
  const { status, costMicrocents } = row;
  if (status !== undefined) {
    const { code, message = '' } = status;
    const value = message === '' ? code : `${code}: ${message}`;
    facts.push({ name: 'status', value, condition: { field: 'status', value: code } });
  }
  if (costMicrocents !== undefined) facts.push({ name: 'cost', value: costText(costMicrocents) });
  return facts;
}

/** The column counts millionths of what the sender counts, which is a currency unit. */
export function costText(costMicrocents: number): string {
  const cost = costMicrocents / 1e6;
  return cost !== 0 && Math.abs(cost) < 0.01 ? cost.toPrecision(2) : cost.toFixed(cost < 1 ? 4 : 2);
}

export function partsOf(row: Row): readonly ShownPart[] {
  const named = (title: string, object: Attributes | undefined, owner: string): ShownPart => ({
    title,
    pairs: pairsOf(object, owner),
    isOpen: true,
  });
  const parts: readonly ShownPart[] = [
    {
      title: 'Headers',
      pairs: (row.headers ?? []).map(([name, value]) => ({
        name,
        value,
        condition: conditionFor(`header.${name}`, value),
      })),
      isOpen: true,
    },
    named('Attributes', row.metadata, 'attr'),
    ...listed('Event', row.events, undefined),
    ...listed('Link', row.links, undefined),
    ...listed('Data point', row.dataPoints, 'attr'),
    { title: 'Scope', pairs: scopePairs(row.scope), isOpen: true },
    named('Resource', row.resource, 'resource'),
  ];
  return parts.filter(({ pairs }) => pairs.length > 0);
}

/** One part for each of a list, such as the events of a span; the name of an event stands in its title. */
function listed(title: string, items: readonly Attributes[] | undefined, owner: string | undefined): ShownPart[] {
  return (items ?? []).map((item, i) => {
    const { name, attributes, ...rest } = item;
    const own = Object.entries(rest).map(([key, value]) => ({ name: key, value }));
    const number = (items?.length ?? 0) > 1 ? ` ${i + 1}` : '';
    return {
      title: `${title}${number}${typeof name === 'string' ? `: ${name}` : ''}`,
      pairs: [...own, ...pairsOf(attributes as Attributes | undefined, owner)],
      isOpen: (items?.length ?? 0) <= LISTS_OPEN_MAX,
    };
  });
}

function pairsOf(object: Attributes | undefined, owner: string | undefined): readonly ShownPair[] {
  return Object.entries(object ?? {}).map(([name, value]) => ({
    name,
    value,
    condition: owner === undefined ? undefined : conditionFor(`${owner}.${name}`, value),
  }));
}

/** The name of a scope has a field of its own; its attributes are those of `scope.<key>`. */
function scopePairs(scope: Attributes | undefined): readonly ShownPair[] {
  return Object.entries(scope ?? {}).flatMap(([name, value]): readonly ShownPair[] => {
    if (name === 'attributes' && typeof value === 'object' && value !== null) {
      return pairsOf(value as Attributes, 'scope');
    }
    return [{ name, value, condition: name === 'name' ? conditionFor('scope', value) : undefined }];
  });
}

function factCondition(field: string, value: Json): Condition | undefined {
  return field === 'level' && !LEVELS.includes(String(value)) ? undefined : conditionFor(field, value);
}
