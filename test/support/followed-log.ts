/** A log, and one that follows it over a store of its own: what the first one writes comes when a test delivers it. */

import { Log } from '../../src/log/log.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { CommitOptions, Engine, Write } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { readOnly } from '../../src/storage/replicated/replica.ts';
import { type Harness, HeldEngine, openHarness, turn } from './log-harness.ts';

export class FollowedLog {
  readonly leader: Harness;
  readonly #written: CopyingEngine;
  /** The one that follows. */
  readonly log: Log;
  /** Its store. */
  readonly engine: Engine;
  /** Whether it cannot ask where the other one ends. */
  isCutOff = false;
  /** How often it asked. */
  looks = 0;
  /** Called when a transaction can be seen in the store, and its log does not know of it yet. */
  whileWritten = turn;
  /** How many commits fail from now on. */
  failures = 0;
  #delivered = 0;
  #delivering: Promise<void> = Promise.resolve();

  private constructor(leader: Harness, written: CopyingEngine, engine: Engine, log: Log) {
    this.leader = leader;
    this.#written = written;
    this.engine = engine;
    this.log = log;
  }

  static async open(): Promise<FollowedLog> {
    const written = new CopyingEngine();
    const leader = await openHarness(written);
    const engine = openMemoryEngine();
    const options = { clock: leader.clock, onFatal: (error: TailraceError) => leader.fatal.push(error) };
    const log: Log = await Log.follow(slow(readOnly(engine)), options, () => pair.#catchUp());
    const pair: FollowedLog = new FollowedLog(leader, written, engine, log);
    await pair.deliver();
    return pair;
  }

  /** What was written last. */
  get lastWrites(): readonly Write[] {
    return this.#written.copies.at(-1) ?? [];
  }

  /** Transactions that have not come. */
  get behind(): number {
    return this.#written.copies.length - this.#delivered;
  }

  /** Delivers so many transactions as one, or all. What it writes can be seen before its log knows of it. */
  deliver(count = this.behind): Promise<void> {
    const done = this.#delivering.then(() => this.#deliver(count));
    this.#delivering = done.catch(() => {});
    return done;
  }

  async close(): Promise<void> {
    await this.leader.log.close();
    await this.log.close();
  }

  async #deliver(count: number): Promise<void> {
    const transactions = this.#written.copies.slice(this.#delivered, this.#delivered + count);
    const writes = transactions.flat();
    await this.log.applying(writes, async () => {
      await turn();
      if (this.failures-- > 0) throw new TailraceError('storage_full', 'told to fail');
      await this.engine.commit(writes);
      await this.whileWritten();
    });
    this.#delivered += transactions.length;
  }

  async #catchUp(): Promise<void> {
    this.looks++;
    if (this.isCutOff) throw new TailraceError('unavailable', 'told to be cut off');
    await this.deliver();
  }
}

/** Between two reads others have their turn, as where a store is on a disk. */
function slow(engine: Engine): Engine {
  const later = async <T>(value: T): Promise<T> => {
    await new Promise((resolve) => setImmediate(resolve));
    return value;
  };
  return {
    ...engine,
    get: async (key) => later(await engine.get(key)),
    scan: async (scan) => later(await engine.scan(scan)),
  };
}

/** The bytes of blocks are used again when they are written. */
class CopyingEngine extends HeldEngine {
  readonly copies: (readonly Write[])[] = [];

  override commit(writes: readonly Write[], options?: CommitOptions): Promise<void> {
    this.copies.push(
      writes.map((write) => (write.type === 'put' ? { ...write, value: Buffer.from(write.value) } : write)),
    );
    return super.commit(writes, options);
  }
}
