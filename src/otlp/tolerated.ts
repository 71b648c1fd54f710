/**
 * What a request held that OTLP does not allow and that was repaired or read all the same: counted by kind, and where
 * the sender should know it, a warning in the response (OTLP specification, Partial Success: rejected 0 and a message).
 */

import type { Signal } from '../model/record.ts';
import { streamsText } from './rejections.ts';

/** A closed list: labels of a counter. */
export const TOLERATED_KINDS = ['strings'] as const;
export type ToleratedKind = (typeof TOLERATED_KINDS)[number];

/** One thing that was tolerated, and how often in one stream. */
export interface ToleratedReason {
  readonly kind: ToleratedKind;
  /** What was done, and how to cure it. */
  readonly reason: string;
  readonly count: number;
  /** Undefined for what was stored in no stream. */
  readonly stream?: string;
}

/** How many pairs of kind and stream are told apart; of later ones only the number counts. */
const REASONS_MAX = 16;

/** By kind: one and many of what was repaired, and why. */
const TEXTS: Readonly<Record<ToleratedKind, readonly [one: string, many: string, why: string]>> = {
  strings: [
    'string',
    'strings',
    'not UTF-8, or with half of a surrogate pair, for which there is U+FFFD or ? now: cut text between characters, and send UTF-8',
  ],
};

/** What was tolerated in one request. */
export class Tolerated {
  readonly counts = new Map<ToleratedKind, number>();
  readonly #reasons = new Map<string, { readonly kind: ToleratedKind; readonly stream?: string; count: number }>();

  add(kind: ToleratedKind, count: number, stream?: string): void {
    if (count === 0) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + count);
    const isKnown =
      stream !== undefined && (this.#reasons.size < REASONS_MAX || this.#reasons.has(`${kind} ${stream}`));
    const key = isKnown ? `${kind} ${stream}` : kind;
    const reason = this.#reasons.get(key) ?? (isKnown ? { kind, stream, count: 0 } : { kind, count: 0 });
    reason.count += count;
    this.#reasons.set(key, reason);
  }

  reasons(): readonly ToleratedReason[] {
    return [...this.#reasons.values()].map((entry) => ({
      ...entry,
      reason: `${TEXTS[entry.kind][1]} ${TEXTS[entry.kind][2]}`,
    }));
  }

  /** Sentences for the sender, one for each kind. */
  sentences(_signal: Signal): readonly string[] {
    const streams = new Map<ToleratedKind, Set<string>>();
    for (const { kind, stream } of this.#reasons.values()) {
      const names = streams.get(kind) ?? new Set<string>();
      streams.set(kind, stream === undefined ? names : names.add(stream));
    }
    return [...streams].map(([kind, names]) => {
      const count = this.counts.get(kind) ?? 0;
      const [one, many, why] = TEXTS[kind];
      return `repaired ${count} ${count === 1 ? one : many}${streamsText(names)}: ${why}`;
    });
  }
}
