/**
 * The sessions that live now: requests that go on until somebody ends them (SSE and s2s). When the server stops they are
 * told first, have a grace period to go by themselves, and are ended after it (S2 API §5.10).
 */

import type { TailraceError } from '../model/error.ts';

/** What a session does when the server stops. */
export interface LiveSession {
  /**
   * The server begins to stop and takes no more connections: advise to reconnect. Called once at most, not before `add`
   * has returned; a session without a way to advise may end at once.
   */
  drain(): void;
  /** The grace period is over: acknowledge what was accepted, tell the client `error` (code `draining`), and end. */
  finish(error: TailraceError): Promise<void> | void;
}

/** One for the whole server. Sessions are in it from `add` until they call what it returned. */
export class SessionRegistry {
  readonly #sessions = new Set<LiveSession>();
  #draining = false;
  #ending: TailraceError | undefined;

  /** Whether the server has begun to stop: every further frame carries the advice. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Sessions that live. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Takes a session in. What it returns takes it out again and may be called twice. */
  add(session: LiveSession): () => void {
    this.#sessions.add(session);
    // One that comes late, over a connection that was there before, hears the same, once its maker is done.
    if (this.#draining) queueMicrotask(() => this.#tellLate(session));
    return () => void this.#sessions.delete(session);
  }

  /** Tells all sessions that the server begins to stop. May be called twice. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const session of [...this.#sessions]) advised(session);
  }

  /** Ends all sessions; resolves when each has said its last word. Never rejects. */
  async finish(error: TailraceError): Promise<void> {
    this.#draining = true;
    this.#ending = error;
    await Promise.all([...this.#sessions].map((session) => finished(session, error)));
  }

  #tellLate(session: LiveSession): void {
    if (!this.#sessions.has(session)) return;
    if (this.#ending === undefined) advised(session);
    else void finished(session, this.#ending);
  }
}

/** One session that fails must not keep the others from hearing it. */
function advised(session: LiveSession): void {
  try {
    session.drain();
  } catch {
    // Its handler hears of it as well.
  }
}

/** A session that fails while it ends answers for that itself. */
async function finished(session: LiveSession, error: TailraceError): Promise<void> {
  try {
    await session.finish(error);
  } catch {
    // Its handler hears of it as well.
  }
}
