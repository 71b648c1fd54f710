/** Which attributes stand behind a message, and how: `key=value`, keys dim. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import type { Colors } from '../format.ts';
import type { Flow } from './flow.ts';
import type { LayoutOptions } from './layout-options.ts';
import { fields, leaves, printable, type ShownPair, valueText } from './printable.ts';
import { clipEnd, textWidth } from './text-width.ts';

/** Where the code is, and what the summary of a span says already. */
const HIDDEN = /^(telemetry|thread|code|http|url|db|gen_ai|exception|server|user_agent)\./;
/** What says no more about a call than its summary: the other side, and the error beside its message. */
const HIDDEN_OF_SPANS = /^(client|network|net|ai|llm|openinference|traceloop)\.|^error\.type$/;
const HIDDEN_OF_RESOURCES = /^(telemetry\.|service\.name$)/;
/** Families whose names are clear without their beginning. */
const SHORTENED = /^(http|url|db|gen_ai|server|client|network|rpc|messaging)\./;

/** So many rows of attributes, then how many there are more. */
const ROWS_MAX = 4;
/** More of one value hides the others. */
const VALUE_COLUMNS_MAX = 120;

/** Adds the attributes of the row that the user wants to see. */
export function addAttributes(flow: Flow, row: MessageRow, options: LayoutOptions, colors: Colors): void {
  const own = leaves(fields(row.metadata));
  const resource = leaves(fields(row.resource));
  addPairs(flow, [...chosen(own, resource, row, options), ...chosenResource(resource, options)], options, colors);
}

/** Adds pairs, as many as the user wants to see of them. */
export function addPairs(flow: Flow, pairs: readonly ShownPair[], options: LayoutOptions, colors: Colors): void {
  const isWhole = Array.isArray(options.attributes) || options.attributes === 'all' || !options.wrap;
  const firstRow = flow.rowCount;
  for (const [i, [key, value]] of pairs.entries()) {
    const name = `${printable(key)}=`;
    const text = isWhole ? valueText(value) : clipEnd(valueText(value), VALUE_COLUMNS_MAX);
    const rest = pairs.length - i;
    const isLastRow = flow.rowCount - firstRow >= ROWS_MAX - 1;
    if (!isWhole && rest > 1 && isLastRow && textWidth(name + text) + MORE_COLUMNS > flow.left('  ')) {
      flow.put(`… +${rest} attributes`, { paint: colors.dim });
      return;
    }
    flow.put(name + text, { paint: (part) => paintPair(part, name, colors) });
  }
}

/** Columns of `… +123 attributes` with its gap. */
const MORE_COLUMNS = 20;

/** The attributes of a point, which tell it from the others: none is hidden, and known families have short names. */
export function pointPairs(attributes: unknown, { attributes: which }: LayoutOptions): readonly ShownPair[] {
  const pairs = leaves(fields(attributes));
  if (which === 'none') return [];
  if (which === 'all') return pairs;
  if (which !== 'some') return pairs.filter(([key]) => isNamed(key, which));
  const short = pairs.map(([key]) => (SHORTENED.test(key) ? key.slice(key.lastIndexOf('.') + 1) : key));
  return pairs.map(([key, value], i) => {
    const name = short[i] ?? key;
    return [short.filter((other) => other === name).length === 1 ? name : key, value];
  });
}

function chosen(
  own: readonly ShownPair[],
  resource: readonly ShownPair[],
  row: MessageRow,
  { attributes: which }: LayoutOptions,
): readonly ShownPair[] {
  if (which === 'none') return [];
  if (which === 'all') return own;
  if (which !== 'some') return [...own, ...resource].filter(([key]) => isNamed(key, which));
  const isSpan = row.signal === 'traces';
  // The name of an event stands where an empty message would.
  const isHeadline = (key: string) => key === 'event.name' && (row.body === undefined || row.body === '');
  return own.filter(([key]) => !HIDDEN.test(key) && !(isSpan && HIDDEN_OF_SPANS.test(key)) && !isHeadline(key));
}

function chosenResource(
  pairs: readonly ShownPair[],
  { attributes: which, resource }: LayoutOptions,
): readonly ShownPair[] {
  if (!resource) return [];
  const isShown = typeof which === 'object' ? (key: string) => !isNamed(key, which) : () => true;
  return pairs.filter(([key]) => isShown(key) && (which === 'all' || !HIDDEN_OF_RESOURCES.test(key)));
}

function isNamed(key: string, names: readonly string[]): boolean {
  return names.some((name) => (name.endsWith('*') ? key.startsWith(name.slice(0, -1)) : key === name));
}

/** A pair that is wider than a row comes in parts, of which only the first may hold the name. */
function paintPair(part: string, name: string, colors: Colors): string {
  return part.startsWith(name) ? colors.dim(name) + part.slice(name.length) : part;
}
