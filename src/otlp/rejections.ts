/** Collects what is rejected of a request, and says so in short sentences (OTLP specification, Partial Success). */

import type { Signal } from '../model/record.ts';

/** How many reasons are told apart; later ones are counted together. */
const REASONS_MAX = 16;
const NAME_CHARS_MAX = 100;

/** The classes of reasons, a closed list: labels of counters. */
export type RejectionKind =
  | 'unroutable'
  | 'no_stream'
  | 'not_allowed'
  | 'too_large'
  | 'too_deep'
  | 'bad_value'
  | 'no_time'
  | 'encrypted'
  | 'missing_attribute'
  | 'long_key'
  | 'basin_full'
  | 'too_many_streams';

/** Why something is rejected: its class, and what to tell the sender. */
export interface Rejection {
  readonly kind: RejectionKind;
  readonly text: string;
  /** Where in the request the first of them is. It is for the sender alone: to the server each request would be another reason. */
  readonly place?: string;
}

/** One reason and how much it rejected, in the units of OTLP: log records, spans, data points. */
export interface RejectionReason {
  readonly kind: RejectionKind;
  readonly reason: string;
  readonly count: number;
  /** The first stream that it concerns, if it concerns a stream. */
  readonly stream?: string;
}

const NOUNS: Readonly<Record<Signal, readonly [one: string, many: string]>> = {
  logs: ['log record', 'log records'],
  traces: ['span', 'spans'],
  metrics: ['data point', 'data points'],
};

interface ReasonGroup {
  readonly kind: RejectionKind;
  readonly text: string;
  readonly place: string | undefined;
  count: number;
  readonly streams: Set<string>;
}

const NO_REASONS: readonly RejectionReason[] = [];
const NO_SENTENCES: readonly string[] = [];

/** The rejections of one request. */
export class Rejections {
  /** In the units of OTLP. */
  count = 0;
  // Nearly every request leaves it empty: nothing is allocated for it.
  #groups: Map<string, ReasonGroup> | undefined;

  add({ kind, text, place }: Rejection, count: number, stream?: string): void {
    this.count += count;
    this.#groups ??= new Map();
    const known = this.#groups.has(text) || this.#groups.size < REASONS_MAX;
    const key = known ? text : `other reasons of the kind ${kind}`;
    const group = this.#groups.get(key) ?? {
      ...{ kind, text: key, count: 0, streams: new Set<string>() },
      place: known ? place : undefined,
    };
    group.count += count;
    if (stream !== undefined && known) group.streams.add(stream);
    this.#groups.set(key, group);
  }

  reasons(): readonly RejectionReason[] {
    if (this.#groups === undefined) return NO_REASONS;
    return [...this.#groups.values()].map(({ kind, text, count, streams }) => {
      const [stream] = streams;
      return stream === undefined ? { kind, reason: text, count } : { kind, reason: text, count, stream };
    });
  }

  /** Sentences for the sender. */
  sentences(signal: Signal): readonly string[] {
    if (this.#groups === undefined) return NO_SENTENCES;
    return [...this.#groups].map(([reason, group]) => {
      const noun = NOUNS[signal][group.count === 1 ? 0 : 1];
      return `rejected ${group.count} ${noun}${streamsText(group.streams)}: ${reason}${placeText(group)}`;
    });
  }
}

function placeText({ place }: ReasonGroup): string {
  return place === undefined ? '' : ` (first at ${place})`;
}

/** Which streams a sentence is about. */
export function streamsText(streams: ReadonlySet<string>): string {
  const [first] = streams;
  if (first === undefined) return '';
  const name = JSON.stringify(first.length > NAME_CHARS_MAX ? `${first.slice(0, NAME_CHARS_MAX)}…` : first);
  return streams.size === 1 ? ` of stream ${name}` : ` of stream ${name} and ${streams.size - 1} more`;
}
