/** Looks whether the servers of NATS keep data safe: at the start, and every minute after that. */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import { SERVER_CHECK_MS } from '../model/limits.ts';
import { checkServers, type ServerFinding } from '../storage/replicated/check-servers.ts';

export interface ServerWatchOptions {
  /** Such as `http://host:8222`. */
  readonly monitors: readonly string[];
  readonly cluster: string;
  readonly clock: Clock;
  /** Whether the node starts although data may be lost. */
  readonly isUnsafeAllowed: boolean;
  onFound(findings: readonly ServerFinding[]): void;
}

/** Lives from `start` to `close`. */
export class ServerWatch {
  readonly #options: ServerWatchOptions;
  #findings: readonly ServerFinding[] = [];
  #cancel = (): void => {};

  private constructor(options: ServerWatchOptions) {
    this.#options = options;
  }

  /** @throws TailraceError `config` when a server would lose data, or none says that it would not */
  static async start(options: ServerWatchOptions): Promise<ServerWatch> {
    const watch = new ServerWatch(options);
    await watch.#look();
    watch.#expectSafe();
    watch.#lookLater();
    return watch;
  }

  /** As sentences for operators. */
  get problems(): readonly string[] {
    return this.#findings.map(sentenceOf);
  }

  close(): void {
    this.#cancel();
  }

  /** A server that is down now does not keep a node from starting: the others have the data. */
  #expectSafe(): void {
    const { monitors, isUnsafeAllowed } = this.#options;
    if (isUnsafeAllowed) return;
    const unsafe = this.#findings.filter(({ severity, kind }) => severity === 'error' && kind !== 'lost');
    const silent = this.#findings.filter(({ kind }) => kind === 'unreachable');
    const refused = silent.length === monitors.length ? silent : unsafe;
    if (refused.length === 0) return;
    const why = refused.map(sentenceOf).join(' ');
    throw new TailraceError('config', `${why} To start all the same: --cluster-unsafe-sync`);
  }

  async #look(): Promise<void> {
    const { monitors, cluster, onFound } = this.#options;
    const before = this.problems.join(' ');
    this.#findings = await checkServers(monitors, cluster);
    if (this.problems.join(' ') !== before) onFound(this.#findings);
  }

  #lookLater(): void {
    this.#cancel = this.#options.clock.timer(SERVER_CHECK_MS, () => {
      void this.#look().finally(() => this.#lookLater());
    });
  }
}

function sentenceOf({ what, fix }: ServerFinding): string {
  return `${what} ${fix}`;
}
