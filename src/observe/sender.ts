/** One sender: what is known about it, and how a request changes that. Bounded: see `SENDER_NAMES_MAX`. */

import type { ErrorCode } from '../model/error.ts';
import { SENDER_NAMES_MAX, SENDER_REASONS_MAX, SENDER_TEXT_CHARS_MAX } from '../model/limits.ts';
import type { OtlpSdk, OtlpSource } from '../model/otlp-source.ts';
import type { Signal } from '../model/record.ts';
import { type LatencyQuantiles, RecentLatencies } from './recent-latencies.ts';
import { redact } from './redact.ts';

/** One OTLP request, when its outcome is known. */
export interface SenderNote {
  readonly address: string;
  /** One object for all requests over the same connection. */
  readonly connection: object;
  readonly userAgent: string | undefined;
  readonly protocol: SenderProtocol;
  /** Undefined when the path does not say it. */
  readonly signal: Signal | undefined;
  readonly encoding: SenderEncoding | undefined;
  /** Id of the token, never its secret; undefined for one who showed no valid token. */
  readonly token: string | undefined;
  /** Where the data goes to; undefined when that is not known, or the caller may not send there. */
  readonly basin: string | undefined;
  readonly source: OtlpSource | undefined;
  /** When its headers were there, on the monotonic clock. */
  readonly beganAt: number;
  readonly outcome: TakenData | RefusedData;
}

export type SenderProtocol = 'http' | 'grpc';
export type SenderEncoding = 'protobuf' | 'json';

/** The request was stored, all of it or in part: counts are those of OTLP. */
export interface TakenData {
  readonly accepted: number;
  readonly rejected: number;
  readonly reasons: readonly TakenReason[];
  /** What was repaired, or read although OTLP does not allow it. */
  readonly repairs: readonly TakenReason[];
}

export interface TakenReason {
  readonly kind: string;
  readonly reason: string;
  readonly count: number;
}

/** Nothing of the request was stored. */
export interface RefusedData {
  readonly code: ErrorCode;
  readonly message: string;
  /** What was asked for, as the request says it. */
  readonly path: string;
}

/** Times in milliseconds since the epoch. */
export interface Sender {
  readonly address: string;
  readonly userAgent: string | undefined;
  readonly token: string | undefined;
  readonly basin: string | undefined;
  /** One, or a few of those whose data comes in common requests; empty when no resource has a `service.name`. */
  readonly services: ReadonlySet<string>;
  readonly sdk: OtlpSdk | undefined;
  readonly protocols: ReadonlySet<SenderProtocol>;
  readonly encodings: ReadonlySet<SenderEncoding>;
  /** A few, absolute. */
  readonly streams: ReadonlySet<string>;
  /** What was stored. */
  readonly signals: ReadonlyMap<Signal, SignalCounts>;
  /** By their kind. */
  readonly rejections: ReadonlyMap<string, SenderReason>;
  /** By their kind: what was repaired in data that was stored. */
  readonly repairs: ReadonlyMap<string, SenderReason>;
  /** By their code. */
  readonly refusals: ReadonlyMap<ErrorCode, SenderRefusal>;
  readonly refused: number;
  /** How far its times were ahead of ours when data came last; less than 0 behind, also because data was kept back. */
  readonly clockSkewMs: number | undefined;
  /** How long the last requests took until what they brought was on disk; undefined before one that brought something. */
  readonly latencies: LatencyQuantiles | undefined;
  readonly firstSeen: number;
  readonly lastSeen: number;
}

export interface SignalCounts {
  readonly requests: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly lastSeen: number;
}

export interface SenderReason {
  readonly reason: string;
  readonly signal: Signal | undefined;
  readonly count: number;
  readonly lastSeen: number;
}

export interface SenderRefusal {
  readonly message: string;
  readonly path: string;
  readonly signal: Signal | undefined;
  readonly count: number;
  readonly lastSeen: number;
}

/** The request was stored, all of it or in part; something in it was not; nothing of it was. */
export const OUTCOMES = ['taken', 'rejected', 'refused'] as const;

export type SenderOutcome = (typeof OUTCOMES)[number];

/** Counts that grow. */
type Growing<T> = { -readonly [key in keyof T]: T[key] };

export class SenderRow implements Sender {
  readonly address: string;
  readonly userAgent: string | undefined;
  readonly token: string | undefined;
  readonly basin: string | undefined;
  readonly services = new Set<string>();
  sdk: OtlpSdk | undefined;
  readonly protocols = new Set<SenderProtocol>();
  readonly encodings = new Set<SenderEncoding>();
  readonly streams = new Set<string>();
  readonly signals = new Map<Signal, Growing<SignalCounts>>();
  readonly rejections = new Map<string, Growing<SenderReason>>();
  readonly repairs = new Map<string, Growing<SenderReason>>();
  readonly refusals = new Map<ErrorCode, Growing<SenderRefusal>>();
  refused = 0;
  clockSkewMs: number | undefined;
  /** Strangers, of whom nothing is stored, need none. */
  #latencies: RecentLatencies | undefined;
  readonly firstSeen: number;
  lastSeen: number;
  readonly key: string;
  /** Whose share of the table it takes. */
  readonly owner: string;
  isForgotten = false;
  /** As keys have them. */
  readonly #userAgent: string;
  readonly #token: string | undefined;
  readonly #service: string;

  constructor(key: string, note: SenderNote, now: number) {
    this.key = key;
    this.address = note.address;
    this.#userAgent = clipped(note.userAgent ?? '');
    this.#token = note.token;
    this.userAgent = note.userAgent === undefined ? undefined : shown(note.userAgent);
    this.token = note.token === undefined ? undefined : shown(note.token);
    this.basin = note.basin;
    this.owner = note.token ?? note.address;
    this.#service = serviceOf(note.source);
    this.firstSeen = now;
    this.lastSeen = now;
  }

  get latencies(): LatencyQuantiles | undefined {
    return this.#latencies?.quantiles();
  }

  /** Whether a request over the same connection is of this sender. One that says no service is that of the last one. */
  isFrom({ address, userAgent, token, basin, source }: SenderNote): boolean {
    // A proxy sends what comes from many addresses over one connection.
    if (this.isForgotten || address !== this.address || token !== this.#token || basin !== this.basin) return false;
    if (clipped(userAgent ?? '') !== this.#userAgent) return false;
    return source === undefined || source.resources === 0 || serviceOf(source) === this.#service;
  }

  had(outcome: SenderOutcome, since: number): boolean {
    const when = { taken: this.signals, rejected: this.rejections, refused: this.refusals }[outcome];
    for (const { lastSeen } of when.values()) if (lastSeen >= since) return true;
    return false;
  }

  add({ protocol, encoding, signal, source, outcome }: SenderNote, now: number, tookMs: number): void {
    this.lastSeen = now;
    this.protocols.add(protocol);
    if (encoding !== undefined) this.encodings.add(encoding);
    if (source !== undefined) this.#addSource(source, now);
    if ('code' in outcome) this.#addRefusal(outcome, signal, now);
    else this.#addTaken(outcome, signal, tookMs, now);
  }

  #addSource({ service, sdk, newestMs, streams }: OtlpSource, now: number): void {
    if (service !== '') addSome(this.services, service);
    if (sdk !== undefined) this.sdk = sdk;
    for (const stream of streams) addSome(this.streams, stream);
    if (newestMs > 0) this.clockSkewMs = newestMs - now;
  }

  #addTaken(
    { accepted, rejected, reasons, repairs }: TakenData,
    signal: Signal | undefined,
    tookMs: number,
    now: number,
  ): void {
    // Without data nothing has to be on disk before the answer.
    if (accepted > 0) {
      this.#latencies ??= new RecentLatencies();
      this.#latencies.add(tookMs);
    }
    if (signal !== undefined) {
      const counts = this.signals.get(signal) ?? { requests: 0, accepted: 0, rejected: 0, lastSeen: now };
      counts.requests++;
      counts.accepted += accepted;
      counts.rejected += rejected;
      counts.lastSeen = now;
      this.signals.set(signal, counts);
    }
    for (const one of reasons) addReason(this.rejections, one, signal, now);
    for (const one of repairs) addReason(this.repairs, one, signal, now);
  }

  #addRefusal({ code, message, path }: RefusedData, signal: Signal | undefined, now: number): void {
    this.refused++;
    const found = this.refusals.get(code) ?? { message: '', path: '', signal, count: 0, lastSeen: now };
    found.count++;
    Object.assign(found, { message: shown(message), path: shown(path), signal, lastSeen: now });
    putNewest(this.refusals, code, found);
  }
}

/** Senders behind one Collector come in common requests: they are one sender, with the names of a few. */
const SEVERAL = '\n';

function serviceOf(source: OtlpSource | undefined): string {
  if (source === undefined) return '';
  return source.resources > 1 ? SEVERAL : source.service;
}

/** What tells senders apart. No header and no id of a token holds a line break. */
export function senderKey({ address, userAgent = '', token = '', basin = '', source }: SenderNote): string {
  return `${address}\n${clipped(userAgent)}\n${token}\n${basin}\n${serviceOf(source)}`;
}

function clipped(text: string): string {
  return text.length <= SENDER_TEXT_CHARS_MAX ? text : `${text.slice(0, SENDER_TEXT_CHARS_MAX - 1)}…`;
}

/**
 * What a sender says may be long, and may hold a secret that was put in a wrong place. The result is a copy: a part of a
 * string keeps all of it in memory.
 */
function shown(text: string): string {
  return Buffer.from(clipped(redact(text))).toString();
}

function addReason(
  known: Map<string, Growing<SenderReason>>,
  { kind, reason, count }: TakenReason,
  signal: Signal | undefined,
  now: number,
): void {
  const found = known.get(kind) ?? { reason: '', signal, count: 0, lastSeen: now };
  found.count += count;
  Object.assign(found, { reason: shown(reason), signal, lastSeen: now });
  putNewest(known, kind, found);
}

function addSome(names: Set<string>, name: string): void {
  if (names.size < SENDER_NAMES_MAX) names.add(name);
}

/** Keeps the newest ones. */
function putNewest<K, V>(reasons: Map<K, V>, key: K, value: V): void {
  reasons.delete(key);
  reasons.set(key, value);
  if (reasons.size <= SENDER_REASONS_MAX) return;
  const [first] = reasons.keys();
  if (first !== undefined) reasons.delete(first);
}
