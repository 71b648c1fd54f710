/**
 * Responses whose clients take nothing. What waits for a client is memory, or at least a stream of a connection; a client
 * that has taken nothing for a long time is cut, so that it comes back. One sweep a second looks at all responses that
 * wait; most have left before the first.
 */

import type { Clock } from '../model/clock.ts';
import { ANSWER_STALL_MS } from '../model/limits.ts';

const SWEEP_MS = 1_000;

/** A response that waits for its client. */
export interface WaitingAnswer {
  /** Changes whenever the client has taken something. */
  readonly taken: number;
  /** Whether it waits for other responses, whose clients are watched by themselves. */
  readonly isBehindOthers: boolean;
  /** Called once, when the client has taken nothing for too long. */
  stalled(): void;
}

interface Look {
  readonly since: number;
  readonly taken: number;
}

/** Watches responses from `add` to `remove`. Its timer runs only while there is one. */
export class AnswerWatch {
  readonly #clock: Clock;
  /** What was seen of each when it had last taken something; undefined before the first sweep. */
  readonly #answers = new Map<WaitingAnswer, Look | undefined>();
  #isSweeping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(answer: WaitingAnswer): void {
    this.#answers.set(answer, undefined);
    if (!this.#isSweeping) this.#schedule();
  }

  /** May be called twice. */
  remove(answer: WaitingAnswer): void {
    this.#answers.delete(answer);
  }

  #schedule(): void {
    this.#isSweeping = true;
    this.#clock.timer(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#isSweeping = false;
    const now = this.#clock.monotonicMs();
    for (const [answer, last] of this.#answers) {
      if (last === undefined || last.taken !== answer.taken || answer.isBehindOthers) {
        this.#answers.set(answer, { since: now, taken: answer.taken });
      } else if (now - last.since >= ANSWER_STALL_MS) {
        this.#answers.delete(answer);
        answer.stalled();
      }
    }
    if (this.#answers.size > 0) this.#schedule();
  }
}
