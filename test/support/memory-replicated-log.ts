/**
 * A replicated log in memory, with the faults that a test wants. Several nodes connect to one store; each connection has
 * its own faults, so that one node can be cut off while the others go on.
 */

import { TailraceError } from '../../src/model/error.ts';
import type {
  FoundCommand,
  KeyBucket,
  KeyEntry,
  LogBounds,
  LogPage,
  PublishOutcome,
  ReplicatedLog,
  StoredCommand,
} from '../../src/storage/replicated/replicated-log.ts';

/** What happens to a publish; in each case its outcome is unknown. */
export type PublishFault =
  /** It never arrives. */
  | 'command-lost'
  /** It is stored, and its answer is lost. */
  | 'answer-lost'
  /** It arrives when the test calls `deliverDelayed`, and is stored if it still fits. */
  | 'delayed';

interface Stored extends StoredCommand {
  readonly first: number;
  readonly id: string;
}

const CHUNK_BYTES = 1_000_000;

/** What the majority holds. */
export class MemoryLogStore {
  #commands: Stored[] = [];
  #first = 1;
  #last = 0;
  readonly #listeners = new Set<(sequence: number) => void>();

  /** A log as one node sees it. */
  connect(): MemoryReplicatedLog {
    return new MemoryReplicatedLog(this);
  }

  /** Publishes refuse as if the disks were full. */
  isFull = false;

  get bounds(): LogBounds {
    return { first: this.#first, last: this.#last };
  }

  get commands(): readonly Stored[] {
    return this.#commands;
  }

  /** Stores a command behind all others, as another publisher does. Returns its sequence. */
  append(bytes: Uint8Array, id: Uint8Array = new Uint8Array(16)): number {
    const first = this.#last + 1;
    this.#last += Math.max(1, Math.ceil(bytes.length / CHUNK_BYTES));
    this.#commands.push({ first, sequence: this.#last, bytes: bytes.slice(), id: hex(id) });
    return this.#last;
  }

  publish(bytes: Uint8Array, id: Uint8Array, after: number): PublishOutcome {
    const there = this.#commands.find(({ first }) => first === after + 1);
    if (there !== undefined) {
      return there.id === hex(id) ? { type: 'stored', sequence: there.sequence } : { type: 'superseded' };
    }
    // What was there is no longer known.
    if (after !== this.#last) return { type: 'unknown' };
    return this.isFull ? { type: 'full' } : { type: 'stored', sequence: this.append(bytes, id) };
  }

  purge(sequence: number): void {
    this.#first = Math.max(this.#first, Math.min(sequence, this.#last) + 1);
    this.#commands = this.#commands.filter(({ first }) => first >= this.#first);
  }

  /** Loses one command without a word, as a damaged copy does. */
  damage(sequence: number): void {
    this.#commands = this.#commands.filter((command) => command.sequence !== sequence);
  }

  /** Loses its end, as servers do that had not put it on disk. */
  loseEnd(last: number): void {
    this.#commands = this.#commands.filter(({ sequence }) => sequence <= last);
    this.#last = last;
  }

  announce(sequence: number): void {
    for (const listener of this.#listeners) listener(sequence);
  }

  onAnnounced(listener: (sequence: number) => void): () => void {
    const own = (sequence: number) => listener(sequence);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }
}

/** One node's connection to a store. */
export class MemoryReplicatedLog implements ReplicatedLog {
  readonly #store: MemoryLogStore;
  readonly #faults: PublishFault[] = [];
  #delayed: (() => void)[] = [];
  #held: Promise<void> | undefined;

  /** The node receives nothing, and what it sends is lost. */
  isCutOff = false;

  /** Reads come from a copy that has nothing behind this sequence yet. */
  copyEndsAt = Number.MAX_SAFE_INTEGER;

  /** How often the node asked for another leader of the log. */
  leaderChanges = 0;

  constructor(store: MemoryLogStore) {
    this.#store = store;
  }

  /** Lets the next publishes that have no fault yet fail so. */
  failNext(...faults: readonly PublishFault[]): void {
    this.#faults.push(...faults);
  }

  /** Publishes wait, and are not stored, until the returned function is called. */
  hold(): () => void {
    let release = () => {};
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    return () => {
      this.#held = undefined;
      release();
    };
  }

  /** What was delayed arrives now, in its order. */
  deliverDelayed(): void {
    const arriving = this.#delayed;
    this.#delayed = [];
    for (const arrive of arriving) arrive();
  }

  async publish(command: Uint8Array, id: Uint8Array, after: number): Promise<PublishOutcome> {
    const bytes = command.slice();
    await this.#held;
    if (this.isCutOff) return { type: 'unknown' };
    const fault = this.#faults.shift();
    if (fault === undefined) return this.#store.publish(bytes, id, after);
    if (fault === 'answer-lost') this.#store.publish(bytes, id, after);
    if (fault === 'delayed') this.#delayed.push(() => void this.#store.publish(bytes, id, after));
    return { type: 'unknown' };
  }

  async read(after: number, bytesMax: number): Promise<LogPage> {
    this.#reach();
    const visible = this.#store.commands.filter(({ sequence }) => sequence > after && sequence <= this.copyEndsAt);
    const { first } = this.#store.bounds;
    if (first > after + 1) return { type: 'gap', first: visible[0]?.first ?? first };
    const commands: StoredCommand[] = [];
    let bytes = 0;
    let next = after + 1;
    for (const command of visible) {
      if (commands.length > 0 && bytes + command.bytes.length > bytesMax) break;
      if (command.first !== next) break;
      commands.push({ sequence: command.sequence, bytes: command.bytes });
      bytes += command.bytes.length;
      next = command.sequence + 1;
    }
    const [head] = visible;
    if (commands.length === 0 && head !== undefined) return { type: 'gap', first: head.first };
    return { type: 'commands', commands };
  }

  async bounds(): Promise<LogBounds> {
    this.#reach();
    return this.#store.bounds;
  }

  async find(id: Uint8Array, sequence: number, commandsMax: number): Promise<FoundCommand> {
    this.#reach();
    const before = this.#store.commands.filter((command) => command.sequence <= sequence).slice(-commandsMax);
    if (before.some((command) => command.id === hex(id))) return 'found';
    return before.length === commandsMax || this.#store.bounds.first === 1 ? 'missing' : 'unknown';
  }

  announce(sequence: number): void {
    if (!this.isCutOff) this.#store.announce(sequence);
  }

  onAnnounced(listener: (sequence: number) => void): () => void {
    return this.#store.onAnnounced((sequence) => {
      if (!this.isCutOff) listener(sequence);
    });
  }

  async purge(sequence: number): Promise<void> {
    this.#reach();
    this.#store.purge(sequence);
  }

  async changeLeader(): Promise<void> {
    this.#reach();
    this.leaderChanges++;
  }

  #reach(): void {
    if (this.isCutOff) throw unreachable();
  }
}

interface BucketEntry extends KeyEntry {
  readonly expiresAt: number;
}

/** The values of a bucket, by a clock that a test may move. */
export class MemoryBucketStore {
  readonly #entries = new Map<string, BucketEntry>();
  readonly #now: () => number;
  #revision = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** A bucket as one node sees it. */
  connect(): MemoryKeyBucket {
    return new MemoryKeyBucket(this);
  }

  get(key: string): BucketEntry | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || entry.expiresAt <= this.#now() ? undefined : entry;
  }

  keys(): readonly string[] {
    return [...this.#entries.keys()];
  }

  put(key: string, value: Uint8Array, options: { revision?: number; ttlMs?: number }): number | undefined {
    const revision = this.get(key)?.revision ?? 0;
    if (options.revision !== undefined && options.revision !== revision) return undefined;
    const expiresAt = options.ttlMs === undefined ? Number.POSITIVE_INFINITY : this.#now() + options.ttlMs;
    this.#entries.set(key, { value: value.slice(), revision: ++this.#revision, expiresAt });
    return this.#revision;
  }

  remove(key: string, revision: number): void {
    if (this.get(key)?.revision === revision) this.#entries.delete(key);
  }
}

/** One node's connection to a bucket. */
export class MemoryKeyBucket implements KeyBucket {
  readonly #store: MemoryBucketStore;

  /** The node reaches nothing. */
  isCutOff = false;

  constructor(store: MemoryBucketStore) {
    this.#store = store;
  }

  async get(key: string): Promise<KeyEntry | undefined> {
    return entryOf(this.#reach().get(key));
  }

  async list(prefix: string): Promise<ReadonlyMap<string, KeyEntry>> {
    const store = this.#reach();
    const found = new Map<string, KeyEntry>();
    for (const key of store.keys()) {
      const entry = entryOf(key.startsWith(prefix) ? store.get(key) : undefined);
      if (entry !== undefined) found.set(key, entry);
    }
    return found;
  }

  async put(
    key: string,
    value: Uint8Array,
    options: { revision?: number; ttlMs?: number },
  ): Promise<number | undefined> {
    return this.#reach().put(key, value, options);
  }

  async remove(key: string, revision: number): Promise<void> {
    this.#reach().remove(key, revision);
  }

  #reach(): MemoryBucketStore {
    if (this.isCutOff) throw unreachable();
    return this.#store;
  }
}

function entryOf(entry: BucketEntry | undefined): KeyEntry | undefined {
  return entry === undefined ? undefined : { value: entry.value.slice(), revision: entry.revision };
}

function unreachable(): TailraceError {
  return new TailraceError('unavailable', 'the log cannot be reached', { detail: { retryAfterSeconds: 1 } });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
