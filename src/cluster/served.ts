/** What a node serves in each of its roles, which replication does not know. */

import type { TailraceError } from '../model/error.ts';
import type { Replica } from '../storage/replicated/replica.ts';
import type { ReplicatedEngine } from '../storage/replicated/replicated-engine.ts';

/** What a node does while it leads. */
export interface ServedWhileLeading {
  /** Begins to serve over the engine, and tells what turns out to be damaged in the store. */
  begin(engine: ReplicatedEngine, onDamaged: (error: TailraceError) => void): Promise<void>;
  /** Ends it; in order where the reason is `draining`, else at once. Closes the engine. */
  end(reason: TailraceError): Promise<void>;
}

export interface FollowingCalls {
  /** Applies all that the log of the cluster holds now. */
  catchUp(): Promise<void>;
  /** To be called with what turns out to be damaged in the store. */
  onDamaged(error: TailraceError): void;
}

/** What a node does while it follows. Not to be called before another call is over. */
export interface ServedWhileFollowing {
  /** Begins to serve from the replica, to which nothing is applied meanwhile. */
  begin(replica: Replica, told: FollowingCalls): Promise<void>;
  /** Ends it, if it has begun; in order where the node stops. */
  end(isStopping: boolean): Promise<void>;
}
