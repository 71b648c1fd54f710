/** A disk of its own for each node and each server of NATS, so that the power of any of them can go at one moment. */

import type { ClusterNode } from './cluster-nodes.ts';
import type { NatsServers } from './nats-servers.ts';
import { mountPowerLossDisk, type PowerLossDisk } from './power-loss-disk.ts';

/** Their files grow as they are filled. */
const MEBIBYTES = 16_384;

/** Indices. */
export interface WithoutPower {
  readonly nodes: readonly number[];
  readonly servers: readonly number[];
}

interface Running {
  readonly nodes: readonly ClusterNode[];
  readonly nats: NatsServers;
}

export class ClusterDisks {
  readonly nodes: readonly PowerLossDisk[];
  readonly servers: readonly PowerLossDisk[];

  private constructor(nodes: readonly PowerLossDisk[], servers: readonly PowerLossDisk[]) {
    this.nodes = nodes;
    this.servers = servers;
  }

  /** Of so many nodes and as many servers. Undefined where disks cannot be mounted. */
  static mount(count: number): ClusterDisks | undefined {
    const disks: PowerLossDisk[] = [];
    for (let i = 0; i < 2 * count; i++) {
      const disk = mountPowerLossDisk(MEBIBYTES);
      if (disk === undefined) {
        for (const mounted of disks) mounted.dispose();
        return undefined;
      }
      disks.push(disk);
    }
    return new ClusterDisks(disks.slice(0, count), disks.slice(count));
  }

  /** Resolves when the disks have power again, and what ran there has ended. With a seed some unsynced pages are kept. */
  async losePower({ nodes, nats }: Running, hit: WithoutPower, seed?: number): Promise<void> {
    const lost = nodes.filter((_, i) => hit.nodes.includes(i));
    const disks = [...hit.nodes.map((i) => this.nodes[i]), ...hit.servers.map((i) => this.servers[i])];
    for (const node of lost) node.signal('SIGSTOP');
    for (const i of hit.servers) nats.stop(i);
    for (const [i, disk] of disks.entries()) disk?.losePower(seed === undefined ? undefined : seed + i);
    for (const node of lost) node.signal('SIGKILL');
    await Promise.all([...lost.map(({ server }) => server.exited), ...hit.servers.map((i) => nats.kill(i))]);
    for (const disk of disks) disk?.powerOn();
    await Promise.all(lost.map((node) => node.stop('SIGKILL')));
  }

  dispose(): void {
    for (const disk of [...this.nodes, ...this.servers]) disk.dispose();
  }
}
