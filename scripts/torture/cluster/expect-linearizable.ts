/** What concurrent clients of one stream were told through all nodes of a cluster, against the log as each node shows it. */

import type { ClusterNode } from '../../../test/support/cluster-nodes.ts';
import { judge } from '../../../test/support/history.ts';
import { type History, readLog } from '../../../test/support/history-clients.ts';

const FAULTS_SHOWN = 10;

/** Resolves with what was compared, as a line. @throws Error with what is not linearizable */
export async function expectLinearizable(
  history: History,
  nodes: readonly ClusterNode[],
  basin?: string,
): Promise<string> {
  const { operations, followed } = history;
  const logs = await Promise.all(
    nodes.map(({ server }) =>
      readLog({ port: server.port, token: server.token, ...(basin === undefined ? {} : { basin }) }),
    ),
  );
  for (const log of logs) {
    const faults = judge(operations, log);
    for (const { from, bodies } of followed) {
      const first = bodies.findIndex((body, i) => body !== log[from + i]);
      if (first >= 0) faults.push(`a follower got ${bodies[first]} at ${from + first}, not ${log[from + first]}`);
    }
    if (faults.length > 0) throw new Error(faults.slice(0, FAULTS_SHOWN).join('\n'));
  }
  expectToFindAnOldAnswer(history, logs[0] ?? []);
  const count = (outcome: string) =>
    operations.filter((operation) => operation.kind === 'append' && operation.outcome === outcome).length;
  const [ok, failed, open] = ['ok', 'failed', 'indefinite'].map(count);
  return `linearizable: ${ok} appends, ${failed} refused by a condition, ${open} without an answer, ${operations.length} operations`;
}

/** The control: a check of the tail that misses what was acknowledged before it began. @throws Error */
function expectToFindAnOldAnswer({ operations }: History, log: readonly string[]): void {
  const ended = operations.reduce((last, { ended: at }) => (Number.isFinite(at) ? Math.max(last, at) : last), 0);
  const old = { kind: 'observation', client: 'control', began: ended + 1, ended: ended + 2, tail: 0 } as const;
  if (judge([...operations, old], log).length === 0) throw new Error('the checker does not see an old answer');
}
