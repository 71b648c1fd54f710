/**
 * How much OTLP data may come: in bytes and spans, from a token, into a basin and into each of its streams. A request is
 * taken by all buckets that it meets, or refused by one of them before anything of it is stored.
 */

import type { Basin } from '../../log/basins.ts';
import type { Clock } from '../../model/clock.ts';
import { TailraceError } from '../../model/error.ts';
import { RATES_SWEEP_MS } from '../../model/limits.ts';
import { rateOf } from '../../model/otlp-policy.ts';
import type { Principal } from '../grant.ts';
import { FairBucket } from './fair-bucket.ts';
import type { Rate } from './token-bucket.ts';

/** What a request is about to take. */
export interface RateUse {
  /** Of its body, decompressed. */
  readonly bytes: number;
  readonly spans: number;
  /** How many of the bytes go to each stream, by the name that the sender says. Called only when that counts. */
  streams(): Iterable<readonly [stream: string, bytes: number]>;
}

/** The limits that a request of one sender into one basin meets. */
export interface SenderRates {
  /**
   * Whether a request has a chance now, before it costs anything.
   * @throws TailraceError `rate_limited` with the seconds after which it has
   */
  expectOpen(counts: { readonly spans: boolean }): void;
  /** Takes all of it, or nothing. @throws TailraceError `rate_limited` as `expectOpen` */
  take(use: RateUse): void;
}

/** A bucket with its rate and what its refusal says. */
interface Gate {
  readonly key: string;
  readonly rate: Rate;
  readonly unit: 'bytes' | 'spans';
  refusal(seconds: number): string;
}

interface KeptBucket {
  readonly bucket: FairBucket;
  rate: Rate;
}

const SECONDS_PER_MINUTE = 60;
/** The burst of a rate that comes without one. */
export const BURST_SECONDS = 2;

/** Counts in memory: as many buckets as are not full. */
export class IngestRates {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, KeptBucket>();
  #sweptMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sweptMs = clock.monotonicMs();
  }

  /** Buckets that are kept now. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Undefined where nothing limits the sender. */
  of(principal: Principal, basin: Basin): SenderRates | undefined {
    const perStream = streamRate(basin);
    const gates = [...tokenGates(principal), ...basinGates(basin)];
    if (gates.length === 0 && perStream === undefined) return undefined;
    const take = (use: RateUse): void => {
      const wanted = gates.map((gate): readonly [Gate, number] => [gate, use[gate.unit]]);
      if (perStream !== undefined) {
        for (const [name, bytes] of use.streams()) {
          wanted.push([streamGate(basin, perStream, principal.absolute(name), name), bytes]);
        }
      }
      this.#take(principal.id, wanted);
    };
    return {
      expectOpen: ({ spans }) =>
        this.#expectOpen(
          principal.id,
          gates.filter(({ unit }) => unit === 'bytes' || spans),
        ),
      take,
    };
  }

  #take(sender: string, wanted: readonly (readonly [gate: Gate, amount: number])[]): void {
    const counted = wanted.filter(([, amount]) => amount > 0);
    this.#expectOpen(
      sender,
      counted.map(([gate]) => gate),
    );
    const nowMs = this.#clock.monotonicMs();
    for (const [{ key, rate }, amount] of counted) this.#bucketOf(key, rate, nowMs).take(sender, rate, nowMs, amount);
  }

  #expectOpen(sender: string, gates: readonly Gate[]): void {
    const nowMs = this.#clock.monotonicMs();
    this.#sweep(nowMs);
    let refused: Gate | undefined;
    let longest = 0;
    for (const gate of gates) {
      const wait = this.#buckets.get(gate.key)?.bucket.waitMs(sender, gate.rate, nowMs) ?? 0;
      if (wait <= longest) continue;
      longest = wait;
      refused = gate;
    }
    if (refused === undefined) return;
    const retryAfterSeconds = Math.ceil(longest / 1_000);
    throw new TailraceError('rate_limited', refused.refusal(retryAfterSeconds), { detail: { retryAfterSeconds } });
  }

  #bucketOf(key: string, rate: Rate, nowMs: number): FairBucket {
    const kept = this.#buckets.get(key) ?? { bucket: new FairBucket(rate, nowMs), rate };
    kept.rate = rate;
    this.#buckets.set(key, kept);
    return kept.bucket;
  }

  /** Drops buckets that are full: they are like new ones. */
  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < RATES_SWEEP_MS) return;
    this.#sweptMs = nowMs;
    for (const [key, { bucket, rate }] of this.#buckets) if (bucket.isIdle(rate, nowMs)) this.#buckets.delete(key);
  }
}

/** By the number of the token, which outlives its secrets and is never reused. */
function tokenGates({ token }: Principal): readonly Gate[] {
  if (token === undefined) return [];
  const { id, number, limits } = token;
  const { spansPerMinute } = limits;
  const gates: Gate[] = [];
  const rate = byteRate(limits.bytesPerSecond, limits.burstBytes);
  if (rate !== undefined) gates.push(bytesGate(`token ${number}`, `the token \`${id}\``, rate));
  if (spansPerMinute !== undefined) gates.push(spansGate(`token ${number}`, `the token \`${id}\``, spansPerMinute));
  return gates;
}

function basinGates({ name, number, config }: Basin): readonly Gate[] {
  const { otlp } = config;
  if (otlp === undefined) return [];
  const gates: Gate[] = [];
  const rate = byteRate(rateOf(otlp, 'bytes_per_second'), rateOf(otlp, 'burst_bytes'));
  const spans = rateOf(otlp, 'spans_per_minute');
  if (rate !== undefined) gates.push(bytesGate(`basin ${number}`, `basin \`${name}\``, rate));
  if (spans !== undefined) gates.push(spansGate(`basin ${number}`, `basin \`${name}\``, spans));
  return gates;
}

function streamRate({ config: { otlp } }: Basin): Rate | undefined {
  return byteRate(rateOf(otlp, 'stream_bytes_per_second'), rateOf(otlp, 'stream_burst_bytes'));
}

function streamGate(basin: Basin, rate: Rate, stream: string, shown: string): Gate {
  return bytesGate(`stream ${basin.number} ${stream}`, `stream \`${shown}\``, rate);
}

function byteRate(perSecond: number | undefined, burst: number | undefined): Rate | undefined {
  return perSecond === undefined ? undefined : { perSecond, burst: burst ?? BURST_SECONDS * perSecond };
}

function bytesGate(key: string, holder: string, rate: Rate): Gate {
  const refusal = (seconds: number): string =>
    `${holder} may take ${rate.perSecond} bytes a second, and has taken more: send again in ${inSeconds(seconds)}`;
  return { key: `${key} bytes`, rate, unit: 'bytes', refusal };
}

function spansGate(key: string, holder: string, limit: number): Gate {
  const rate = { perSecond: limit / SECONDS_PER_MINUTE, burst: limit };
  const refusal = (seconds: number): string =>
    `${holder} may send ${limit} spans a minute, and has: send again in ${inSeconds(seconds)}`;
  return { key: `${key} spans`, rate, unit: 'spans', refusal };
}

function inSeconds(seconds: number): string {
  return seconds === 1 ? '1 second' : `${seconds} seconds`;
}
