/**
 * How much of an append session may be under way: it waits for memory instead of being refused, and meanwhile nothing
 * more of it is read.
 */

import { SESSION_IN_FLIGHT_BYTES_MAX, SESSION_IN_FLIGHT_INPUTS_MAX } from '../../model/limits.ts';
import type { BudgetQueue } from './budget-queue.ts';

interface WaitingInput {
  readonly bytes: number;
  readonly resolve: () => void;
}

/** The inputs of one session, from being read until their acks are sent. One waits at a time. */
export class InputWindow {
  readonly #line: BudgetQueue;
  readonly #holder: string | undefined;
  #bytes = 0;
  #inputs = 0;
  /** For those before it in its own session. */
  #waiting: WaitingInput | undefined;
  #leaveQueue = (): void => {};

  /** `line` is for the memory that all sessions and requests share, and `holder` whose share the inputs are paid from. */
  constructor(line: BudgetQueue, holder?: string) {
    this.#line = line;
    this.#holder = holder;
  }

  /** Takes memory for an input. Returns nothing when there is enough at once; otherwise it is taken when this resolves. */
  enter(bytes: number): Promise<void> | undefined {
    if (this.#hasSpace(bytes)) return this.#take(bytes);
    return new Promise((resolve) => {
      this.#waiting = { bytes, resolve };
    });
  }

  /** The log is done with the bytes of an input. */
  settle(bytes: number): void {
    this.#bytes -= bytes;
    this.#line.release(bytes, this.#holder);
    this.#retry();
  }

  /** So many inputs were answered. */
  leave(inputs: number): void {
    this.#inputs -= inputs;
    this.#retry();
  }

  /** Nothing waits any more. */
  close(): void {
    this.#waiting = undefined;
    this.#leaveQueue();
  }

  /** One that is alone always has space, as far as its session is concerned. */
  #hasSpace(bytes: number): boolean {
    if (this.#inputs >= SESSION_IN_FLIGHT_INPUTS_MAX) return false;
    return this.#bytes === 0 || this.#bytes + bytes <= SESSION_IN_FLIGHT_BYTES_MAX;
  }

  #take(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    this.#inputs++;
    if (this.#line.tryReserve(bytes, this.#holder)) return undefined;
    return new Promise((resolve) => {
      this.#leaveQueue = this.#line.join(bytes, resolve, this.#holder);
    });
  }

  #retry(): void {
    if (this.#waiting === undefined || !this.#hasSpace(this.#waiting.bytes)) return;
    const { bytes, resolve } = this.#waiting;
    this.#waiting = undefined;
    const inQueue = this.#take(bytes);
    if (inQueue === undefined) resolve();
    else void inQueue.then(resolve);
  }
}
