/** When a reader and its client heard of each other last, and what is due because of that. Times are monotonic ms. */

import {
  HEARTBEAT_MAX_MS,
  HEARTBEAT_MIN_MS,
  READER_STALL_MS,
  READER_SWEEP_MS,
  SOCKET_PING_MS,
  SOCKET_SILENCE_MS,
} from '../model/limits.ts';

export class SignsOfLife {
  /** The reader sent something. */
  spokeAt: number;
  /** The client took something, or said something. */
  heardAt: number;
  #pingedAt: number;
  #heartbeatMs = heartbeatDelay();

  constructor(now: number) {
    this.spokeAt = this.heardAt = this.#pingedAt = now;
  }

  /** Whether the client has heard nothing for long enough. Then the next one comes after another delay: readers must not come in step. */
  takeHeartbeat(now: number): boolean {
    if (now - this.spokeAt < this.#heartbeatMs) return false;
    this.#heartbeatMs = heartbeatDelay();
    return true;
  }

  /** Whether to ask the client for a sign of life; it counts as asked. */
  takePing(now: number): boolean {
    if (now - this.#pingedAt < SOCKET_PING_MS) return false;
    this.#pingedAt = now;
    return true;
  }

  /** Whether the client is given up: it takes nothing of what waits for it, or answers no ping. */
  isGone(now: number, bufferedBytes: number, isAsked: boolean): boolean {
    const silenceMs = now - this.heardAt;
    if (bufferedBytes > 0) return silenceMs > READER_STALL_MS;
    return isAsked && silenceMs > SOCKET_SILENCE_MS;
  }
}

/** Heartbeats come at most one sweep late, and are asked for that much early. */
function heartbeatDelay(): number {
  return HEARTBEAT_MIN_MS + Math.random() * (HEARTBEAT_MAX_MS - HEARTBEAT_MIN_MS - READER_SWEEP_MS);
}
