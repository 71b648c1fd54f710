/** What a stream of S2 must be, in a few lines: the reference for commands against the log. */

/** A record as a reader receives it, and what else the reference must know of it. */
export interface ModelRecord {
  readonly seqNum: number;
  readonly timestamp: number;
  readonly body: string;
  readonly metered: number;
  readonly arrival: number;
}

/** A record to append; `word` makes it a command. */
export interface NewModelRecord {
  readonly body: string;
  readonly timestamp: number | undefined;
  readonly word?: 'fence' | 'trim';
  /** Of a `trim`, in place of its body. */
  readonly trimTo?: number;
}

export interface Conditions {
  readonly matchSeqNum?: number | undefined;
  readonly fencingToken?: string | undefined;
}

export interface Bounds {
  readonly count?: number | undefined;
  readonly bytes?: number | undefined;
  readonly until?: number | undefined;
}

export type StartKind = 'seqNum' | 'timestamp' | 'tailOffset';

const TRIM_BYTES = 8;

export class ModelStream {
  readonly records: ModelRecord[] = [];
  token = '';
  ageMs: number | undefined;
  #trimPoint = 0;

  constructor(ageMs: number | undefined) {
    this.ageMs = ageMs;
  }

  get tail(): { seqNum: number; timestamp: number } {
    return { seqNum: this.records.length, timestamp: this.records.at(-1)?.timestamp ?? 0 };
  }

  /** The refusal code of a batch with its detail; undefined when it is accepted. */
  refusal({ matchSeqNum, fencingToken }: Conditions): { code: string; detail: object } | undefined {
    if (fencingToken !== undefined && fencingToken !== this.token)
      return { code: 'fencing_token_mismatch', detail: { fencingToken: this.token } };
    if (matchSeqNum !== undefined && matchSeqNum !== this.records.length)
      return { code: 'seq_num_mismatch', detail: { seqNum: this.records.length } };
    return undefined;
  }

  append(batch: readonly NewModelRecord[], now: number): void {
    for (const { body, timestamp, word, trimTo } of batch) {
      const seqNum = this.records.length;
      const wanted = Math.min(timestamp ?? now, now);
      this.records.push({
        seqNum,
        timestamp: Math.max(wanted, this.tail.timestamp),
        body: word === 'trim' ? String(trimTo) : body,
        metered:
          8 + (word === 'trim' ? TRIM_BYTES : Buffer.byteLength(body)) + (word === undefined ? 0 : 2 + word.length),
        arrival: now,
      });
      if (word === 'fence') this.token = body;
      if (word === 'trim') this.#trimPoint = Math.max(this.#trimPoint, Math.min(trimTo ?? 0, seqNum + 1));
    }
  }

  trim(to: number): void {
    this.#trimPoint = Math.max(this.#trimPoint, Math.min(to, this.records.length));
  }

  /** The first record that is neither trimmed nor expired. */
  floor(now: number): number {
    const { ageMs, records } = this;
    const living = ageMs === undefined ? 0 : records.findIndex(({ arrival }) => arrival + ageMs > now);
    this.#trimPoint = Math.max(this.#trimPoint, living === -1 ? records.length : living);
    return this.#trimPoint;
  }

  /** What a read without a wait returns; undefined when it is out of range. */
  read(kind: StartKind, at: number, clamp: boolean, bounds: Bounds, now: number): ModelRecord[] | undefined {
    if (bounds.count === 0 || bounds.bytes === 0) return [];
    const floor = this.floor(now);
    const start = this.#start(kind, at, clamp, floor);
    const bounded = Object.values(bounds).some((bound) => bound !== undefined);
    if (start === undefined || (start === this.records.length && bounded)) return undefined;
    const given: ModelRecord[] = [];
    let bytes = 0;
    for (const record of this.records.slice(Math.max(start, floor))) {
      bytes += record.metered;
      if (given.length >= (bounds.count ?? Number.POSITIVE_INFINITY)) break;
      if (bytes > (bounds.bytes ?? Number.POSITIVE_INFINITY)) break;
      if (bounds.until !== undefined && record.timestamp >= bounds.until) break;
      given.push(record);
    }
    return given;
  }

  #start(kind: StartKind, at: number, clamp: boolean, floor: number): number | undefined {
    const { seqNum, timestamp } = this.tail;
    if (kind === 'tailOffset') return Math.max(0, seqNum - at);
    if (at > (kind === 'seqNum' ? seqNum : timestamp)) return clamp ? seqNum : undefined;
    if (kind === 'seqNum') return at;
    const found = this.records.findIndex((record, i) => i >= floor && record.timestamp >= at);
    return found === -1 ? seqNum : found;
  }
}
