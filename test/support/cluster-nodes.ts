/** Nodes of a cluster as processes, each with its place: ports and a directory that outlive it. */

import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeNode, memberPrefix } from '../../src/cluster/node-info.ts';
import type { NodeRole } from '../../src/model/cluster-state.ts';
import { partitionDir } from '../../src/storage/data-dir.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { openJetstreamLog } from '../../src/storage/replicated/jetstream-log.ts';
import { openKeyBucket } from '../../src/storage/replicated/key-bucket.ts';
import { connectNats, type NatsLink } from '../../src/storage/replicated/nats-connection.ts';
import { Replica } from '../../src/storage/replicated/replica.ts';
import { catchUp } from '../../src/storage/replicated/replicated-engine.ts';
import type { ReplicatedLog } from '../../src/storage/replicated/replicated-log.ts';
import { freePort } from './free-port.ts';
import { call } from './http-call.ts';
import type { NatsServers } from './nats-servers.ts';
import { startServer, type TestServer } from './server.ts';

export interface ClusterSetup {
  readonly nats: NatsServers;
  readonly replicas: 1 | 3;
  /** Holds a directory for each node. */
  readonly dir: string;
  readonly token: string;
  /** Files of each node and of what it trusts, where the nodes have TLS. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  /** One without it. */
  readonly partitions?: number;
  /** The command line, where it is not that of the tests. */
  readonly main?: string;
  /** Where the log of each process of a node is kept when it has ended. */
  readonly logDir?: string;
}

/** What a node says of its cluster while it does not lead. */
export interface Standing {
  readonly leads: boolean;
  readonly leader: string | undefined;
  readonly problems: readonly string[];
  /** Where there are several, and as far as the node says it. */
  readonly partitions: readonly StandingInPartition[];
}

interface StandingInPartition {
  readonly partition: number;
  readonly role: NodeRole;
  readonly leader: string | null;
}

/** The name that a cluster has without `--cluster-name`. */
const CLUSTER = 'tailrace';
const LOOK_MS = 50;
const FOLLOW_MS = 30_000;
const ANSWER_MS = 1_000;

export class ClusterNode {
  readonly port: number;
  readonly url: string;
  readonly dataDir: string;
  readonly args: readonly string[];
  readonly #setup: ClusterSetup;
  #server: TestServer | undefined;
  /** The command line that is started. */
  main: string | undefined;

  private constructor(setup: ClusterSetup, name: string, ports: readonly [number, number]) {
    const [port, grpcPort] = ports;
    const { urls, monitors } = setup.nats;
    const { tls, partitions = 1 } = setup;
    this.#setup = setup;
    this.main = setup.main;
    this.port = port;
    this.url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
    this.dataDir = path.join(setup.dir, name);
    this.args = [
      ...['--port', String(port), '--grpc-port', String(grpcPort), '--node-url', this.url],
      ...['--cluster', urls.join(','), '--cluster-monitor', monitors.join(',')],
      ...['--cluster-replicas', String(setup.replicas)],
      ...(partitions === 1 ? [] : ['--cluster-partitions', String(partitions)]),
      ...(tls === undefined ? [] : ['--tls-cert', tls.cert, '--tls-key', tls.key, '--cluster-ca', tls.ca]),
    ];
  }

  static async at(setup: ClusterSetup, name: string): Promise<ClusterNode> {
    return new ClusterNode(setup, name, [await freePort(), await freePort()]);
  }

  /** The process, which runs. */
  get server(): TestServer {
    if (this.#server === undefined) throw new Error('the node does not run');
    return this.#server;
  }

  get runs(): boolean {
    return this.#server !== undefined;
  }

  async start(...args: readonly string[]): Promise<void> {
    const { main } = this;
    const { token } = this.#setup;
    this.#server = await startServer({
      ...{ dataDir: this.dataDir, args: [...this.args, ...args], env: { TAILRACE_ROOT_TOKEN: token } },
      ...(main === undefined ? {} : { main }),
    });
  }

  /** SIGTERM, or another signal that ends it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const server = this.#server;
    const { logDir } = this.#setup;
    this.#server = undefined;
    await server?.stop(signal);
    if (server === undefined || logDir === undefined) return;
    appendFileSync(path.join(logDir, `${this.port}.log`), server.stderr());
  }

  /** SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.server.pid, signal);
  }

  /** Undefined when it does not answer. */
  async standing(): Promise<Standing | undefined> {
    if (!this.runs) return undefined;
    try {
      const { tls } = this.#setup;
      const ca = tls === undefined ? undefined : readFileSync(tls.ca, 'utf8');
      const signal = AbortSignal.timeout(ANSWER_MS);
      const { status, body } = await call(this.port, { method: 'GET', path: '/readyz', ca, signal });
      const said = JSON.parse(body.toString()) as Readonly<Record<string, never>>;
      const { role, leader, problems = [], partitions = [] } = said;
      return { leads: role === undefined && status === 200, leader: leader ?? undefined, problems, partitions };
    } catch {
      return undefined;
    }
  }
}

/** Resolves with the node that leads partition 0, when one of these says that it does. */
export async function leaderOf(nodes: readonly ClusterNode[]): Promise<ClusterNode> {
  for (;;) {
    const standings = await Promise.all(nodes.map((node) => node.standing()));
    const leader = nodes.find((_, i) => standings[i]?.leads === true);
    if (leader !== undefined) return leader;
    await pause(LOOK_MS);
  }
}

/** Resolves with the node that leads a partition: one that says so, or that another one names and that answers. */
export async function leaderOfPartition(nodes: readonly ClusterNode[], partition: number): Promise<ClusterNode> {
  if (partition === 0) return leaderOf(nodes);
  for (;;) {
    const standings = await Promise.all(nodes.map((node) => node.standing()));
    const said = standings.map((standing) => standing?.partitions.find((each) => each.partition === partition));
    // The node that leads partition 0 does not say what else it leads.
    const named = said.find((each) => each?.role === 'following' && each.leader !== null)?.leader;
    const leader =
      nodes.find((_, i) => said[i]?.role === 'leading') ??
      nodes.find(({ url }, i) => url === named && standings[i]?.leads === true);
    if (leader !== undefined) return leader;
    await pause(LOOK_MS);
  }
}

/** Resolves when a node says this of itself. */
export async function untilStanding(node: ClusterNode, holds: (standing: Standing) => boolean): Promise<Standing> {
  for (;;) {
    const standing = await node.standing();
    if (standing !== undefined && holds(standing)) return standing;
    await pause(LOOK_MS);
  }
}

/** Resolves when so many nodes say that they have applied all that the logs hold now. @throws Error after half a minute */
export async function untilFollowed({ nats, replicas, partitions = 1 }: ClusterSetup, count: number): Promise<void> {
  const link = await connectNats({ servers: nats.urls, name: 'test' });
  try {
    const bucket = await openKeyBucket(link, { cluster: CLUSTER, replicas });
    const until = performance.now() + FOLLOW_MS;
    for (let partition = 0; partition < partitions; partition++) {
      const { last } = await (await openLog(link, replicas, partition)).bounds();
      for (;;) {
        const what = `the log of partition ${partition} to ${last}`;
        if (performance.now() > until) throw new Error(`not all nodes have followed ${what}`);
        const nodes = [...(await bucket.list(memberPrefix(partition))).values()].map(decodeNode);
        if (nodes.filter(({ sequence }) => sequence >= last).length >= count) break;
        await pause(LOOK_MS);
      }
    }
  } finally {
    await link.close();
  }
}

/** Applies to the store of a node that does not run what the log has and it has not. Returns how far it is then. */
export async function catchUpStopped(
  { nats, replicas }: ClusterSetup,
  dataDir: string,
  partition = 0,
): Promise<number> {
  const link = await connectNats({ servers: nats.urls, name: 'test' });
  const local = await openLmdbEngine({ path: partitionDir(dataDir, partition) });
  try {
    const replica = await Replica.open(local);
    await catchUp(await openLog(link, replicas, partition), replica);
    return replica.sequence;
  } finally {
    await local.close();
    await link.close();
  }
}

function openLog(link: NatsLink, replicas: 1 | 3, partition: number): Promise<ReplicatedLog> {
  return openJetstreamLog(link, { cluster: CLUSTER, replicas, partition });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
