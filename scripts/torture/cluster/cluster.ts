/**
 * Three nodes over three servers of NATS on loopback. Writers send OTLP and S2 through all nodes while nodes and servers are
 * killed, stopped, ended and cut off at random, or lose their power, one of them or all six at once. In the end every
 * acknowledged record is there once, in order and at its position, in what a reader gets through each node and in the store of
 * each; what concurrent clients of one stream were told through all nodes is linearizable; and after the loss of a leader
 * another one takes appends within 15 seconds. With several partitions each has a basin in the beginning, and basins move from
 * one to another all the time, also that of the concurrent clients; each basin takes appends within these 15 seconds.
 *
 *   npm run torture -- cluster [minutes] [partitions]
 *
 * TAILRACE_TORTURE_LOGS names a directory for the logs of all processes.
 *
 * Negative control: the same check of the same history has to find a record that is left out, doubled or moved.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClusterDisks } from '../../../test/support/cluster-disks.ts';
import {
  ClusterNode,
  type ClusterSetup,
  leaderOfPartition,
  untilFollowed,
} from '../../../test/support/cluster-nodes.ts';
import { History, runLastingClients } from '../../../test/support/history-clients.ts';
import { startNatsServers } from '../../../test/support/nats-servers.ts';
import { type ReadBack, seededRandom } from '../../../test/support/writers.ts';
import { type BasinMove, BasinMoves } from './basin-moves.ts';
import { expectEqualStores, expectToFindFaults, faultsOf, readThroughEach, say, seconds } from './check-cluster.ts';
import { disturb, type FaultRecord, type Machines } from './cluster-faults.ts';
import { ClusterReaders } from './cluster-readers.ts';
import { ClusterWriters } from './cluster-writers.ts';
import { expectLinearizable } from './expect-linearizable.ts';
import { HeldLinks } from './held-links.ts';

const MINUTES = Number(process.argv[3] ?? 3);
const PARTITIONS = Number(process.argv[4] ?? 1);
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? Date.now() % 1_000_000);
const UNAVAILABLE_MS_MAX = 15_000;
/** After a fault, before a move counts as one without. */
const SETTLED_MS = 1_000;
/** Of the log of each node, where it took too long. */
const LOG_CHARS = 6_000;
const TOKEN = 'a-root-token-of-the-cluster-under-torture';
/** Of the concurrent clients, where there are several partitions. */
const SHARED = 'basin-shared';
const MAIN = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));

/** Prints its figures. @throws Error with what did not hold */
export async function run(): Promise<void> {
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-torture-cluster-'));
  const disks = ClusterDisks.mount(3);
  if (disks === undefined) say('no power goes: this user may not mount a file system');
  const nats = await startNatsServers(
    3,
    disks === undefined ? {} : { storeDirs: disks.servers.map((disk) => disk.dir) },
  );
  const logDir = process.env.TAILRACE_TORTURE_LOGS;
  const setup: ClusterSetup = {
    ...{ nats, replicas: 3, dir, token: TOKEN, main: MAIN, partitions: PARTITIONS },
    ...(logDir === undefined ? {} : { logDir }),
  };
  const links = await Promise.all(['a', 'b', 'c'].map(() => HeldLinks.to(nats.urls)));
  const nodes = await Promise.all(
    ['a', 'b', 'c'].map((name, i) => {
      const urls = links[i]?.urls ?? [];
      return ClusterNode.at({ ...setup, dir: disks?.nodes[i]?.dir ?? dir, nats: { ...nats, urls } }, name);
    }),
  );
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const { writers, faults, history, moves } = await torture({ nodes, nats, links, disks, partitions: PARTITIONS });
    for (let partition = 0; partition < PARTITIONS; partition++) await leaderOfPartition(nodes, partition);
    const read = await readThroughEach(nodes, writers.streams);
    say(await expectLinearizable(history, nodes, PARTITIONS === 1 ? undefined : SHARED));
    await untilFollowed(setup, nodes.length);
    for (const node of nodes) await node.stop();
    await expectEqualStores(setup, nodes);
    report(writers, faults, moves, read);
  } catch (error) {
    sayLogs(nodes.filter(({ runs }) => runs));
    throw error;
  } finally {
    await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
    for (const link of links) link.close();
    await nats.dispose();
    disks?.dispose();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function torture(machines: Machines) {
  const { nodes, partitions } = machines;
  const random = seededRandom(SEED);
  for (let partition = 0; partition < partitions; partition++) await leaderOfPartition(nodes, partition);
  const writers = new ClusterWriters(TOKEN, random);
  const onMove = (move: BasinMove): void => sayMove(move, writers);
  const moves = new BasinMoves({ nodes, token: TOKEN, partitions }, seededRandom(SEED + 1), onMove);
  const basins = partitions === 1 ? [] : Array.from({ length: partitions }, (_, i) => `basin-of-writers-${i}`);
  await moves.create(partitions === 1 ? [] : [...basins, SHARED]);
  // In each basin one writes through each node: so it is silent only when no node takes writes there.
  for (const [at, { port }] of nodes.entries()) {
    for (const [i, kind] of (['otlp', 's2', 's2'] as const).entries()) {
      writers.start(kind, port, basins[(at + i) % basins.length]);
    }
  }
  const readers = new ClusterReaders(TOKEN);
  for (const [stream, basin] of [...writers.streams].slice(0, basins.length)) await readers.start(nodes, stream, basin);
  const history = new History(random);
  let isOver = false;
  const shared = basins.length === 0 ? {} : { basin: SHARED };
  const clients = nodes.map(({ port }) =>
    runLastingClients({ port, token: TOKEN, ...shared }, { history, name: `${port}/`, isOver: () => isOver }),
  );
  const moving = basins.length === 0 ? undefined : moves.run([...basins, SHARED], () => isOver);
  moving?.catch(() => {});
  const until = performance.now() + MINUTES * 60_000;
  const faults: FaultRecord[] = [];
  await disturb(machines, {
    random,
    // A basin that was about to move goes on somewhat later than its leaders.
    settled: async () => void (partitions > 1 && (await writers.untilAcked())),
    isOver: () => performance.now() >= until || writers.hasFailed,
    onFault: (fault) => {
      faults.push(fault);
      const gap = writers.silence(fault);
      say(
        `${fault.kind}${fault.hitLeader ? ' (leader)' : ''} ${seconds(fault.to - fault.from)}, no answer for ${seconds(gap)}`,
      );
      if (gap > UNAVAILABLE_MS_MAX) sayLogs(nodes);
    },
  });
  isOver = true;
  // They write until the last move is over.
  await moving;
  await Promise.all([writers.stop(), ...clients]);
  if (basins.length > 0) for (const line of await readers.end(await leaderOfPartition(nodes, 0), writers)) say(line);
  return { writers, faults, history, moves: moves.done };
}

function sayLogs(nodes: readonly ClusterNode[]): void {
  for (const node of nodes) say(`${node.url}:\n${node.server.stderr().slice(-LOG_CHARS)}`);
}

function sayMove({ basin, from, to, period, outcome }: BasinMove, writers: ClusterWriters): void {
  const silence = basin === SHARED ? '' : `, no answer for ${seconds(writers.silence(period, basin))}`;
  say(`  ${basin} from ${from} to ${to}: ${outcome} after ${seconds(period.to - period.from)}${silence}`);
}

/** @throws Error */
function report(
  writers: ClusterWriters,
  faults: readonly FaultRecord[],
  moves: readonly BasinMove[],
  read: ReadonlyMap<string, ReadBack>,
): void {
  const { history, acked } = writers;
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
    `${faults.length} faults (seed ${SEED}), ${acked} of ${history.length} requests acknowledged, ${records} records`,
  );
  const count = (what: string): number => found.filter((fault) => fault.includes(what)).length;
  say(
    `lost: ${count('lost')}, twice: ${count('duplicate')}, out of order: ${count('out of order')}, all: ${found.length}`,
  );
  const longest = Math.max(0, ...faults.filter(({ hitLeader }) => hitLeader).map((fault) => writers.silence(fault)));
  const all = Math.max(0, ...faults.map((fault) => writers.silence(fault)));
  say(`longest unavailability: ${seconds(longest)} after the loss of a leader, ${seconds(all)} in all`);
  const inMoves = PARTITIONS === 1 ? 0 : reportMoves(writers, faults, moves);
  if (found.length > 0) throw new Error(found.slice(0, 20).join('\n'));
  if (longest > UNAVAILABLE_MS_MAX) throw new Error(`no node took appends for ${seconds(longest)}`);
  if (inMoves > UNAVAILABLE_MS_MAX) throw new Error(`a basin that moved took no appends for ${seconds(inMoves)}`);
}

/** Returns for how long a basin took nothing while it moved, in ms, beside at most one loss of a leader. @throws Error */
function reportMoves(writers: ClusterWriters, faults: readonly FaultRecord[], moves: readonly BasinMove[]): number {
  const ended = moves.filter(({ outcome }) => outcome === 'ended');
  const near = ({ period }: BasinMove, marginMs: number): readonly FaultRecord[] =>
    faults.filter(({ from, to }) => from <= period.to && to + marginMs >= period.from);
  const silences = (some: readonly BasinMove[]): readonly number[] =>
    some.filter(({ basin }) => basin !== SHARED).map(({ basin, period }) => writers.silence(period, basin));
  const calm = [...silences(ended.filter((move) => near(move, SETTLED_MS).length === 0))].sort((a, b) => a - b);
  const judged = moves.filter((move) => {
    const beside = near(move, UNAVAILABLE_MS_MAX);
    return beside.length <= 1 && beside.every(({ hitLeader }) => hitLeader);
  });
  const [median, most] = [calm[calm.length >> 1] ?? 0, calm.at(-1) ?? 0];
  const longest = Math.max(0, ...silences(judged));
  const all = Math.max(0, ...silences(moves));
  say(`${moves.length} moves of basins: ${ended.length} ended, ${moves.length - ended.length} given up`);
  say(
    `basins took nothing in ${calm.length} moves beside no fault: ${seconds(median)} (median), ${seconds(most)} (most)`,
  );
  say(`beside one loss of a leader or none: ${seconds(longest)} at most; ${seconds(all)} in all`);
  if (ended.length === 0) throw new Error('no basin has moved');
  return longest;
}
