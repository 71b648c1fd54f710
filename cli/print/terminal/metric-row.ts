/** A metric: its value, or for distributions count, average and quantiles; a line for each point when there are several. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import type { Colors } from '../format.ts';
import { addAttributes, addPairs, pointPairs } from './attributes.ts';
import { estimateQuantile } from './buckets.ts';
import type { StartColumns } from './entry-start.ts';
import type { Flow } from './flow.ts';
import { fields, listOf, printable, someNumber, someText } from './printable.ts';
import { numberText, quantityText } from './quantities.ts';
import type { TerminalEntry } from './terminal-entry.ts';

type Point = Readonly<Record<string, unknown>>;

/** So many points, then how many there are more. */
const POINTS_MAX = 4;
const QUANTILES = [0.5, 0.99] as const;

export function metricStart(_row: MessageRow, colors: Colors): StartColumns {
  return { level: 'METR', paint: colors.blue };
}

export function layOutMetric(row: MessageRow, entry: TerminalEntry): void {
  const { main, colors, options } = entry;
  const points = listOf(row.dataPoints).map(fields);
  const [only] = points;
  main.say(printable(someText(row.type) ?? '(no name)'));
  if (points.length === 1 && only !== undefined) addPoint(main, only, row, entry);
  else main.put(points.length === 0 ? 'no points' : `${numberText(points.length)} points`);
  addAttributes(main, row, options, colors);
  if (points.length <= 1) return;
  // A marker in place of one point would save nothing.
  const shown = options.stack === 'all' || points.length <= POINTS_MAX + 1 ? points : points.slice(0, POINTS_MAX);
  for (const point of shown) addPoint(entry.below(), point, row, entry);
  const more = points.length - shown.length;
  if (more > 0) entry.below().put(`… ${numberText(more)} more`, { paint: colors.dim });
}

function addPoint(flow: Flow, point: Point, row: MessageRow, { colors, options }: TerminalEntry): void {
  const unit = someText(row.unit) ?? '';
  for (const fact of facts(point, unit)) flow.put(fact);
  addPairs(flow, pointPairs(point.attributes, options), { ...options, attributes: 'all' }, colors);
}

/** `124× avg 111 ms`, `min 2.0 ms` …, or the value. */
function facts(point: Point, unit: string): readonly string[] {
  if (point.noRecordedValue === true) return ['no value'];
  if (point.count === undefined) return [quantityText(point.value, unit)];
  const shown = (name: string, value: unknown): string => `${name} ${quantityText(value, unit)}`;
  const [count, sum] = [someNumber(point.count) ?? 0, someNumber(point.sum)];
  const average = sum === undefined || count === 0 ? '' : ` ${shown('avg', sum / count)}`;
  return [
    `${quantityText(point.count, '')}×${average}`,
    ...(point.min === undefined ? [] : [shown('min', point.min)]),
    ...quantileFacts(point, shown),
    ...(point.max === undefined ? [] : [shown('max', point.max)]),
  ];
}

/** What the sender computed; else what its buckets give, which is near (`~`). */
function quantileFacts(point: Point, shown: (name: string, value: unknown) => string): readonly string[] {
  const given = listOf(point.quantiles).map(fields);
  return QUANTILES.flatMap((quantile) => {
    const name = `p${quantile * 100}`;
    const exact = given.find((one) => one.quantile === quantile);
    if (exact !== undefined) return [shown(name, exact.value)];
    const near = estimateQuantile(point, quantile);
    return near === undefined ? [] : [shown(name, near).replace(' ', ' ~')];
  });
}
