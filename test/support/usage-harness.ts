/** Usage metrics over a log on a memory engine, with a clock that a test moves. */

import type { Basin } from '../../src/log/basins.ts';
import { Log } from '../../src/log/log.ts';
import type { UsagePoint } from '../../src/model/usage.ts';
import type { Write } from '../../src/storage/engine.ts';
import { type UsageKind, usageRange } from '../../src/storage/keys.ts';
import { Usage } from '../../src/usage/usage.ts';
import { BASIN, HeldEngine, TestClock, turn } from './log-harness.ts';

/** The second at which everything begins: also the beginning of an hour and of a day. */
export const T0 = 1_789_948_800;
export const MINUTE = 60;
export const HOUR = 3_600;
export const DAY = 86_400;

export interface UsageHarness {
  readonly engine: HeldEngine;
  readonly clock: TestClock;
  readonly log: Log;
  readonly usage: Usage;
  readonly basin: Basin;
  readonly errors: unknown[];
  /** Appends one record with a body of this size: 8 bytes more are metered. */
  append(stream: string, bodyBytes: number): Promise<void>;
  /** Moves the clock, and waits until the work it starts is done. */
  pass(seconds: number): Promise<void>;
  /** Closes everything in the order of the server. */
  stop(): Promise<void>;
}

/** Records never expire. */
const KEPT = { retentionAgeSeconds: undefined };

/** Opens it as a server does; after `stop`, or after nothing at all as after kill -9. */
export async function openUsage(
  engine = new HeldEngine(),
  clock = testClock(),
  port?: (log: Log) => Partial<Log>,
): Promise<UsageHarness> {
  const errors: unknown[] = [];
  const usage = await Usage.open({ engine, clock, onError: (error) => errors.push(error) });
  const log = await Log.open(engine, { clock, observer: usage, onFatal: (error) => errors.push(error) });
  const { it: basin } = await log.ensureBasin('basin-one', BASIN);
  usage.start(port === undefined ? log : portOver(log, port(log)));
  return {
    engine,
    clock,
    log,
    usage,
    basin,
    errors,
    append: async (name, bodyBytes) => {
      const stream = await log.openStream(basin, name, 'append', KEPT);
      await log.appendRecords({
        stream,
        records: [{ headers: [], body: Buffer.alloc(bodyBytes), timestamp: undefined }],
      });
    },
    pass: async (seconds) => {
      clock.advance(seconds * 1_000);
      await turn();
      // After everything that waits for its turn.
      await usage.account({ start: 0, end: 0 }, 'hour');
    },
    stop: async () => {
      await log.close();
      await usage.close();
    },
  };
}

export function testClock(): TestClock {
  const clock = new TestClock();
  clock.wallMs = T0 * 1_000;
  return clock;
}

/** The number of rows of a kind. */
export async function rowCount(engine: HeldEngine, kind: UsageKind): Promise<number> {
  return (await engine.scan({ ...usageRange(kind), limit: 100_000 })).length;
}

/** The usage rows of a transaction. */
export function usageRows(transaction: readonly Write[]): number {
  return transaction.filter(({ key }) => key[0] === 8).length;
}

export function total(points: readonly UsagePoint[] | undefined): number {
  return (points ?? []).reduce((sum, [, value]) => sum + value, 0);
}

function portOver(log: Log, changed: Partial<Log>): Log {
  return new Proxy(log, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in changed ? changed : target, name);
      return typeof value === 'function' ? value.bind(name in changed ? changed : target) : value;
    },
  });
}
