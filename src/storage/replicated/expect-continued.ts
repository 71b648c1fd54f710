/**
 * Whether the log goes on where a store is. Servers of the log that lost what they had acknowledged make it end before that,
 * or go on without it, once a node that did not have it has led. Such a store passes over all that comes, and a node that led
 * with it would have the others do so.
 */

import { TailraceError } from '../../model/error.ts';
import { PASSED_OVER_IN_A_ROW_MAX } from '../../model/limits.ts';
import type { ReplicaState } from './replica-state.ts';
import type { LogBounds, ReplicatedLog } from './replicated-log.ts';

/** Returns what the log holds. @throws TailraceError `corrupt` when it does not continue what the store has; `unavailable` */
export async function expectContinued(
  log: ReplicatedLog,
  { sequence, lastId, base }: ReplicaState,
): Promise<LogBounds> {
  const bounds = await log.bounds();
  if (sequence > bounds.last) {
    throw new TailraceError(
      'corrupt',
      `this node has applied the log of the cluster up to ${sequence}, and the log ends at ${bounds.last}: its servers have lost data; restore a backup of this node into a cluster with another --cluster-name`,
    );
  }
  // Of a store that nothing was applied to, the base is not in the log.
  if (Buffer.compare(lastId, base) === 0) return bounds;
  if ((await log.find(lastId, sequence, PASSED_OVER_IN_A_ROW_MAX)) === 'missing') throw notContinued();
  return bounds;
}

export function notContinued(): TailraceError {
  return new TailraceError(
    'corrupt',
    'the store of this node does not continue the log of the cluster, whose servers have lost what this node had: it may hold records that the others lack, so keep its data directory elsewhere, and start it with an empty one; it then takes a copy of another node',
  );
}
