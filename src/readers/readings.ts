/** Who reads live, for those who ask who reads a stream and how far behind they are. */

import type { LogRead } from '../log/open-reads.ts';
import type { Stream } from '../log/stream.ts';
import type { Clock } from '../model/clock.ts';

/** Who reads, and how. */
export interface ReaderIdentity {
  readonly protocol: 'sse' | 's2s' | 'websocket';
  /** What records look like, as the name of the subprotocol of the same form. */
  readonly view: string;
  /** Id of the token, or what stands for it. */
  readonly token: string;
  readonly address: string;
}

/** A live read as it makes itself known. */
export interface Reading extends ReaderIdentity {
  readonly read: Pick<LogRead, 'positionIn'>;
  /** Bytes that its client has not taken yet. */
  waitingBytes(): number;
}

/** A reader of one stream at this moment. */
export interface SeenReader extends ReaderIdentity {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly nextSeq: number;
  readonly waitingBytes: number;
}

export class Readings {
  readonly #clock: Pick<Clock, 'now'>;
  /** With when it began. */
  readonly #live = new Map<Reading, number>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Takes one in that begins. What it returns takes it out again and may be called twice. */
  add(reading: Reading): () => void {
    this.#live.set(reading, this.#clock.now());
    return () => void this.#live.delete(reading);
  }

  /** The readers of a stream; the one that is farthest behind comes first. Looks at every live reader. */
  of(stream: Stream): readonly SeenReader[] {
    const seen: SeenReader[] = [];
    for (const [reading, since] of this.#live) {
      const nextSeq = reading.read.positionIn(stream);
      if (nextSeq === undefined) continue;
      const { protocol, view, token, address } = reading;
      seen.push({ protocol, view, token, address, since, nextSeq, waitingBytes: reading.waitingBytes() });
    }
    return seen.sort((a, b) => a.nextSeq - b.nextSeq);
  }
}
