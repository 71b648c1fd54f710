/** Logs of two partitions in memory, between which a basin moves step by step, as their leaders have them do it. */

import type { Basin } from '../../src/log/basins.ts';
import { Log } from '../../src/log/log.ts';
import { CopiedBlocks } from '../../src/log/move/copied-blocks.ts';
import type { LogOptions } from '../../src/log/options.ts';
import type { Stream } from '../../src/log/stream.ts';
import { TailraceError } from '../../src/model/error.ts';
import { partitionNumbers } from '../../src/model/partition-numbers.ts';
import type { Engine, Entry } from '../../src/storage/engine.ts';
import { settingsKey } from '../../src/storage/keys.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { type Fault, verifyRows } from '../../src/storage/offline/verify.ts';
import { encodeFormat, FORMAT_VERSION } from '../../src/storage/values.ts';
import { Usage } from '../../src/usage/usage.ts';
import { BASIN, readAll, type Seen, TestClock, texts } from './log-harness.ts';

export const MOVED = 'moved';
export const MOVE_ID = '00112233445566778899aabbccddeeff';

export class Partition {
  readonly number: number;
  readonly engine: Engine;
  readonly clock: TestClock;
  readonly log: Log;
  readonly usage: Usage;
  readonly faults: unknown[];

  private constructor(number: number, engine: Engine, clock: TestClock, log: Log, usage: Usage, faults: unknown[]) {
    this.number = number;
    this.engine = engine;
    this.clock = clock;
    this.log = log;
    this.usage = usage;
    this.faults = faults;
  }

  static async open(
    number: number,
    clock = new TestClock(),
    engine: Engine = openMemoryEngine(),
    holds?: LogOptions['holds'],
  ): Promise<Partition> {
    await engine.commit([{ type: 'put', key: settingsKey('format'), value: encodeFormat(FORMAT_VERSION) }]);
    const faults: unknown[] = [];
    const onError = (error: unknown): void => void faults.push(error);
    const usage = await Usage.open({ engine, clock, onError });
    const numbersFrom = partitionNumbers(number);
    const hooks = { observer: usage, onFatal: onError, onDamaged: onError, onBackgroundError: onError };
    const log = await Log.open(engine, { clock, numbersFrom, ...hooks, ...(holds === undefined ? {} : { holds }) });
    usage.start(log);
    return new Partition(number, engine, clock, log, usage, faults);
  }

  /** Another process over the same store, as after kill -9. */
  reopen(holds?: LogOptions['holds']): Promise<Partition> {
    return Partition.open(this.number, this.clock, this.engine, holds);
  }

  /** What is wrong with its store. */
  async damage(): Promise<readonly Fault[]> {
    const rows = await this.rows();
    async function* pages(): AsyncGenerator<readonly Entry[]> {
      yield rows;
    }
    return (await verifyRows(pages())).faults;
  }

  rows(): Promise<readonly Entry[]> {
    return this.engine.scan({ from: Buffer.of(0), to: Buffer.of(0xff), limit: 1_000_000 });
  }

  /** Keys of what it has of basins and streams. */
  async keys(): Promise<readonly string[]> {
    return (await this.rows()).flatMap(({ key }) => ((key[0] ?? 0) > 1 ? [Buffer.from(key).toString('hex')] : []));
  }

  get basin(): Basin {
    const basin = this.log.basin(MOVED);
    if (basin === undefined) throw new Error('the basin is not here');
    return basin;
  }

  async stream(name: string): Promise<Stream> {
    return this.log.openStream(this.basin, name, 'append');
  }

  async append(name: string, ...bodies: readonly string[]): Promise<void> {
    await this.log.append([{ stream: await this.stream(name), drafts: [texts(...bodies)] }]);
  }

  /** The records of a stream. */
  async read(name: string): Promise<readonly Seen[]> {
    return readAll(this.log, await this.stream(name));
  }

  async bodies(name: string): Promise<readonly string[]> {
    return (await this.read(name)).map(({ body }) => body);
  }

  async streams(): Promise<readonly string[]> {
    const page = await this.log.listStreams(this.basin, { prefix: '', startAfter: '', limit: 100 });
    return page.streams.map(({ name }) => name);
  }
}

/** The steps of a move from one to the other. Each may be repeated, also over logs that were opened anew. */
export class Move {
  from: Partition;
  to: Partition;
  copied: CopiedBlocks;

  constructor(from: Partition, to: Partition, copied = new CopiedBlocks()) {
    this.from = from;
    this.to = to;
    this.copied = copied;
  }

  copy(): Promise<void> {
    const rows = this.from.log.moves.rows(MOVED, this.copied);
    return this.to.log.moves.take(MOVED, { id: MOVE_ID, from: this.from.number }, rows);
  }

  async seal(): Promise<void> {
    await this.from.log.moves.seal(MOVED, { id: MOVE_ID, to: this.to.number });
    await this.from.usage.flush();
  }

  async end(): Promise<void> {
    await this.to.log.moves.adopt(MOVED, MOVE_ID);
    await this.from.log.moves.drop(MOVED, MOVE_ID);
  }

  async all(): Promise<void> {
    await this.copy();
    await this.seal();
    await this.copy();
    await this.end();
    await this.from.log.backgroundSettled();
    await this.to.log.backgroundSettled();
  }

  async damage(): Promise<readonly Fault[]> {
    return [...(await this.from.damage()), ...(await this.to.damage())];
  }
}

/** Two partitions; the basin is in the first one, which has given numbers before it. */
export async function openMove(copied?: CopiedBlocks): Promise<Move> {
  const clock = new TestClock();
  const [from, to] = [await Partition.open(0, clock), await Partition.open(1, clock)];
  await from.log.ensureBasin('other', BASIN);
  await from.log.ensureBasin(MOVED, BASIN);
  return new Move(from, to, copied);
}

/** The code of what a call is refused with, or `done`. */
export async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof TailraceError) return error.code;
    throw error;
  }
  return 'done';
}
