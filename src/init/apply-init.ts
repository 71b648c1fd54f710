/** Creates or updates the basins and streams that an init file declares, before the server listens. */

import type { Basin } from '../log/basins.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import { INIT_BASIN_DELETION_WAIT_MS, INIT_STREAMS_AT_ONCE } from '../model/limits.ts';
import type { BasinConfigRequest } from '../model/stream-config.ts';
import { type InitBasin, type InitSpec, refusal } from './parse-init.ts';

/** How many there were of each outcome. */
export interface InitOutcome {
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
}

/**
 * Creates or updates all basins and streams that the file declares; durable when it resolves. Waits for a deletion of
 * one that is still going on.
 * @throws TailraceError `config` with the place in the file; `storage_full`, `storage`
 */
export async function applyInitFile(spec: InitSpec, log: Log, clock: Clock): Promise<InitOutcome> {
  const count = { created: 0, updated: 0, noop: 0 };
  for (const [i, { name, config, streams }] of spec.basins.entries()) {
    const place = `basins[${i}] (${name})`;
    const { outcome, it: basin } = await placed(spec, place, () => ensureBasin(log, clock, name, config));
    count[outcome] += 1;
    for (let at = 0; at < streams.length; at += INIT_STREAMS_AT_ONCE) {
      const some = streams.slice(at, at + INIT_STREAMS_AT_ONCE);
      // At the same time, so that they share transactions.
      const outcomes = await Promise.all(some.map((stream) => ensureStream(spec, log, clock, basin, stream)));
      for (const each of outcomes) count[each] += 1;
    }
  }
  return { created: count.created, updated: count.updated, unchanged: count.noop };
}

/** A deletion of a basin with this name may still be going on: it continues while we wait. */
async function ensureBasin(log: Log, clock: Clock, name: string, config: BasinConfigRequest) {
  return untilDeleted(clock, 'basin_deletion_pending', () => log.ensureBasin(name, config));
}

async function ensureStream(
  spec: InitSpec,
  log: Log,
  clock: Clock,
  basin: Basin,
  { name, config }: InitBasin['streams'][number],
) {
  const ensure = () => untilDeleted(clock, 'stream_deletion_pending', () => log.ensureStream(basin, name, config));
  return (await placed(spec, `stream ${name} of basin ${basin.name}`, ensure)).outcome;
}

async function untilDeleted<T>(clock: Clock, pending: TailraceError['code'], call: () => Promise<T>): Promise<T> {
  const deadline = clock.monotonicMs() + INIT_BASIN_DELETION_WAIT_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const waits = error instanceof TailraceError && error.code === pending && clock.monotonicMs() < deadline;
      if (!waits) throw error;
    }
    await new Promise<void>((resolve) => void clock.timer(RETRY_MS, resolve));
  }
}

const RETRY_MS = 50;

/** Adds the place in the file to what the log refuses; other errors are faults of the store and stay as they are. */
async function placed<T>({ source }: InitSpec, place: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof TailraceError) || !REFUSED.includes(error.code)) throw error;
    throw refusal(source, [`${place}: ${error.message}`]);
  }
}

const REFUSED: readonly TailraceError['code'][] = ['invalid', 'basin_deletion_pending', 'stream_deletion_pending'];
