/**
 * A rolling upgrade: three nodes of an older build are replaced one after the other, the one that leads last, while writers
 * write and readers over WebSockets and as events read through each of them. Nothing is lost, doubled or moved, and every reader gets
 * everything once and in order. Then the new version gets more partitions, which it refuses while an older node is there, and a
 * basin moves through them while it is written.
 *
 *   npm run torture -- cluster-upgrade DIR      the older version, with its packages and built
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ClusterNode,
  type ClusterSetup,
  leaderOf,
  leaderOfPartition,
  untilFollowed,
  untilStanding,
} from '../../../test/support/cluster-nodes.ts';
import { startNatsServers } from '../../../test/support/nats-servers.ts';
import { seededRandom } from '../../../test/support/writers.ts';
import { type BasinMove, BasinMoves } from './basin-moves.ts';
import { expectEqualStores, expectToFindFaults, faultsOf, readThroughEach, say, seconds } from './check-cluster.ts';
import { ClusterReaders } from './cluster-readers.ts';
import { ClusterWriters } from './cluster-writers.ts';

const MAIN = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
const QUIET_MS = 4_000;
/** One that is written through the node that is replaced first. */
const READ = 's2-1';
/** Behind the upgrade. */
const PARTITIONS = 3;
const MORE: readonly string[] = ['--cluster-partitions', String(PARTITIONS)];
const MOVED = 'basin-of-the-new-version';
const MOVES = 3;

/** Prints its figures. @throws Error with what did not hold */
export async function run(): Promise<void> {
  const older = process.argv[3];
  if (older === undefined) throw new Error('name the older version: npm run torture -- cluster-upgrade DIR');
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-torture-upgrade-'));
  const nats = await startNatsServers(3);
  const token = 'a-root-token-of-the-cluster-that-is-upgraded';
  const setup: ClusterSetup = { nats, replicas: 3, dir, token, main: path.resolve(older, 'dist/cli/main.js') };
  const nodes = await Promise.all(['a', 'b', 'c'].map((name) => ClusterNode.at(setup, name)));
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const writers = await upgrade(nodes, token);
    const read = await readThroughEach(nodes, writers.streams);
    const grown = { ...setup, partitions: PARTITIONS };
    await untilFollowed(grown, nodes.length);
    for (const node of nodes) await node.stop();
    await expectEqualStores(grown, nodes);
    const found = faultsOf(writers.history, read);
    expectToFindFaults(writers.history, read);
    if (found.length > 0) throw new Error(found.slice(0, 20).join('\n'));
    say(`${writers.acked} of ${writers.history.length} requests acknowledged; lost, twice, out of order: 0`);
  } finally {
    await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
    await nats.dispose();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function upgrade(nodes: readonly ClusterNode[], token: string): Promise<ClusterWriters> {
  await leaderOf(nodes);
  const readers = new ClusterReaders(token);
  await readers.start(nodes, READ);
  const writers = new ClusterWriters(token, seededRandom(1));
  for (const node of nodes) for (const kind of ['otlp', 's2', 's2'] as const) writers.start(kind, node.port);
  await pause();
  const leader = await leaderOf(nodes);
  for (const node of [...nodes.filter((each) => each !== leader), leader]) {
    const from = performance.now();
    await node.stop();
    node.main = MAIN;
    if (node !== leader) await expectToKnowAnOlderNode(node, leader);
    await node.start();
    await untilStanding(node, (standing) => standing.leads || standing.leader !== undefined);
    const to = performance.now();
    await pause();
    const what = node === leader ? 'the node that led' : 'a node';
    say(`${what}: ${seconds(to - from)}, no answer for ${seconds(writers.silence({ from, to }))}`);
  }
  await growPartitions(nodes, writers, token);
  await writers.stop();
  for (const line of await readers.end(await leaderOf(nodes), writers)) say(line);
  return writers;
}

/** @throws Error when a node starts that wants more partitions, or does not say who has to be upgraded */
async function expectToKnowAnOlderNode(node: ClusterNode, older: ClusterNode): Promise<void> {
  const refused = await node.start(...MORE).then(
    () => '',
    (error: unknown) => String(error),
  );
  const sentence = /the node (\S+) has version \S+, which knows no partitions: upgrade all nodes first/.exec(refused);
  if (sentence === null) throw new Error(`more partitions are not refused beside ${older.url}: ${refused}`);
  say(`more partitions are refused: ${sentence[0]}`);
}

/** One node wants more partitions, the others find out; a basin is made in one of them, and moves while it is written. */
async function growPartitions(nodes: readonly ClusterNode[], writers: ClusterWriters, token: string): Promise<void> {
  const [first] = nodes as [ClusterNode];
  const from = performance.now();
  await first.stop();
  await first.start(...MORE);
  for (let partition = 0; partition < PARTITIONS; partition++) await leaderOfPartition(nodes, partition);
  say(`${PARTITIONS} partitions lead after ${seconds(performance.now() - from)}`);
  const onMove = ({ from: left, to, outcome }: BasinMove): void => say(`  ${MOVED} from ${left} to ${to}: ${outcome}`);
  const moves = new BasinMoves({ nodes, token, partitions: PARTITIONS }, seededRandom(1), onMove);
  await moves.create([MOVED]);
  for (const node of nodes) writers.start('s2', node.port, MOVED);
  await moves.run([MOVED], () => moves.done.length >= MOVES);
  if (moves.done.some(({ outcome }) => outcome !== 'ended')) throw new Error('a move was given up');
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, QUIET_MS));
}
