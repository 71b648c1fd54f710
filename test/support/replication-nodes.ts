/** Nodes of a cluster over a log in memory and stores on disk, with a clock that the test moves. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Replication } from '../../src/cluster/replication.ts';
import type { ReplicationOptions } from '../../src/cluster/replication-options.ts';
import type { TailraceError } from '../../src/model/error.ts';
import type { LogFields } from '../../src/observe/logger.ts';
import type { LatchingEngine } from '../../src/storage/latching-engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { Backups } from '../../src/storage/offline/backup.ts';
import type { Replica } from '../../src/storage/replicated/replica.ts';
import type { ReplicatedEngine } from '../../src/storage/replicated/replicated-engine.ts';
import { TestClock } from './log-harness.ts';
import {
  MemoryBucketStore,
  type MemoryKeyBucket,
  MemoryLogStore,
  type MemoryReplicatedLog,
} from './memory-replicated-log.ts';

export interface ReplicationNode {
  readonly it: Replication;
  readonly log: MemoryReplicatedLog;
  readonly bucket: MemoryKeyBucket;
  /** What it served, and why that ended. */
  readonly ends: string[];
  /** What it serves readers from, while it does. */
  readonly reading: Reading[];
  /** Tells it, while it leads, that something in its store is damaged. */
  onDamaged(error: TailraceError): void;
}

interface OpenNodeOptions extends Partial<ReplicationOptions> {
  readonly log: MemoryReplicatedLog;
  readonly url?: string;
}

interface Reading {
  readonly replica: Replica;
  catchUp(): Promise<void>;
}

const TURNS_MAX = 2_000;
const STEP_MS = 250;

/** Close it in the end. */
export class ReplicationNodes {
  readonly clock = new TestClock();
  readonly store = new MemoryLogStore();
  readonly bucketStore: MemoryBucketStore;
  readonly warned: string[] = [];
  readonly #dir: string;
  readonly #closing: (() => void)[] = [];
  #nodes: ReplicationNode[] = [];
  #starts = 0;
  /** Commits that are under way. */
  #writing = 0;

  /** @param endsKeys false for NATS that is late to end keys */
  constructor(dir: string, endsKeys = true) {
    this.#dir = dir;
    this.bucketStore = new MemoryBucketStore(() => (endsKeys ? this.clock.now() : 0));
  }

  dataDirOf(name: string): string {
    return path.join(this.#dir, name);
  }

  /** The first one leads. */
  async start(name: string, url = `http://${name}`, store = this.store): Promise<ReplicationNode> {
    const node = await this.open(name, { url, log: store.connect() });
    await this.settled(node.it.start());
    // Else another one could lead, where the disk is slow.
    if (this.#starts === 1) await this.until(() => node.it.role === 'leading');
    return node;
  }

  /** It is not started yet. */
  async open(name: string, { log, url = `http://${name}`, ...given }: OpenNodeOptions): Promise<ReplicationNode> {
    const bucket = this.bucketStore.connect();
    const ends: string[] = [];
    const reading: Reading[] = [];
    const dataDir = this.dataDirOf(name);
    let engine: ReplicatedEngine | undefined;
    const it = await Replication.open({
      ...{
        log,
        bucket,
        clock: this.clock,
        cluster: 'test',
        partition: 0,
        version: '1.0.0',
        start: `${name}-${this.#starts++}`,
      },
      logger: this.#logger,
      urls: { url, grpcUrl: undefined },
      served: {
        begin: async (begun, onDamaged) => {
          engine = begun;
          node.onDamaged = onDamaged;
        },
        end: async (reason: TailraceError) => {
          ends.push(reason.code);
          await engine?.close();
        },
      },
      following: {
        begin: async (replica, { catchUp }) => {
          reading.push({ replica, catchUp });
        },
        end: async () => {
          reading.length = 0;
        },
      },
      openStore: () => this.#openStore(dataDir),
      nodeHeaders: {},
      snapshotPath: '/snapshot',
      caFile: undefined,
      storeFile: path.join(dataDir, 'tailrace.mdb'),
      problems: () => [],
      ...given,
    });
    const node: ReplicationNode = { it, log, bucket, ends, reading, onDamaged: () => {} };
    this.#nodes.push(node);
    return node;
  }

  /** A node of which others can take a copy. */
  async startShared(name: string): Promise<ReplicationNode> {
    let node: ReplicationNode | undefined;
    const server = createServer(({ url }, response) => {
      if (node === undefined) return;
      if (url !== '/snapshot?partition=0') return void response.writeHead(404).end();
      const options = { file: path.join(this.dataDirOf(name), 'tailrace.mdb'), now: () => this.clock.now() };
      const backups = new Backups({ ...options, engine: node.it.local, withEngineRows: true });
      backups.begin().then(
        async (backup) => pipeline(backup.parts(), response).catch(() => {}),
        () => response.destroy(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#closing.push(() => server.close());
    node = await this.start(name, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return node;
  }

  /** As a crash does: it says nothing, so that its key and its place among the nodes stay until their time is over. */
  async endAtOnce(node: ReplicationNode): Promise<void> {
    node.log.isCutOff = true;
    node.bucket.isCutOff = true;
    await this.settled(node.it.close());
    this.forget(node);
  }

  /** It was closed. */
  forget(node: ReplicationNode): void {
    this.#nodes = this.#nodes.filter((other) => other !== node);
  }

  /** Moves the clock until something is so. */
  async until(isSo: () => boolean): Promise<void> {
    for (let turns = 0; turns < TURNS_MAX && !isSo(); turns++) await this.turn();
    if (isSo()) return;
    const said = this.#nodes.map(({ it }) => JSON.stringify(it.describe())).join('\n');
    throw new Error(`it did not become so: ${isSo.toString()}\n${said}`);
  }

  /** Moves the clock until a promise settles. */
  async settled<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => {});
    for (let turns = 0; turns < TURNS_MAX && !isDone; turns++) await this.turn();
    return done;
  }

  /** Moves the clock a little when what is written to disks is there: that takes real time, which the clock must not outrun. */
  async turn(): Promise<void> {
    for (let i = 0; i < 20 || this.#writing > 0; i++) await new Promise((resolve) => setImmediate(resolve));
    this.clock.advance(STEP_MS);
  }

  async #openStore(dataDir: string): Promise<LatchingEngine> {
    const engine = await openLmdbEngine({ path: dataDir });
    const commit = engine.commit.bind(engine);
    engine.commit = (...given) => {
      this.#writing++;
      return commit(...given).finally(() => this.#writing--);
    };
    return engine;
  }

  async close(): Promise<void> {
    for (const { it, log, bucket } of this.#nodes) {
      log.isCutOff = false;
      bucket.isCutOff = false;
      await this.settled(it.close());
    }
    for (const close of this.#closing) close();
  }

  readonly #logger = {
    debug() {},
    info() {},
    warn: ({ err }: LogFields, message: string) =>
      void this.warned.push(`${message}: ${(err as Error | undefined)?.message}`),
    error() {},
  };
}

export function leading({ it }: ReplicationNode): ReplicatedEngine {
  if (it.engine === undefined) throw new Error('it does not lead');
  return it.engine;
}
