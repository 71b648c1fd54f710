/**
 * Quantiles within 1 %, without keeping values: each is counted in a bin with all values close to it (Masson, Rim and Lee,
 * "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", 2019). Bins are as wide at any
 * size, relative to it, so there are few of them: about 1,150 for all numbers from 1 to a thousand million.
 */

/** The logarithm of how much larger each bin is than the one before: its middle is within 0.91 % of all that is in it. */
const BIN_WIDTH = 0.018;
const PER_LOG = 1 / BIN_WIDTH;
/** Smaller values, which have not all their digits, count as 0. */
const LEAST = 2.3e-308;

/** What all sketches of a query may take together. */
export interface BinBudget {
  left: number;
}

export class Sketch {
  readonly #budget: BinBudget;
  readonly #positive = new Map<number, number>();
  readonly #negative = new Map<number, number>();
  #zeros = 0;
  #count = 0;
  #isFull = false;

  constructor(budget: BinBudget) {
    this.#budget = budget;
  }

  add(value: number): void {
    if (this.#isFull) return;
    this.#count++;
    if (value >= LEAST) this.#into(this.#positive, value);
    else if (value <= -LEAST) this.#into(this.#negative, -value);
    else this.#zeros++;
  }

  /** How many bins it has. */
  get size(): number {
    return this.#positive.size + this.#negative.size;
  }

  /**
   * The values at some ranks, each from 0 to 1, in order: of n values, the one at the whole part of rank × (n − 1) when they
   * are sorted. Undefined when there was no place for all values.
   */
  quantiles(ranks: readonly number[]): readonly number[] | undefined {
    if (this.#isFull || this.#count === 0) return undefined;
    const found: number[] = [];
    let seen = 0;
    const pass = (value: number, count: number): void => {
      seen += count;
      while (found.length < ranks.length && Math.floor((ranks[found.length] ?? 0) * (this.#count - 1)) < seen) {
        found.push(value);
      }
    };
    for (const [bin, count] of sorted(this.#negative).reverse()) pass(-middleOf(bin), count);
    pass(0, this.#zeros);
    for (const [bin, count] of sorted(this.#positive)) pass(middleOf(bin), count);
    return found;
  }

  #into(bins: Map<number, number>, value: number): void {
    const bin = Math.ceil(Math.log(value) * PER_LOG);
    const count = bins.get(bin);
    if (count === undefined && this.#budget.left-- <= 0) {
      // Without some of the values, none of its quantiles would be right.
      this.#isFull = true;
      this.#budget.left += this.size + 1;
      this.#positive.clear();
      this.#negative.clear();
      return;
    }
    bins.set(bin, (count ?? 0) + 1);
  }
}

function sorted(bins: ReadonlyMap<number, number>): (readonly [number, number])[] {
  return [...bins].sort(([a], [b]) => a - b);
}

function middleOf(bin: number): number {
  return Math.exp((bin - 0.5) * BIN_WIDTH);
}
