/** The acks of an append session: in the order of its inputs, and all that can go out at a time in one piece. */

import type { TailraceError } from '../../model/error.ts';
import { asTailraceError } from '../../model/error.ts';
import type { AppendAck } from '../../model/position.ts';
import { encodeAppendAck } from '../../s2/append/ack.ts';
import { framesOf } from '../../s2/frame.ts';

/** What the queue needs of its session. */
export interface AckOutlet {
  /** As `StreamResponse.write`. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Whether the client should go on over another connection. */
  isReconnectAdvised(): boolean;
  /** So many inputs were answered. */
  onAcked(inputs: number): void;
}

/** One input, or what comes in place of the next one: a failure, or the end. */
interface PendingAck {
  outcome: AppendAck | TailraceError | 'end' | undefined;
}

/** Takes inputs with `add` until it is told the end, or one of them failed. */
export class AckQueue {
  readonly #outlet: AckOutlet;
  #entries: PendingAck[] = [];
  #isScheduled = false;
  #isFull = false;
  #isOver = false;
  #resolve: (failure: TailraceError | undefined) => void = unset;
  /**
   * Resolves when everything before the end was acknowledged, or everything before a failure: then with that.
   */
  readonly over: Promise<TailraceError | undefined>;

  constructor(outlet: AckOutlet) {
    this.#outlet = outlet;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** An input that was handed to the log. */
  add(done: Promise<AppendAck>): void {
    const entry: PendingAck = { outcome: undefined };
    this.#entries.push(entry);
    const settle = (outcome: PendingAck['outcome']): void => {
      entry.outcome = outcome;
      if (entry === this.#entries[0]) this.#schedule();
    };
    done.then(settle, (thrown: unknown) => settle(asTailraceError(thrown)));
  }

  /** Nothing more comes; `failure` is why, when the client did not decide it. The first call counts. */
  close(failure?: TailraceError): void {
    this.#entries.push({ outcome: failure ?? 'end' });
    this.#schedule();
  }

  /** The client is gone. */
  drop(): void {
    this.#end(undefined);
  }

  /** Inputs that became durable together are all settled by the next tick. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    process.nextTick(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#isFull || this.#isOver) return;
    const acks: Uint8Array[] = [];
    let last: TailraceError | 'end' | undefined;
    for (const { outcome } of this.#entries) {
      if (outcome === undefined) break;
      if (!isAck(outcome)) {
        last = outcome;
        break;
      }
      acks.push(encodeAppendAck(outcome));
    }
    if (acks.length > 0) this.#send(acks);
    if (last !== undefined) this.#end(last === 'end' ? undefined : last);
  }

  #send(acks: readonly Uint8Array[]): void {
    this.#entries = this.#entries.slice(acks.length);
    const drained = this.#outlet.write(framesOf(acks, this.#outlet.isReconnectAdvised()));
    if (drained === undefined) {
      this.#outlet.onAcked(acks.length);
      return;
    }
    this.#isFull = true;
    void drained.then(() => {
      this.#isFull = false;
      this.#outlet.onAcked(acks.length);
      this.#flush();
    });
  }

  #end(failure: TailraceError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#entries = [];
    this.#resolve(failure);
  }
}

function isAck(outcome: AppendAck | TailraceError | 'end'): outcome is AppendAck {
  return typeof outcome === 'object' && 'start' in outcome;
}

function unset(): void {
  // Replaced in the constructor.
}
