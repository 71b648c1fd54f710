/** Which part of the log of a cluster is kept: the node that leads removes the rest. */

import type { Clock } from '../model/clock.ts';
import { asTailraceError, type TailraceError } from '../model/error.ts';
import { LOG_KEPT_BYTES, LOG_KEPT_MS, LOG_PURGE_MS } from '../model/limits.ts';
import type { ReplicatedLog } from '../storage/replicated/replicated-log.ts';

export interface KeptLogOptions {
  readonly log: Pick<ReplicatedLog, 'purge'>;
  readonly clock: Clock;
  /** How far the nodes that are there have the log on disk; undefined where this one removes nothing. */
  durable(): Promise<readonly number[] | undefined>;
  onError(error: TailraceError): void;
}

interface Mark {
  readonly atMs: number;
  readonly sequence: number;
  /** Bytes of all commands up to there, counted from any origin. */
  readonly bytes: number;
}

/**
 * What is kept is what a live node has not on its disk yet, and for those that are away the last hour, but no more bytes
 * than {@link LOG_KEPT_BYTES}. A node that was away for longer takes a snapshot. Lives from `start` to `close`.
 */
export class KeptLog {
  readonly #options: KeptLogOptions;
  readonly #marks: Mark[] = [];
  #bytes = 0;
  #cancel = (): void => {};

  constructor(options: KeptLogOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel = this.#options.clock.timer(LOG_PURGE_MS, () => {
      void this.#purge().catch((error: unknown) => this.#options.onError(asTailraceError(error)));
      this.start();
    });
  }

  close(): void {
    this.#cancel();
  }

  /** Notes that the log has reached a sequence, and by how many bytes. */
  note(sequence: number, bytes: number): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#bytes += bytes;
    const last = this.#marks.at(-1);
    if (last !== undefined && nowMs - last.atMs < LOG_PURGE_MS) return;
    this.#marks.push({ atMs: nowMs, sequence, bytes: this.#bytes });
  }

  async #purge(): Promise<void> {
    const { log, durable } = this.#options;
    const kept = await durable();
    if (kept === undefined) return;
    const sequence = Math.min(this.#oldTo(), ...kept);
    if (sequence > 0) await log.purge(sequence);
  }

  /** The sequence up to which the log is old; 0 for nothing. */
  #oldTo(): number {
    const nowMs = this.#options.clock.monotonicMs();
    const isOld = ({ atMs, bytes }: Mark): boolean =>
      nowMs - atMs >= LOG_KEPT_MS || this.#bytes - bytes >= LOG_KEPT_BYTES;
    const old = this.#marks.findLastIndex(isOld);
    const sequence = this.#marks[old]?.sequence ?? 0;
    this.#marks.splice(0, old);
    return sequence;
  }
}
