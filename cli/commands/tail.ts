/** `tailrace tail`: the last records of a stream, and then each new one as it comes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { EXIT } from '../exit.ts';
import { since, wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions, type ConnectionOptions, explain } from '../flags/connection.ts';
import { formatStreamUri } from '../flags/names.ts';
import { addViewOptions, type Follow, openFollow, printRecords, type ViewOptions } from '../follow.ts';
import { sayHowToGoOn } from '../go-on.ts';
import { nearestHint, withNearest } from '../print/suggest.ts';

interface TailOptions extends ViewOptions, ConnectionOptions {
  readonly lines: number;
  /** What other tools call `--lines`. */
  readonly tail?: number;
  readonly since?: { readonly timestamp: number };
  readonly follow: boolean;
}

const LINES_DEFAULT = 10;
const LOOK_FIRST_MS = 200;
const LOOK_MAX_MS = 2_000;
/** How long it looks back for records that a filter wants, and how many it asks for at once. */
const LOOK_BACK_MS = 10_000;
const PAGE_RECORDS = 1_000;

const EXAMPLES = `
Examples:
  tailrace tail my-app                          the last 10 records of my-app, then new ones
  tailrace tail s2://telemetry/my-app -n 100    the last 100
  tailrace tail my-app --no-follow              the last 10, and no waiting
  tailrace tail my-app --since 10m              what came in the last ten minutes, then new ones
  tailrace tail my-app --json | jq .body        one JSON object a line`;

export function addTail(program: Command): void {
  const command = program
    .command('tail')
    .summary('print the last records of a stream and follow it')
    .description(
      'Prints the last records of a stream and then each new one. Waits for a stream that does not exist yet.',
    )
    .argument('<stream>', 's2://basin/stream, or a name in the default basin')
    .option('-n, --lines <count>', 'how many of the last records to print first', wholeNumber, LINES_DEFAULT)
    .addOption(new Option('--tail <count>').argParser(wholeNumber).hideHelp())
    .option('--since <time>', 'begin there, not with the last lines: so long ago (90s, 2d), or at a time', since)
    .option('-f, --follow', 'go on with new records', true)
    .option('--no-follow', 'end at the tail')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addViewOptions(command)).action((stream: string, _options, self: Command) =>
    tail(stream, self.optsWithGlobals<TailOptions>(), self),
  );
}

async function tail(name: string, options: TailOptions, command: Command): Promise<void> {
  const follow = await openFollow(name, options);
  try {
    await printTail(follow, options);
    await follow.output.end();
  } catch (error) {
    throw explain(error, follow.connection);
  }
  if (!follow.signal.aborted) return;
  sayHowToGoOn(follow, command);
  process.exitCode = EXIT.interrupted;
}

async function printTail(follow: Follow, options: TailOptions): Promise<void> {
  const { connection, uri } = follow;
  const lines = options.tail ?? options.lines;
  const isFiltered = options.since === undefined && follow.filter !== undefined && lines > 0;
  try {
    await printRecords(follow, {
      start: options.since ?? (isFiltered ? await lastWanted(follow, lines) : { tailOffset: lines }),
      clamp: options.since !== undefined,
      waitSeconds: options.follow ? undefined : 0,
    });
  } catch (error) {
    if (follow.signal.aborted) return;
    // Nothing came since then, or the filter wants nothing of what did.
    if ((options.since !== undefined || isFiltered) && isAtTail(error)) return;
    if (!isMissing(error) || !options.follow) throw await withNearest(error, connection.client, uri);
    await waitForStream(error, follow);
    // A user who waited for the stream wants all of it, not only its last lines.
    if (!follow.signal.aborted) await printRecords(follow, { start: { seqNum: 0 } });
  }
}

/**
 * Where the last so many records begin that the filter wants. Where they are rare it looks back for some seconds, and says
 * how far: who wants all of them reads the stream from its start.
 */
async function lastWanted(follow: Follow, lines: number): Promise<{ readonly seqNum: number }> {
  const { connection, uri, filter, encryptionKey, signal, reporter } = follow;
  const until = performance.now() + LOOK_BACK_MS;
  let [before, start]: [number | undefined, number | undefined] = [undefined, undefined];
  for (let found = 0; ; ) {
    const options = { before, limit: Math.min(lines - found, PAGE_RECORDS), filter, encryptionKey, signal };
    const page = await connection.client.readBack(uri.stream, { ...options, basin: uri.basin });
    // What comes after the first look is read as it comes.
    start = page.records[0]?.seqNum ?? start ?? page.nextSeqNum;
    found += page.records.length;
    before = page.nextBefore;
    if (found >= lines || page.isAtStart) return { seqNum: start };
    if (performance.now() >= until) break;
  }
  reporter.note(
    `looked back to record ${before} for what the filter wants; \`tailrace read ${formatStreamUri(uri)} -s 0\` looks at all`,
  );
  return { seqNum: start };
}

/** Looks for the stream until it is there, at growing intervals of up to two seconds. */
async function waitForStream(missing: TailraceError, follow: Follow): Promise<void> {
  const { connection, uri, reporter, signal } = follow;
  reporter.note(`waiting for ${formatStreamUri(uri)}${await nearestHint(missing, connection.client, uri)}`);
  for (let delayMs = LOOK_FIRST_MS; !signal.aborted; delayMs = Math.min(LOOK_MAX_MS, delayMs * 1.2)) {
    try {
      await connection.client.checkTail(uri.stream, { basin: uri.basin, signal });
      return;
    } catch (error) {
      const passing = error instanceof TailraceError && error.code === 'unavailable';
      if (!signal.aborted && !isMissing(error) && !passing) throw error;
    }
    await sleep(delayMs, undefined, { signal }).catch(() => {});
  }
}

function isAtTail(error: unknown): boolean {
  return error instanceof TailraceError && error.code === 'range_not_satisfiable';
}

function isMissing(error: unknown): error is TailraceError {
  return error instanceof TailraceError && error.code === 'stream_not_found';
}
