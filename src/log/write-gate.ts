/** Whether appends are accepted now: not while the server stops, and not while the store takes none. */

import { TailraceError, unavailable } from '../model/error.ts';
import { type CommitOptions, type EngineState, reserveRank } from '../storage/engine.ts';

export class WriteGate {
  engineState: EngineState = 'open';
  draining = false;

  /** @throws TailraceError `draining`, `storage_full`, `storage`, `unavailable`: nothing was written, and nothing will be */
  readonly expectOpen = (options: CommitOptions = {}): void => {
    if (this.draining) {
      throw new TailraceError('draining', 'the server is shutting down: try again', {
        detail: { retryAfterSeconds: 1 },
      });
    }
    this.expectStore(options);
  };

  /**
   * The server's own rows are written also while it stops, and with the reserve also while there is no space.
   * @throws TailraceError `storage_full`, `storage`, `unavailable`
   */
  readonly expectStore = (options: CommitOptions = {}): void => {
    if (this.engineState === 'full' && reserveRank(options) > 0) return;
    if (this.engineState === 'full') {
      throw new TailraceError('storage_full', 'the store has no space left: free some, or raise --store-bytes-max', {
        detail: { retryAfterSeconds: 5 },
      });
    }
    if (this.engineState === 'superseded') {
      throw unavailable('another node of the cluster leads now: send again');
    }
    if (this.engineState !== 'open') {
      throw new TailraceError('storage', 'the store takes no more writes until the server is restarted');
    }
  };
}
