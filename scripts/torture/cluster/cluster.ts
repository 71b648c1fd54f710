/**
 * Three nodes over three servers of NATS on loopback. Writers send OTLP and S2 through all nodes while nodes and servers are
 * killed, stopped, ended and cut off at random, and all six killed at once. In the end every acknowledged record is there once, in order and at its position, in
 * what a reader gets through each node and in the store of each; what concurrent clients of one stream were told through all
 * nodes is linearizable; and after the loss of a leader another one takes appends within 15 seconds.
 *
 *   npm run torture -- cluster [minutes]
 *
 * Negative control: the same check of the same history has to find a record that is left out, doubled or moved.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClusterNode, type ClusterSetup, leaderOf, untilFollowed } from '../../../test/support/cluster-nodes.ts';
import { History, runLastingClients } from '../../../test/support/history-clients.ts';
import { startNatsServers } from '../../../test/support/nats-servers.ts';
import { type ReadBack, seededRandom } from '../../../test/support/writers.ts';
import {
  expectEqualStores,
  expectToFindFaults,
  faultsOf,
  longestSilence,
  readThroughEach,
  say,
  seconds,
} from './check-cluster.ts';
import { disturb, type FaultRecord, type Machines } from './cluster-faults.ts';
import { ClusterWriters } from './cluster-writers.ts';
import { expectLinearizable } from './expect-linearizable.ts';
import { HeldLinks } from './held-links.ts';

const MINUTES = Number(process.argv[3] ?? 3);
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? Date.now() % 1_000_000);
const UNAVAILABLE_MS_MAX = 15_000;
/** Of the log of each node, where it took too long. */
const LOG_CHARS = 6_000;
const MAIN = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));

/** Prints its figures. @throws Error with what did not hold */
export async function run(): Promise<void> {
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-torture-cluster-'));
  const nats = await startNatsServers(3);
  const token = 'a-root-token-of-the-cluster-under-torture';
  const setup: ClusterSetup = { nats, replicas: 3, dir, token, main: MAIN };
  const links = await Promise.all(['a', 'b', 'c'].map(() => HeldLinks.to(nats.urls)));
  const nodes = await Promise.all(
    ['a', 'b', 'c'].map((name, i) => {
      const urls = links[i]?.urls ?? [];
      return ClusterNode.at({ ...setup, nats: { ...nats, urls } }, name);
    }),
  );
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const { writers, faults, history } = await torture({ nodes, nats, links }, token);
    const read = await readThroughEach(nodes, writers.streams);
    say(await expectLinearizable(history, nodes));
    await untilFollowed(setup, nodes.length);
    for (const node of nodes) await node.stop();
    await expectEqualStores(setup, nodes);
    report(writers, faults, read);
  } finally {
    await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
    for (const link of links) link.close();
    await nats.dispose();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function torture(machines: Machines, token: string) {
  const { nodes } = machines;
  const random = seededRandom(SEED);
  await leaderOf(nodes);
  const writers = new ClusterWriters(token, random);
  for (const { port } of nodes) for (const kind of ['otlp', 's2', 's2'] as const) writers.start(kind, port);
  const history = new History(random);
  let isOver = false;
  const clients = nodes.map(({ port }) =>
    runLastingClients({ port, token }, { history, name: `${port}/`, isOver: () => isOver }),
  );
  const until = performance.now() + MINUTES * 60_000;
  const faults: FaultRecord[] = [];
  await disturb(machines, {
    random,
    isOver: () => performance.now() >= until,
    onFault: (fault) => {
      faults.push(fault);
      const gap = longestSilence(writers.ackedAt, fault);
      say(
        `${fault.kind}${fault.hitLeader ? ' (leader)' : ''} ${seconds(fault.to - fault.from)}, no answer for ${seconds(gap)}`,
      );
      if (gap > UNAVAILABLE_MS_MAX)
        for (const node of nodes) say(`${node.url}:\n${node.server.stderr().slice(-LOG_CHARS)}`);
    },
  });
  isOver = true;
  await Promise.all([writers.stop(), ...clients]);
  return { writers, faults, history };
}

/** @throws Error */
function report(writers: ClusterWriters, faults: readonly FaultRecord[], read: ReadonlyMap<string, ReadBack>): void {
  const { history, ackedAt } = writers;
  const found = faultsOf(history, read);
  expectToFindFaults(history, read);
  const kinds = new Map<string, number>();
  for (const { kind, hitLeader } of faults) {
    const name = hitLeader ? `${kind} of the leader` : kind;
    kinds.set(name, (kinds.get(name) ?? 0) + 1);
  }
  for (const [name, count] of [...kinds].sort()) say(`${name}: ${count}`);
  const records = [...read.values()].reduce((sum, { names }) => sum + names.length, 0);
  say(
    `${faults.length} faults (seed ${SEED}), ${ackedAt.length} of ${history.length} requests acknowledged, ${records} records`,
  );
  const count = (what: string): number => found.filter((fault) => fault.includes(what)).length;
  say(
    `lost: ${count('lost')}, twice: ${count('duplicate')}, out of order: ${count('out of order')}, all: ${found.length}`,
  );
  const longest = Math.max(
    0,
    ...faults.filter(({ hitLeader }) => hitLeader).map((fault) => longestSilence(ackedAt, fault)),
  );
  const all = Math.max(0, ...faults.map((fault) => longestSilence(ackedAt, fault)));
  say(`longest unavailability: ${seconds(longest)} after the loss of a leader, ${seconds(all)} in all`);
  if (found.length > 0) throw new Error(found.slice(0, 20).join('\n'));
  if (longest > UNAVAILABLE_MS_MAX) throw new Error(`no node took appends for ${seconds(longest)}`);
}
