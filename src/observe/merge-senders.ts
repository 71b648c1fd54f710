/**
 * Senders of several nodes as those of one. A sender may be known to two of them: when another node has begun to lead, or
 * when nothing says which basin it sends to.
 */

import { SENDER_NAMES_MAX, SENDER_REASONS_MAX } from '../model/limits.ts';
import type { Sender, SignalCounts } from './sender.ts';
import type { Senders } from './senders.ts';

/** What one process knows; as JSON it can be sent. */
export interface SendersPart {
  /** Whose it is: a process that is asked twice counts once. */
  readonly instance: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly senders: readonly PlainSender[];
}

type SenderSet = 'services' | 'protocols' | 'encodings' | 'streams';
type SenderMap = 'signals' | 'rejections' | 'repairs' | 'refusals';
type EntriesOf<M> = M extends ReadonlyMap<infer K, infer V> ? readonly (readonly [K, V])[] : never;
type ItemsOf<S> = S extends ReadonlySet<infer V> ? readonly V[] : never;

type PlainSender = Omit<Sender, SenderSet | SenderMap> & {
  readonly [Name in SenderSet]: ItemsOf<Sender[Name]>;
} & { readonly [Name in SenderMap]: EntriesOf<Sender[Name]> };

export function sendersPart(senders: Pick<Senders, 'instance' | 'since' | 'list'>): SendersPart {
  return { instance: senders.instance, since: senders.since, senders: senders.list().map(plainOf) };
}

/** Those that sent last come first; `since` is when the last of the processes began. */
export function mergeSenders(parts: readonly SendersPart[]): {
  readonly since: number;
  readonly senders: readonly Sender[];
} {
  const byInstance = new Map(parts.map((part) => [part.instance, part]));
  const merged = new Map<string, Sender>();
  for (const { senders } of byInstance.values()) {
    for (const plain of senders) {
      const sender = senderOf(plain);
      const { address, userAgent, token, basin, services } = sender;
      const key = JSON.stringify([address, userAgent, token, basin, [...services].sort()]);
      const known = merged.get(key);
      merged.set(key, known === undefined ? sender : together(known, sender));
    }
  }
  const since = Math.max(...parts.map((part) => part.since));
  return { since, senders: [...merged.values()].sort((a, b) => b.lastSeen - a.lastSeen) };
}

function plainOf(sender: Sender): PlainSender {
  const { address, userAgent, token, basin, sdk, refused, clockSkewMs, latencies, firstSeen, lastSeen } = sender;
  return {
    ...{ address, userAgent, token, basin, sdk, refused, clockSkewMs, latencies, firstSeen, lastSeen },
    ...{ services: [...sender.services], protocols: [...sender.protocols], encodings: [...sender.encodings] },
    ...{ streams: [...sender.streams], signals: [...sender.signals], rejections: [...sender.rejections] },
    ...{ repairs: [...sender.repairs], refusals: [...sender.refusals] },
  };
}

function senderOf(plain: PlainSender): Sender {
  return {
    ...plain,
    ...{ services: new Set(plain.services), protocols: new Set(plain.protocols), encodings: new Set(plain.encodings) },
    ...{ streams: new Set(plain.streams), signals: new Map(plain.signals), rejections: new Map(plain.rejections) },
    ...{ repairs: new Map(plain.repairs), refusals: new Map(plain.refusals) },
  };
}

/** What changes with each request is that of the one that sent last. */
function together(one: Sender, other: Sender): Sender {
  const [older, newer] = one.lastSeen <= other.lastSeen ? [one, other] : [other, one];
  const some = <T>(a: ReadonlySet<T>, b: ReadonlySet<T>) => new Set([...a, ...b].slice(0, SENDER_NAMES_MAX));
  return {
    ...newer,
    sdk: newer.sdk ?? older.sdk,
    protocols: new Set([...older.protocols, ...newer.protocols]),
    encodings: new Set([...older.encodings, ...newer.encodings]),
    streams: some(older.streams, newer.streams),
    signals: joined(older.signals, newer.signals, countsOf),
    rejections: newest(joined(older.rejections, newer.rejections, reasonOf)),
    repairs: newest(joined(older.repairs, newer.repairs, reasonOf)),
    refusals: newest(joined(older.refusals, newer.refusals, reasonOf)),
    refused: older.refused + newer.refused,
    clockSkewMs: newer.clockSkewMs ?? older.clockSkewMs,
    latencies: newer.latencies ?? older.latencies,
    firstSeen: Math.min(older.firstSeen, newer.firstSeen),
  };
}

function joined<K, V>(one: ReadonlyMap<K, V>, other: ReadonlyMap<K, V>, both: (a: V, b: V) => V): Map<K, V> {
  const all = new Map(one);
  for (const [key, value] of other) {
    const known = all.get(key);
    all.set(key, known === undefined ? value : both(known, value));
  }
  return all;
}

function countsOf(one: SignalCounts, other: SignalCounts): SignalCounts {
  return {
    requests: one.requests + other.requests,
    accepted: one.accepted + other.accepted,
    rejected: one.rejected + other.rejected,
    lastSeen: Math.max(one.lastSeen, other.lastSeen),
  };
}

interface CountedReason {
  readonly count: number;
  readonly lastSeen: number;
}

function reasonOf<R extends CountedReason>(one: R, other: R): R {
  const last = one.lastSeen <= other.lastSeen ? other : one;
  return { ...last, count: one.count + other.count };
}

/** As many as one process keeps; the newest one is the last. */
function newest<K, R extends CountedReason>(reasons: ReadonlyMap<K, R>): Map<K, R> {
  return new Map([...reasons].sort(([, a], [, b]) => a.lastSeen - b.lastSeen).slice(-SENDER_REASONS_MAX));
}
