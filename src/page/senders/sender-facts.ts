/** What the list of senders is made of: who is one, how fast it sends, how it goes, what to do about what is wrong. */

import { spanText } from '../parts/time.ts';
import type { SenderEntry, SendersPage } from '../wire/senders.ts';

/** How a sender is doing, by what came last. */
export type SenderState = 'sending' | 'losing' | 'refused' | 'silent';

export interface ShownSender {
  readonly entry: SenderEntry;
  /** Short, for URLs. */
  readonly key: string;
  /** The service, or what else names it. */
  readonly name: string;
  readonly state: SenderState;
  /** Records a second over the last looks; undefined before there are two. */
  readonly rate: number | undefined;
  readonly idleMs: number;
  /** Requests that were refused: those that a client must change, and those that it may send again. */
  readonly refusedForGood: number;
  readonly refusedForNow: number;
  /** It came while the page was open. */
  readonly isNew: boolean;
}

export interface Problem {
  readonly level: 'error' | 'warn' | 'info';
  readonly title: string;
  /** In the server's words, with what to do. */
  readonly text: string;
  readonly count: number | undefined;
  readonly lastSeen: string | undefined;
}

/** Without data for so long, a sender is silent: exporters of metrics send once a minute. */
const SILENT_MS = 90_000;
/** What went wrong within so long colours the state. */
const RECENT_MS = 60_000;
const RATE_MS = 10_000;
const NEW_MS = 30_000;
/** Clocks that differ by less are right. */
export const SKEW_MS_MAX = 30_000;

interface Sample {
  readonly at: number;
  readonly accepted: number;
}

/** Remembers the last looks at each sender, for rates; one for each screen that is open. */
export class SenderHistory {
  readonly #samples = new Map<string, Sample[]>();
  readonly #firstShown = new Map<string, number>();
  #since: string | undefined;
  #looks = 0;

  /** Takes the next look, and returns its senders in the same order. */
  take({ since, now, senders }: SendersPage): readonly ShownSender[] {
    // Counts begin anew with a server that was started again.
    if (this.#since !== since) this.#samples.clear();
    this.#since = since;
    const at = Date.parse(now);
    const isFirst = this.#looks++ === 0;
    const keys = new Set<string>();
    const shown = senders.map((entry) => {
      const key = senderKey(entry);
      keys.add(key);
      const first = this.#firstShown.get(key) ?? (isFirst ? Number.NEGATIVE_INFINITY : at);
      this.#firstShown.set(key, first);
      const rate = this.#rateOf(key, { at, accepted: entry.accepted });
      return { ...shownSender(entry, key, at), rate, isNew: at - first < NEW_MS };
    });
    for (const key of this.#samples.keys()) if (!keys.has(key)) this.#samples.delete(key);
    return shown;
  }

  #rateOf(key: string, sample: Sample): number | undefined {
    const all = [...(this.#samples.get(key) ?? []), sample];
    // The newest one that is old enough, and what came after it.
    while (all.length > 2 && sample.at - (all[1]?.at ?? sample.at) >= RATE_MS) all.shift();
    this.#samples.set(key, all);
    return rateOver(all);
  }
}

/** Between the first and the last; undefined before time has passed, or where the count went back. */
export function rateOver(samples: readonly Sample[]): number | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.at <= first.at || last.accepted < first.accepted) {
    return undefined;
  }
  return (1_000 * (last.accepted - first.accepted)) / (last.at - first.at);
}

/** What tells senders apart, as a short text. */
function senderKey({ address, user_agent, token, basin, service_names }: SenderEntry): string {
  const text = [address, user_agent, token, basin, service_names.length > 1 ? '' : service_names[0]].join('\n');
  let hash = 2_166_136_261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619);
  return (hash >>> 0).toString(36);
}

function shownSender(entry: SenderEntry, key: string, now: number): Omit<ShownSender, 'rate' | 'isNew'> {
  const idleMs = Math.max(0, now - Date.parse(entry.last_seen));
  let refusedForNow = 0;
  for (const { status, count } of entry.refusals) if (isForNow(status)) refusedForNow += count;
  return {
    entry,
    key,
    name: senderName(entry),
    state: stateOf(entry, now, idleMs),
    idleMs,
    refusedForNow,
    refusedForGood: Math.max(0, entry.refused - refusedForNow),
  };
}

function senderName({ service_names: names, user_agent: agent, address }: SenderEntry): string {
  const [first, ...others] = names;
  if (first !== undefined) return others.length === 0 ? first : `${first} + ${others.length}`;
  return agent?.split(/[ (]/, 1)[0] || address;
}

/** 429 and 503: exporters send such a request again by themselves. */
function isForNow(status: number): boolean {
  return status === 429 || status === 503;
}

function stateOf({ refusals, rejections, last_seen: lastSeen }: SenderEntry, now: number, idleMs: number): SenderState {
  const wasRefusedLast = refusals.some((one) => one.last_seen === lastSeen);
  if (wasRefusedLast) return 'refused';
  if (idleMs >= SILENT_MS) return 'silent';
  const isRecent = (one: { readonly last_seen: string }): boolean => now - Date.parse(one.last_seen) < RECENT_MS;
  return rejections.some(isRecent) || refusals.some(isRecent) ? 'losing' : 'sending';
}

/** What is wrong with a sender, the worst first; empty where nothing is. */
export function problemsOf({ entry }: Pick<ShownSender, 'entry'>): readonly Problem[] {
  const unseen = 'The reason names streams that this token may not see.';
  return [
    ...entry.refusals.map((one) => ({
      level: isForNow(one.status) ? ('warn' as const) : ('error' as const),
      title: `${one.status} ${one.code} on ${one.path}`,
      text: `${one.message ?? unseen}${isForNow(one.status) ? ' Nothing is lost while the exporter sends it again by itself.' : ''}`,
      count: one.count,
      lastSeen: one.last_seen,
    })),
    ...entry.rejections.map((one) => ({
      level: 'error' as const,
      title: `${one.signal ?? 'items'} rejected: ${one.reason.replaceAll('_', ' ')}`,
      text: one.message ?? unseen,
      count: one.count,
      lastSeen: one.last_seen,
    })),
    ...skewProblem(entry.clock_skew_ms),
    ...(entry.repairs ?? []).map((one) => ({
      level: 'info' as const,
      title: `${one.signal ?? 'data'} repaired: ${one.kind.replaceAll('_', ' ')}`,
      text: one.message,
      count: one.count,
      lastSeen: one.last_seen,
    })),
  ];
}

function skewProblem(skewMs: number | null): readonly Problem[] {
  if (skewMs === null || Math.abs(skewMs) < SKEW_MS_MAX) return [];
  const [title, text] =
    skewMs > 0
      ? [
          `its clock is ${spanText(skewMs)} ahead`,
          'Set the clock of its machine by NTP: its records sort after newer ones of others.',
        ]
      : [
          `its times are ${spanText(-skewMs)} behind`,
          'Either the clock of its machine is slow (set it by NTP), or the data waited on the way, as in the queue of a Collector or in an exporter that sends seldom.',
        ];
  return [{ level: 'warn', title, text, count: undefined, lastSeen: undefined }];
}

/** `+3 min`, `-40 s`, or that it is right. */
export function skewText(skewMs: number | null): string {
  if (skewMs === null) return '–';
  if (Math.abs(skewMs) < SKEW_MS_MAX) return 'right';
  return `${skewMs > 0 ? '+' : '−'}${spanText(Math.abs(skewMs))}`;
}

/** What the columns sort by. */
export const SORTED_BY: Readonly<Record<string, (sender: ShownSender) => string | number | undefined>> = {
  name: ({ name }) => name.toLowerCase(),
  state: ({ state }) => ['refused', 'losing', 'silent', 'sending'].indexOf(state),
  rate: ({ rate }) => rate,
  accepted: ({ entry }) => entry.accepted,
  rejected: ({ entry }) => entry.rejected,
  refused: ({ entry }) => entry.refused,
  seen: ({ idleMs }) => -idleMs,
  skew: ({ entry }) => (entry.clock_skew_ms === null ? undefined : Math.abs(entry.clock_skew_ms)),
  ack: ({ entry }) => entry.ack_ms?.p99,
};

/** Whether each word of the search is somewhere in what a sender says of itself. */
export function isWanted({ entry, state }: ShownSender, search: string): boolean {
  const text = [
    entry.address,
    entry.user_agent,
    entry.token,
    entry.basin,
    state,
    ...entry.service_names,
    ...entry.streams,
    ...entry.protocols,
    ...entry.encodings,
    entry.sdk?.name,
    entry.sdk?.language,
    ...entry.rejections.map(({ reason }) => reason),
    ...entry.refusals.map(({ status, code }) => `${status} ${code}`),
  ]
    .join('\n')
    .toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
