/**
 * Bytes that are looked for in large payloads. A search goes from one place of their first byte to the next, so it takes
 * most of its time where that byte is frequent. So a part of them is looked for that begins with a rare byte, and the rest
 * is compared where the part is found.
 */

/** The search for a longer part looks at more than its first byte, and takes longer. */
const PART_BYTES_MAX = 6;
/** A shorter part is found too often. */
const PART_BYTES_MIN = 3;
/** How many bytes of a payload tell which of them are rare there. */
const SAMPLES = 1_024;
/** After so many places with the part alone, all of the bytes are looked for: that takes a bounded time in any payload. */
const MISSES_MAX = 64;

export class NeedleForm {
  readonly bytes: Buffer;
  /** Where the part begins; undefined before the first search, and where the part was found too often. */
  #partAt: number | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** A search in one payload. */
  in(payload: Buffer): FormSearch {
    this.#partAt ??= rarestIn(payload, this.bytes);
    return new FormSearch(payload, this.bytes, this.#partAt, () => {
      this.#partAt = undefined;
    });
  }
}

export class FormSearch {
  readonly #payload: Buffer;
  readonly #bytes: Buffer;
  readonly #part: Buffer;
  readonly #partAt: number;
  readonly #giveUp: () => void;
  #misses = 0;

  constructor(payload: Buffer, bytes: Buffer, partAt: number, giveUp: () => void) {
    this.#payload = payload;
    this.#bytes = bytes;
    this.#part = bytes.subarray(partAt, partAt + PART_BYTES_MAX);
    this.#partAt = partAt;
    this.#giveUp = giveUp;
  }

  /** Where the bytes are for the first time from a place on; -1 for nowhere. */
  next(from: number): number {
    const [payload, bytes] = [this.#payload, this.#bytes];
    let start = from;
    while (this.#misses < MISSES_MAX) {
      const found = payload.indexOf(this.#part, start + this.#partAt);
      if (found < 0) return -1;
      const at = found - this.#partAt;
      if (bytes.compare(payload, at, Math.min(at + bytes.length, payload.length)) === 0) return at;
      start = at + 1;
      this.#misses += 1;
      if (this.#misses === MISSES_MAX) this.#giveUp();
    }
    return payload.indexOf(bytes, start);
  }
}

/** Which of the bytes is rarest in a payload, of those with some more behind them. */
function rarestIn(payload: Buffer, bytes: Buffer): number {
  const counts = new Uint16Array(256);
  const step = Math.max(1, Math.floor(payload.length / SAMPLES));
  for (let at = 0; at < payload.length; at += step) counts[payload[at] ?? 0] = (counts[payload[at] ?? 0] ?? 0) + 1;
  const countAt = (at: number): number => counts[bytes[at] ?? 0] ?? 0;
  let rarest = 0;
  for (let at = 1; at + PART_BYTES_MIN <= bytes.length; at++) if (countAt(at) < countAt(rarest)) rarest = at;
  return rarest;
}
