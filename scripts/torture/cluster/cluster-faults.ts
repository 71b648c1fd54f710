/** One fault after the other in a cluster of three nodes and three servers of NATS: a majority is there, or all are killed. */

import { type ClusterNode, leaderOfPartition, untilStanding } from '../../../test/support/cluster-nodes.ts';
import type { NatsServers } from '../../../test/support/nats-servers.ts';
import type { HeldLinks } from './held-links.ts';

export interface Machines {
  readonly nats: NatsServers;
  readonly nodes: readonly ClusterNode[];
  /** Of each node, to the servers of NATS. */
  readonly links: readonly HeldLinks[];
  readonly partitions: number;
}

export interface FaultRecord {
  readonly kind: FaultKind;
  /** Of any partition. */
  readonly hitLeader: boolean;
  readonly from: number;
  /** When all that it hit was back. */
  readonly to: number;
}

const KINDS = [
  ...(['kill-node', 'stop-node', 'end-node', 'kill-server', 'stop-server', 'kill-both', 'stop-both'] as const),
  /** The node reaches no server of NATS; what it sent meanwhile is lost, or arrives late. */
  ...(['cut-node', 'delay-node', 'kill-all'] as const),
] as const;
export type FaultKind = (typeof KINDS)[number];

const HELD_MS_MIN = 500;
/** Mostly short, sometimes longer than a leader may be silent. */
const HELD_MS_MAX = 14_000;
const QUIET_MS_MIN = 1_000;
const QUIET_MS_MAX = 3_000;

interface Disturbance {
  random(): number;
  isOver(): boolean;
  /** Resolves when what the last fault hit goes on. */
  settled(): Promise<void>;
  onFault(fault: FaultRecord): void;
}

/** Resolves after the last fault when `isOver` says so. */
export async function disturb(machines: Machines, { random, isOver, settled, onFault }: Disturbance): Promise<void> {
  for (let i = 0; !isOver(); i++) {
    // The loss of a leader before the next has answered anything would count as one, twice as long.
    await leadersOf(machines);
    await settled();
    await pause(QUIET_MS_MIN + random() * (QUIET_MS_MAX - QUIET_MS_MIN));
    const leaders = await leadersOf(machines);
    // Every kind comes, and in every second fault the leader of a partition is hit.
    const kind = KINDS[i % KINDS.length] ?? 'kill-node';
    const partition = leaders.length === 1 ? 0 : Math.floor(random() * leaders.length);
    const index = random() < 0.5 ? (leaders[partition] ?? 0) : Math.floor(random() * machines.nodes.length);
    const from = performance.now();
    await faultOnce(machines, kind, index, HELD_MS_MIN + random() ** 2 * (HELD_MS_MAX - HELD_MS_MIN));
    onFault({ kind, hitLeader: leaders.includes(index) && !/server$|all$/.test(kind), from, to: performance.now() });
  }
}

/** The index of the node that leads, of each partition. */
async function leadersOf({ nodes, partitions }: Machines): Promise<readonly number[]> {
  const all = Array.from({ length: partitions }, (_, partition) => leaderOfPartition(nodes, partition));
  return (await Promise.all(all)).map((leader) => nodes.indexOf(leader));
}

async function faultOnce(machines: Machines, kind: FaultKind, index: number, heldMs: number): Promise<void> {
  const { nats, nodes, links } = machines;
  const node = nodes[index];
  if (node === undefined) throw new Error(`there is no node ${index}`);
  const hitsNode = !kind.endsWith('server');
  const hitsServer = kind.endsWith('server') || kind.endsWith('both');
  if (kind === 'kill-all') {
    await killAll(machines, heldMs);
  } else if (kind === 'cut-node' || kind === 'delay-node') {
    links[index]?.hold();
    await pause(heldMs);
    links[index]?.release(kind === 'delay-node');
  } else if (kind.startsWith('stop')) {
    if (hitsServer) nats.stop(index);
    if (hitsNode) node.signal('SIGSTOP');
    await pause(heldMs);
    if (hitsServer) nats.resume(index);
    if (hitsNode) node.signal('SIGCONT');
  } else {
    const signal = kind === 'end-node' ? 'SIGTERM' : 'SIGKILL';
    await Promise.all([hitsNode ? node.stop(signal) : undefined, hitsServer ? nats.kill(index) : undefined]);
    await pause(heldMs);
    if (hitsServer) await nats.restart(index);
    if (hitsNode) await node.start();
  }
  await untilStanding(node, ({ leads, leader }) => leads || leader !== undefined);
}

/** As a loss of power of everything does, but for what the disks had not written yet. */
async function killAll({ nats, nodes }: Machines, heldMs: number): Promise<void> {
  const all = nodes.map((_, i) => i);
  await Promise.all([...nodes.map((node) => node.stop('SIGKILL')), ...all.map((i) => nats.kill(i))]);
  await pause(Math.min(heldMs, QUIET_MS_MAX));
  await Promise.all(all.map((i) => nats.restart(i)));
  await Promise.all(nodes.map((node) => node.start()));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
