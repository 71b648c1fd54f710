/** What a data point says: its value, or of a distribution count, average, quantiles and extremes. */

import type { Attributes, Json } from '../wire/rows.ts';
import { quantityText } from './quantities.ts';

/** One thing that a line says after its message. */
export interface Fact {
  readonly text: string;
  /** A class of its look: `slow`, `failed`, `dim`, `good`, `warned`. */
  readonly look?: 'slow' | 'failed' | 'dim' | 'good' | 'warned';
}

const QUANTILES = [0.5, 0.99];

/** `124×  avg 111 ms  min 2.0 ms  max 2.43 s`, or the value. */
export function metricFacts(point: Attributes, unit: string): readonly Fact[] {
  if (point.noRecordedValue === true) return [{ text: 'no value', look: 'dim' }];
  if (point.count === undefined) return [{ text: quantityText(point.value, unit) }];
  const shown = (name: string, value: unknown): Fact => ({ text: `${name} ${quantityText(value, unit)}` });
  const count = Number(point.count);
  const sum = point.sum === undefined ? undefined : Number(point.sum);
  const facts: Fact[] = [{ text: `${quantityText(point.count, '')}×` }];
  if (sum !== undefined && count > 0) facts.push(shown('avg', sum / count));
  if (point.min !== undefined) facts.push(shown('min', point.min));
  facts.push(...givenQuantiles(point.quantiles).map(([name, value]) => shown(name, value)));
  facts.push(...bucketQuantiles(point, count).map(([name, value]) => shown(name, value)));
  if (point.max !== undefined) facts.push(shown('max', point.max));
  return facts;
}

function givenQuantiles(quantiles: Json | undefined): readonly (readonly [string, unknown])[] {
  if (!Array.isArray(quantiles)) return [];
  return (quantiles as readonly Attributes[])
    .filter(({ quantile }) => QUANTILES.includes(Number(quantile)))
    .map(({ quantile, value }) => [`p${Number(quantile) * 100}`, value]);
}

/** The upper bound of the bucket that holds the rank: near (`~`), and never too small. */
function bucketQuantiles(point: Attributes, count: number): readonly (readonly [string, unknown])[] {
  const { bucketCounts: counts, explicitBounds: bounds } = point;
  if (!Array.isArray(counts) || !Array.isArray(bounds) || bounds.length === 0 || count < 2) return [];
  return QUANTILES.flatMap((quantile) => {
    let rank = quantile * count;
    const bucket = counts.findIndex((each) => {
      rank -= Number(each);
      return rank <= 0;
    });
    const bound = bucket < 0 || bucket >= bounds.length ? point.max : bounds[bucket];
    return bound === undefined ? [] : [[`p${quantile * 100} ≤`, bound] as const];
  });
}
