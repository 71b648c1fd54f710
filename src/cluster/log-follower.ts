/** A node that does not lead applies what the log brings. */

import type { Clock } from '../model/clock.ts';
import { asTailraceError, TailraceError, unavailable } from '../model/error.ts';
import { CATCH_UP_MS, COMMAND_BYTES_MAX, FOLLOW_POLL_MS } from '../model/limits.ts';
import type { Replica } from '../storage/replicated/replica.ts';
import type { ReplicatedLog } from '../storage/replicated/replicated-log.ts';

export interface LogFollowerOptions {
  readonly log: ReplicatedLog;
  readonly replica: Replica;
  readonly clock: Clock;
  /** It goes on after an error. The log no longer has what comes next: code `corrupt`; then only a snapshot helps. */
  onError(error: TailraceError): void;
  /** Called after commands were applied. */
  onApplied?(bytes: number): void;
}

/** Lives from `start` to `stop`. */
export class LogFollower {
  readonly #options: LogFollowerOptions;
  readonly #unsubscribe: () => void;
  /** Settles when no commands are being applied. */
  #applying: Promise<void> = Promise.resolve();
  #stopped = false;
  #announced = 0;
  #wake = (): void => {};
  /** Called when more was applied, and when nothing more is. */
  readonly #waiting = new Set<() => void>();
  /** The look at the end of the log that is under way, and the one behind it. */
  #look: Promise<void> = Promise.resolve();
  #nextLook: Promise<void> | undefined;

  private constructor(options: LogFollowerOptions) {
    this.#options = options;
    this.#unsubscribe = options.log.onAnnounced((sequence) => {
      this.#announced = Math.max(this.#announced, sequence);
      this.#wake();
    });
  }

  static start(options: LogFollowerOptions): LogFollower {
    const follower = new LogFollower(options);
    void follower.#run();
    return follower;
  }

  /** The newest sequence that it was told of. */
  get announced(): number {
    return this.#announced;
  }

  /**
   * Resolves when all that the log holds now is applied. Those who ask while it looks share the next look.
   * @throws TailraceError `unavailable` when that is not known, or takes too long
   */
  catchUp(): Promise<void> {
    this.#nextLook ??= this.#look
      .catch(() => {})
      .then(() => {
        this.#nextLook = undefined;
        this.#look = this.#reachEnd();
        return this.#look;
      });
    return this.#nextLook;
  }

  async #reachEnd(): Promise<void> {
    const { log, replica, clock } = this.#options;
    let isLate = false;
    let cancel = (): void => {};
    const late = new Promise<undefined>((resolve) => {
      cancel = clock.timer(CATCH_UP_MS, () => {
        isLate = true;
        this.#letGo();
        resolve(undefined);
      });
    });
    try {
      const bounds = await Promise.race([log.bounds(), late]);
      this.#announced = Math.max(this.#announced, bounds?.last ?? 0);
      this.#wake();
      while (!this.#stopped && !isLate && replica.sequence < (bounds?.last ?? 0)) {
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
    } catch (cause) {
      throw notCaughtUp(cause);
    } finally {
      cancel();
    }
    if (isLate || this.#stopped) throw notCaughtUp(undefined);
  }

  /** Resolves when nothing more is applied. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#letGo();
    this.#unsubscribe();
    this.#wake();
    await this.#applying;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const announced = this.#announced;
      try {
        if (await this.#step()) continue;
      } catch (error) {
        if (!this.#stopped) this.#options.onError(asTailraceError(error));
      }
      // What was announced meanwhile may be there by now.
      if (this.#announced === announced) await this.#pause();
    }
  }

  /** Returns whether there may be more. */
  async #step(): Promise<boolean> {
    const { log, replica, onApplied } = this.#options;
    const page = await log.read(replica.sequence, COMMAND_BYTES_MAX);
    if (this.#stopped) return false;
    if (page.type === 'gap') {
      const message = `the log of the cluster begins at ${page.first}, and this node is at ${replica.sequence}`;
      throw new TailraceError('corrupt', message);
    }
    if (page.commands.length === 0) return false;
    const applying = replica.apply(page.commands);
    this.#applying = applying.catch(() => {});
    await applying;
    this.#letGo();
    onApplied?.(page.commands.reduce((sum, { bytes }) => sum + bytes.length, 0));
    return true;
  }

  #letGo(): void {
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }

  async #pause(): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.timer(FOLLOW_POLL_MS, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

function notCaughtUp(cause: unknown): TailraceError {
  return unavailable('this node does not see the end of the log of its cluster at the moment: send again', cause);
}
