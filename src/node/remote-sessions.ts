/**
 * Sessions of the page on a node that leads another partition than 0: the node that leads partition 0 knows them, in memory,
 * and is asked for each one that is shown here, and again while something is open by it.
 */

import type { Access } from '../access/access.ts';
import { SESSION_PREFIX } from '../access/logins.ts';
import { hashToken } from '../access/tokens/credential.ts';
import type { CallerRef, ClusterCall } from '../http/cluster-calls.ts';
import type { Clock } from '../model/clock.ts';
import { REMOTE_SESSION_MS, SESSIONS_ASKED_MAX } from '../model/limits.ts';

export interface RemoteSessionsDeps {
  readonly access: Pick<Access, 'sessions' | 'holderNamed'>;
  readonly clock: Clock;
  /** Asks the leader of a partition. */
  call(call: ClusterCall): Promise<unknown>;
}

/** Lives until `close`. */
export class RemoteSessions {
  readonly #deps: RemoteSessionsDeps;
  /** When the node that knows a session was asked last, by the hash of the secret. */
  readonly #askedAt = new Map<string, number>();
  readonly #asking = new Map<string, Promise<void>>();
  #cancel = (): void => {};

  constructor(deps: RemoteSessionsDeps) {
    this.#deps = deps;
    this.#lookLater();
  }

  /** Resolves when the session of a secret is known here, if there is one; undefined where nothing has to be asked. */
  prepare(secret: string | undefined): Promise<void> | undefined {
    if (secret?.startsWith(`${SESSION_PREFIX}_`) !== true) return undefined;
    const hash = hashToken(secret);
    return this.#isFresh(hash) ? undefined : this.ask(hash);
  }

  /** Asks for a session by the hash of its secret. Never rejects: what cannot be asked stays as it is known. */
  ask(hash: string): Promise<void> {
    const known = this.#asking.get(hash);
    if (known !== undefined) return known;
    // As where it cannot be asked.
    if (this.#asking.size >= SESSIONS_ASKED_MAX) return Promise.resolve();
    const asking = this.#ask(hash).finally(() => this.#asking.delete(hash));
    this.#asking.set(hash, asking);
    return asking;
  }

  close(): void {
    this.#cancel();
  }

  #isFresh(hash: string): boolean {
    const askedAt = this.#askedAt.get(hash);
    return askedAt !== undefined && this.#deps.clock.monotonicMs() - askedAt < REMOTE_SESSION_MS;
  }

  async #ask(hash: string): Promise<void> {
    const { access, clock, call } = this.#deps;
    try {
      const found = (await call({ call: 'find-session', partition: 0, hash })) as CallerRef | null;
      const caller = found === null ? undefined : access.holderNamed(found.token);
      if (caller === undefined) {
        this.#askedAt.delete(hash);
        access.sessions.endBy(hash);
        return;
      }
      access.sessions.adopt(hash, caller);
      this.#askedAt.set(hash, clock.monotonicMs());
    } catch {
      // One that is not known here is refused; one that is known goes on.
    }
  }

  #lookLater(): void {
    this.#cancel = this.#deps.clock.timer(REMOTE_SESSION_MS, () => {
      for (const hash of [...this.#askedAt.keys()]) {
        if (this.#deps.access.sessions.hasOpened(hash)) void this.ask(hash);
        else if (!this.#isFresh(hash)) this.#askedAt.delete(hash);
      }
      this.#lookLater();
    });
  }
}
