/** What a server did wrong with the records of a benchmark: how often, and the first cases of each kind in words. */

export type FaultKind = 'lost' | 'doubled' | 'reordered' | 'changed' | 'foreign' | 'misnumbered' | 'miscounted';

/** What each kind means, as the report says it. */
const MEANINGS: Readonly<Record<FaultKind, string>> = {
  lost: 'acknowledged and not there',
  doubled: 'there more than once',
  reordered: 'behind records that were appended later',
  changed: 'not the bytes that were appended',
  foreign: 'not appended by this benchmark',
  misnumbered: 'sequence numbers that do not follow on each other',
  miscounted: 'counts of the server that are wrong',
};
const EXAMPLES_MAX = 3;

export interface RecordFault {
  readonly kind: FaultKind;
  readonly meaning: string;
  readonly count: number;
  readonly examples: readonly string[];
}

export class Faults {
  readonly #found = new Map<FaultKind, { count: number; examples: string[] }>();

  /** `count` cases that one sentence describes. */
  add(kind: FaultKind, example: string, count = 1): void {
    const fault = this.#found.get(kind) ?? { count: 0, examples: [] };
    this.#found.set(kind, fault);
    fault.count += count;
    if (fault.examples.length < EXAMPLES_MAX) fault.examples.push(example);
  }

  list(): readonly RecordFault[] {
    return [...this.#found].map(([kind, { count, examples }]) => ({ kind, meaning: MEANINGS[kind], count, examples }));
  }
}
