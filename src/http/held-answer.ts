/**
 * Memory of answers. An answer counts in the budget of all requests until it has left, which for a client that does not
 * read is never: so what may become large is refused before it is made when the budget is used up.
 */

import { ANSWER_COUNTED_BYTES_MIN } from '../model/limits.ts';
import { type RequestMemory, type Reservation, reservationFor } from './body/reservation.ts';
import { type Exchange, onceOver } from './exchange.ts';

interface HeldAnswer {
  readonly reservation: Reservation;
  /** The answer has left, or its client. */
  isOver: boolean;
}

const answers = new WeakMap<Exchange, HeldAnswer>();

/**
 * Looks whether there is memory for an answer of this size, before work is done for it; takes none.
 * @throws TailraceError `overloaded`
 */
export function expectAnswerFits(exchange: Exchange, bytes: number, memory: RequestMemory): void {
  reservationFor(exchange, memory).expectFits(bytes);
}

/**
 * Reserves memory for an answer that is about to be made, until it has left.
 * @throws TailraceError `overloaded`
 */
export function reserveAnswer(exchange: Exchange, bytes: number, memory: RequestMemory): void {
  const answer = answerOf(exchange, memory);
  if (!answer.isOver) answer.reservation.holdAtLeast(bytes);
}

/**
 * Counts an answer that was made. One to a read can be refused still, since to ask again does no harm; every other says
 * what was done.
 * @throws TailraceError `overloaded`
 */
export function holdAnswer(exchange: Exchange, status: number, bytes: number, memory: RequestMemory): void {
  if (bytes < ANSWER_COUNTED_BYTES_MIN && !answers.has(exchange)) return;
  const answer = answerOf(exchange, memory);
  if (answer.isOver) return;
  if (exchange.request.method === 'GET' && status < 400) answer.reservation.holdAtLeast(bytes);
  answer.reservation.holdExactly(bytes);
}

function answerOf(exchange: Exchange, memory: RequestMemory): HeldAnswer {
  const known = answers.get(exchange);
  if (known !== undefined) return known;
  const answer: HeldAnswer = { reservation: reservationFor(exchange, memory), isOver: false };
  answers.set(exchange, answer);
  onceOver(exchange, () => {
    answer.isOver = true;
    answer.reservation.release();
  });
  return answer;
}
