/** The values of one group: their sum, exact to the digit while they are integers, the least, the most, and quantiles. */

import type { AggregateNumber, AggregateRow } from '../../model/aggregate.ts';
import type { FilterNumber } from '../../model/filter.ts';
import { type BinBudget, Sketch } from './sketch.ts';

const RANKS = [0.5, 0.95, 0.99];

/** What a row says of its values. */
type Summed = Omit<AggregateRow, 'group' | 'other' | 'bucket' | 'count'>;

export class ValueTotal {
  readonly #sketch: Sketch;
  #values = 0;
  #notFinite = 0;
  /** Integers are summed as numbers while that is exact, and what does not fit any more is kept beside. */
  #small = 0;
  #large = 0n;
  /** The sum of all others, with what each addition has lost (Neumaier's form of Kahan's sum). */
  #fractions: { sum: number; lost: number } | undefined;
  #min: FilterNumber = Number.POSITIVE_INFINITY;
  #max: FilterNumber = Number.NEGATIVE_INFINITY;

  constructor(budget: BinBudget) {
    this.#sketch = new Sketch(budget);
  }

  add(value: FilterNumber): void {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.#notFinite++;
      return;
    }
    this.#values++;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    this.#sketch.add(Number(value));
    if (typeof value === 'bigint') this.#large += value;
    else if (Number.isSafeInteger(value)) this.#addInteger(value);
    else this.#addFraction(value);
  }

  get bins(): number {
    return this.#sketch.size;
  }

  summed(): Summed {
    const notFinite = this.#notFinite === 0 ? {} : { not_finite: this.#notFinite };
    if (this.#values === 0) return { values: 0, ...notFinite };
    const sum = this.#sum();
    const [p50, p95, p99] = (this.#sketch.quantiles(RANKS) ?? []).map((value) => this.#within(value));
    return {
      values: this.#values,
      sum: jsonNumber(sum),
      min: jsonNumber(this.#min),
      max: jsonNumber(this.#max),
      average: jsonNumber(Number(sum) / this.#values),
      ...(p50 === undefined || p95 === undefined || p99 === undefined ? {} : { p50, p95, p99 }),
      ...notFinite,
    };
  }

  #addInteger(value: number): void {
    const sum = this.#small + value;
    if (Number.isSafeInteger(sum)) {
      this.#small = sum;
      return;
    }
    this.#large += BigInt(this.#small);
    this.#small = value;
  }

  #addFraction(value: number): void {
    this.#fractions ??= { sum: 0, lost: 0 };
    const { sum } = this.#fractions;
    const next = sum + value;
    this.#fractions.lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    this.#fractions.sum = next;
  }

  #sum(): FilterNumber {
    const integers = this.#large + BigInt(this.#small);
    if (this.#fractions === undefined) return integers;
    const { sum, lost } = this.#fractions;
    // Beyond the largest double there is no telling what was lost.
    return Number.isFinite(sum) ? Number(integers) + lost + sum : sum;
  }

  /** A quantile is no less than the least value and no more than the most. */
  #within(value: number): AggregateNumber {
    const [least, most] = [Number(this.#min), Number(this.#max)];
    return jsonNumber(Math.min(Math.max(value, least), most));
  }
}

/** As the `message` view writes numbers. */
function jsonNumber(value: FilterNumber): AggregateNumber {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
