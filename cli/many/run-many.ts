/** Runs `tail` or `read` over many streams, and says at its end how to go on. */

import type { Command } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { EXIT } from '../exit.ts';
import { type ConnectionOptions, explain } from '../flags/connection.ts';
import type { StreamSet } from '../flags/stream-target.ts';
import { openReading, type ViewOptions } from '../follow.ts';
import { sayHowToGoOnInMany } from '../go-on.ts';
import { withNearest } from '../print/suggest.ts';
import type { RecordReading } from '../record-sink.ts';
import { type ManyBounds, type ManyProgress, printMany } from './print-many.ts';

/** @throws TailraceError from the read, or `config` for wrong flags */
export async function runMany(
  set: StreamSet,
  options: ViewOptions & ConnectionOptions,
  command: Command,
  bounds: ManyBounds,
): Promise<void> {
  const reading = await openReading(options, { isMany: true, ends: !bounds.follows });
  const { connection, output, signal } = reading;
  const progress: ManyProgress = new Map();
  try {
    await printMany(reading, set, bounds, progress);
  } catch (error) {
    // A call that was under way when the user pressed Ctrl-C.
    const isOurEnd = signal.aborted && error instanceof TailraceError && error.code === 'aborted';
    if (!isOurEnd) throw explain(await withNearestBasin(error, reading, set), connection);
  }
  await output.end();
  if (!reading.isInterrupted()) return;
  await sayHowToGoOnInMany(reading, set, progress, command);
  process.exitCode = EXIT.interrupted;
}

/** What no stream matches is said with similar names already. */
async function withNearestBasin(error: unknown, { connection }: RecordReading, { basin }: StreamSet): Promise<unknown> {
  const isOfBasin = error instanceof TailraceError && error.code === 'basin_not_found';
  return isOfBasin ? await withNearest(error, connection.client, { basin }) : error;
}
