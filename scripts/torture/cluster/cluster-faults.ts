/** One fault after the other in a cluster of three nodes and three servers of NATS: a majority is there, or all are killed. */

import type { ClusterDisks, WithoutPower } from '../../../test/support/cluster-disks.ts';
import { type ClusterNode, leaderOfPartition, untilStanding } from '../../../test/support/cluster-nodes.ts';
import type { NatsServers } from '../../../test/support/nats-servers.ts';
import type { HeldLinks } from './held-links.ts';

export interface Machines {
  readonly nats: NatsServers;
  readonly nodes: readonly ClusterNode[];
  /** Of each node, to the servers of NATS. */
  readonly links: readonly HeldLinks[];
  readonly partitions: number;
  /** Without them no power goes. */
  readonly disks: ClusterDisks | undefined;
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
/** What was written and not synced is lost, or there in any order. */
const POWER_KINDS = ['power-node', 'power-server', 'power-both', 'power-all'] as const;
type FaultKind = (typeof KINDS)[number] | (typeof POWER_KINDS)[number];

const HELD_MS_MIN = 500;
/** Mostly short, sometimes longer than a leader may be silent. */
const HELD_MS_MAX = 14_000;
/** Of all machines at once. */
const HELD_ALL_MS_MAX = 2_000;
const QUIET_MS_MIN = 200;
const QUIET_MS_MAX = 1_000;
/** Of what a disk keeps that was not synced. */
const SEEDS = 1_000_000;

interface Disturbance {
  random(): number;
  isOver(): boolean;
  /** Resolves when what the last fault hit goes on. */
  settled(): Promise<void>;
  onFault(fault: FaultRecord): void;
}

/** Resolves after the last fault when `isOver` says so. */
export async function disturb(machines: Machines, { random, isOver, settled, onFault }: Disturbance): Promise<void> {
  const kinds: readonly FaultKind[] = machines.disks === undefined ? KINDS : [...KINDS, ...POWER_KINDS];
  for (let i = 0; !isOver(); i++) {
    // The loss of a leader before the next has answered anything would count as one, twice as long.
    await leadersOf(machines);
    await settled();
    await pause(QUIET_MS_MIN + random() * (QUIET_MS_MAX - QUIET_MS_MIN));
    const leaders = await leadersOf(machines);
    // Every kind comes, and in every second fault the leader of a partition is hit.
    const kind = kinds[i % kinds.length] ?? 'kill-node';
    const partition = leaders.length === 1 ? 0 : Math.floor(random() * leaders.length);
    const index = random() < 0.5 ? (leaders[partition] ?? 0) : Math.floor(random() * machines.nodes.length);
    const from = performance.now();
    await faultOnce(machines, {
      kind,
      index,
      heldMs: HELD_MS_MIN + random() ** 3 * (HELD_MS_MAX - HELD_MS_MIN),
      random,
    });
    onFault({ kind, hitLeader: leaders.includes(index) && !/server$|all$/.test(kind), from, to: performance.now() });
  }
}

/** The index of the node that leads, of each partition. */
async function leadersOf({ nodes, partitions }: Machines): Promise<readonly number[]> {
  const all = Array.from({ length: partitions }, (_, partition) => leaderOfPartition(nodes, partition));
  return (await Promise.all(all)).map((leader) => nodes.indexOf(leader));
}

interface Fault {
  readonly kind: FaultKind;
  /** Of the node and the server that are hit. */
  readonly index: number;
  readonly heldMs: number;
  random(): number;
}

async function faultOnce(machines: Machines, fault: Fault): Promise<void> {
  const { nats, nodes, links } = machines;
  const { kind, index, heldMs } = fault;
  const node = nodes[index];
  if (node === undefined) throw new Error(`there is no node ${index}`);
  if (kind === 'cut-node' || kind === 'delay-node') {
    links[index]?.hold();
    await pause(heldMs);
    links[index]?.release(kind === 'delay-node');
  } else if (kind.startsWith('stop')) {
    const { servers, nodes: stopped } = hitBy(machines, fault);
    for (const i of servers) nats.stop(i);
    for (const i of stopped) nodes[i]?.signal('SIGSTOP');
    await pause(heldMs);
    for (const i of servers) nats.resume(i);
    for (const i of stopped) nodes[i]?.signal('SIGCONT');
  } else {
    await endAndStart(machines, fault);
  }
  await untilStanding(node, ({ leads, leader }) => leads || leader !== undefined);
}

/** Ends what is hit at one moment, and starts it again later: after a loss of power on what the disks have kept. */
async function endAndStart(machines: Machines, fault: Fault): Promise<void> {
  const { nats, nodes, disks } = machines;
  const { kind, heldMs, random } = fault;
  const hit = hitBy(machines, fault);
  const hitNodes = nodes.filter((_, i) => hit.nodes.includes(i));
  if (kind.startsWith('power')) {
    await disks?.losePower(machines, hit, random() < 0.5 ? undefined : Math.floor(random() * SEEDS));
  } else {
    const signal = kind === 'end-node' ? 'SIGTERM' : 'SIGKILL';
    await Promise.all([...hitNodes.map((node) => node.stop(signal)), ...hit.servers.map((i) => nats.kill(i))]);
  }
  await pause(kind.endsWith('all') ? Math.min(heldMs, HELD_ALL_MS_MAX) : heldMs);
  await Promise.all(hit.servers.map((i) => nats.restart(i)));
  await Promise.all(hitNodes.map((node) => node.start()));
}

function hitBy({ nodes }: Machines, { kind, index }: Fault): WithoutPower {
  const hit = kind.endsWith('all') ? nodes.map((_, i) => i) : [index];
  return { nodes: kind.endsWith('server') ? [] : hit, servers: kind.endsWith('node') ? [] : hit };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
