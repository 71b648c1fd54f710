/**
 * What a request held that OTLP does not allow and that was repaired or read all the same: counted by kind, and where
 * the sender should know it, a warning in the response (OTLP specification, Partial Success: rejected 0 and a message).
 */

import { streamsText } from './rejections.ts';

/** A closed list: labels of a counter. */
export type ToleratedKind =
  | 'strings'
  | 'ids'
  | 'snake_case'
  | 'byte_lists'
  | 'integers'
  | 'integer_halves'
  | 'old_names'
  | 'empty';

/** One thing that was tolerated, and how often in one stream. */
export interface ToleratedReason {
  readonly kind: ToleratedKind;
  /** What it is, what became of it, and how to cure it. */
  readonly reason: string;
  readonly count: number;
  /** Undefined for what was stored in no stream. */
  readonly stream?: string;
}

/** How many pairs of kind and stream are told apart; of later ones only the number counts. */
const REASONS_MAX = 16;

/** What is repaired within items: one and many of them, and why. */
const REPAIRS = {
  strings: {
    one: 'string',
    many: 'strings',
    why: 'not UTF-8, or with half of a surrogate pair, for which there is U+FFFD or ? now: cut text between characters, and send UTF-8',
  },
  ids: {
    one: 'id',
    many: 'ids',
    why: 'trace and span ids have 16 and 8 bytes, as hex in JSON and as bytes in protobuf; what was sent is in the attribute otel.id_malformed',
  },
} as const satisfies Partial<Record<ToleratedKind, { one: string; many: string; why: string }>>;

type RepairKind = keyof typeof REPAIRS;

const NO_REASONS: readonly ToleratedReason[] = [];
const NO_SENTENCES: readonly string[] = [];
const NO_COUNTS: ReadonlyMap<ToleratedKind, number> = new Map();

/** What was tolerated in one request. */
export class Tolerated {
  // Nearly every request leaves these as they are: nothing is allocated for it.
  #counts: Map<ToleratedKind, number> | undefined;
  #repairs: Map<string, { readonly kind: RepairKind; readonly stream?: string; count: number }> | undefined;
  #notes: readonly ToleratedReason[] = NO_REASONS;

  get counts(): ReadonlyMap<ToleratedKind, number> {
    return this.#counts ?? NO_COUNTS;
  }

  /** Only counts: readers of the data lose nothing by it. */
  count(kind: ToleratedKind, count: number): void {
    if (count === 0) return;
    this.#counts ??= new Map();
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
  }

  /** Something was repaired in items of a stream; of none when they were rejected. */
  repaired(kind: RepairKind, count: number, stream?: string): void {
    this.count(kind, count);
    this.#repairs ??= new Map();
    const isKnown =
      stream !== undefined && (this.#repairs.size < REASONS_MAX || this.#repairs.has(`${kind} ${stream}`));
    const key = isKnown ? `${kind} ${stream}` : kind;
    const repair = this.#repairs.get(key) ?? (isKnown ? { kind, stream, count: 0 } : { kind, count: 0 });
    repair.count += count;
    this.#repairs.set(key, repair);
  }

  /** Something about the request as a whole, as a sentence for its sender. */
  note(kind: ToleratedKind, reason: string): void {
    this.count(kind, 1);
    this.#notes = [...this.#notes, { kind, reason, count: 1 }];
  }

  reasons(): readonly ToleratedReason[] {
    if (this.#repairs === undefined) return this.#notes;
    const repairs = [...this.#repairs.values()].map((repair) => {
      const { many, why } = REPAIRS[repair.kind];
      return { ...repair, reason: `repaired ${many}: ${why}` };
    });
    return [...repairs, ...this.#notes];
  }

  /** For the sender: one for each kind of repair, and the notes. */
  sentences(): readonly string[] {
    if (this.#notes.length === 0 && this.#repairs === undefined) return NO_SENTENCES;
    const notes = this.#notes.map(({ reason }) => reason);
    if (this.#repairs === undefined) return notes;
    const streams = new Map<RepairKind, Set<string>>();
    for (const { kind, stream } of this.#repairs.values()) {
      const names = streams.get(kind) ?? new Set<string>();
      streams.set(kind, stream === undefined ? names : names.add(stream));
    }
    const repairs = [...streams].map(([kind, names]) => {
      const count = this.counts.get(kind) ?? 0;
      const { one, many, why } = REPAIRS[kind];
      return `repaired ${count} ${count === 1 ? one : many}${streamsText(names)}: ${why}`;
    });
    return [...repairs, ...notes];
  }
}
