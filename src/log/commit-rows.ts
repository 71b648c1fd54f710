/** Commits rows without records, in order with the appends around them. */

import type { CommitOptions, Write } from '../storage/engine.ts';
import type { CommitQueue, CommitRequest } from './commit-queue.ts';

/**
 * Resolves when all rows are durable and `durable` was called. Rejects when none of them is, or when that is unknown.
 */
export function commitRows(
  commits: CommitQueue,
  rows: readonly Write[],
  {
    states = [],
    options = {},
    durable = () => {},
  }: { states?: CommitRequest['states']; options?: CommitOptions; durable?: () => void },
): Promise<void> {
  return new Promise((resolve, reject) => {
    commits.push({
      sealing: [],
      states,
      rows,
      bytes: rows.reduce((sum, row) => sum + row.key.length + (row.type === 'put' ? row.value.length : 0), 0),
      options,
      durable: () => {
        durable();
        resolve();
      },
      failed: reject,
    });
  });
}
