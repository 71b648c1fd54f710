/**
 * What a node keeps of its cluster: its own store, and how far that follows the log. Only what is in the log is ever
 * written here, in the order of the log.
 *
 * A command counts only if it names the last one that counted as the one before it. All replicas pass over the others in
 * the same way: such a command was sent by a node that led before and did not know yet that another one leads.
 */

import { assert, TailraceError, unavailable } from '../../model/error.ts';
import { PASSED_OVER_IN_A_ROW_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_ROWS_MAX } from '../../model/limits.ts';
import type { Engine, Write } from '../engine.ts';
import type { LatchingEngine } from '../latching-engine.ts';
import { COMMAND_ID_BYTES, decodeCommand } from './command.ts';
import { notContinued } from './expect-continued.ts';
import { decodeReplicaState, encodeReplicaState, REPLICA_KEY, type ReplicaState } from './replica-state.ts';
import type { StoredCommand } from './replicated-log.ts';

/** Of a store that no command was applied to. */
const EMPTY_BASE = Buffer.alloc(COMMAND_ID_BYTES);

/** Has `commit` write a transaction, which comes after the one before it. */
export type ApplyWrites = (writes: readonly Write[], commit: () => Promise<void>) => Promise<void>;

export class Replica {
  readonly local: LatchingEngine;
  /** Asked for each transaction while a log follows this store; it is written at once where that is undefined. */
  applyWrites: ApplyWrites | undefined;
  /** Told of each transaction that is written, whoever leads; it must not throw. */
  onWritten: ((writes: readonly Write[]) => Promise<void>) | undefined;
  #state: ReplicaState;
  #durable: number;
  #passedOver = 0;
  /** Since the last one that counted. */
  #passedOverInARow = 0;
  /** Writes under way. */
  #writing = 0;

  private constructor(local: LatchingEngine, state: ReplicaState) {
    this.local = local;
    this.#state = state;
    this.#durable = state.sequence;
  }

  /** A store that belongs to no cluster yet begins with `base`, and says so from then on. @throws TailraceError `corrupt`, `storage` */
  static async open(local: LatchingEngine, base: Uint8Array = EMPTY_BASE): Promise<Replica> {
    const state = await readReplicaState(local);
    if (state !== undefined) return new Replica(local, state);
    const replica = new Replica(local, { sequence: 0, lastId: base, base });
    await replica.#keep(replica.#state);
    return replica;
  }

  /** How far it has applied the log. */
  get sequence(): number {
    return this.#state.sequence;
  }

  /** How far that is on disk: the log is not needed up to here. */
  get durableSequence(): number {
    return this.#durable;
  }

  /** The id of the last command that counted. */
  get lastId(): Uint8Array {
    return this.#state.lastId;
  }

  get base(): Uint8Array {
    return this.#state.base;
  }

  /** Commands that did not count, since it was opened. */
  get passedOver(): number {
    return this.#passedOver;
  }

  /**
   * Applies commands, the next of the log; durable when it resolves. Commands without writes are remembered in memory only
   * until others come: an answer that waits for one of them needs no disk.
   * @throws TailraceError `corrupt`, also when none counts any more; `format_too_new`, `storage_full`, `storage`: those before the fault are applied
   */
  async apply(commands: readonly StoredCommand[]): Promise<void> {
    let writes: Write[] = [];
    let bytes = 0;
    let next = this.#state;
    let passedOver = this.#passedOver;
    let inARow = this.#passedOverInARow;
    const flush = async (): Promise<void> => {
      await this.write(writes, next);
      this.#passedOver = passedOver;
      this.#passedOverInARow = inARow;
      writes = [];
      bytes = 0;
    };
    for (const stored of commands) {
      assert(stored.sequence > next.sequence, 'commands are applied in their order, each once');
      const command = decodeCommand(stored.bytes);
      const counts = Buffer.compare(command.after, next.lastId) === 0;
      if (
        counts &&
        writes.length > 0 &&
        isTooMuch(bytes + stored.bytes.length, writes.length + command.writes.length)
      ) {
        await flush();
      }
      if (counts) {
        for (const write of command.writes) writes.push(write);
        bytes += stored.bytes.length;
      } else passedOver++;
      inARow = counts ? 0 : inARow + 1;
      next = { ...next, sequence: stored.sequence, lastId: counts ? Buffer.from(command.id) : next.lastId };
    }
    await flush();
    if (inARow >= PASSED_OVER_IN_A_ROW_MAX) throw notContinued();
  }

  /** Writes what a command holds that was stored as `next.sequence`. Call it in the order of the log. */
  async write(writes: readonly Write[], next: ReplicaState): Promise<void> {
    if (writes.length > 0) {
      this.#writing++;
      const row: Write = { type: 'put', key: REPLICA_KEY, value: encodeReplicaState(next) };
      // What is in the log cannot be refused any more, so it may use the reserve.
      const commit = (): Promise<void> => this.local.commit([...writes, row], { mayUseReserve: true });
      await (this.applyWrites?.(writes, commit) ?? commit()).finally(() => this.#writing--);
      this.#durable = next.sequence;
      await this.onWritten?.(writes);
    }
    this.#state = next;
  }

  /** Puts down on disk how far it is, where only commands without writes came. */
  async settle(): Promise<void> {
    // A write that is under way has a newer row.
    if (this.#durable === this.#state.sequence || this.#writing > 0) return;
    await this.#keep(this.#state);
  }

  async #keep(state: ReplicaState): Promise<void> {
    const row: Write = { type: 'put', key: REPLICA_KEY, value: encodeReplicaState(state) };
    await this.local.commit([row], { mayUseReserve: true });
    this.#durable = Math.max(this.#durable, state.sequence);
  }
}

/** Undefined for a store that belongs to no cluster. @throws TailraceError `corrupt` */
export async function readReplicaState(local: Engine): Promise<ReplicaState | undefined> {
  const row = await local.get(REPLICA_KEY);
  return row === undefined ? undefined : decodeReplicaState(row);
}

function isTooMuch(bytes: number, rows: number): boolean {
  return bytes > TRANSACTION_BYTES_MAX || rows > TRANSACTION_ROWS_MAX;
}

/** What is written to the store of a node alone, the other nodes never get. @throws TailraceError `config` */
export async function expectOfNoCluster(local: Engine, dataDir: string): Promise<void> {
  if ((await readReplicaState(local)) === undefined) return;
  throw new TailraceError(
    'config',
    `the store in ${dataDir} is that of a node of a cluster: start it with --cluster, or make a store of its own from a backup with \`tailrace restore\``,
  );
}

/** The store of a node that does not lead, for those who read it: what is written there comes from the log alone. */
export function readOnly(local: Engine): Engine {
  return {
    commit: async () => {
      throw unavailable('another node of the cluster leads: send again');
    },
    get: (key) => local.get(key),
    scan: (scan) => local.scan(scan),
    snapshot: () => local.snapshot(),
    stat: () => local.stat(),
    confirm: async () => {},
    // The store outlives those who read it, and has its own listener.
    onState: () => {},
    close: async () => {},
  };
}
