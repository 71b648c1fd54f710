/** Rows without records on their way through the group commit, in order with the appends around them. */

import type { CommitOptions, Write } from '../storage/engine.ts';
import type { CommitEntry, CommitQueue } from './commit-queue.ts';

/** Resolves when all rows are durable, `durable` having been called. Rejects when nothing of them is, or nobody knows. */
export function commitRows(
  commits: CommitQueue,
  rows: readonly Write[],
  {
    states = [],
    options = {},
    durable = () => {},
  }: { states?: CommitEntry['states']; options?: CommitOptions; durable?: () => void },
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
