/** `tailrace tail`: the last records of a stream or of several, and then each new one as it comes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { EXIT } from '../exit.ts';
import { instantOrAgo, since, wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions, type ConnectionOptions, explain } from '../flags/connection.ts';
import { formatStreamUri } from '../flags/names.ts';
import { parseStreamTarget, STREAMS_ARGUMENT, type StreamSet } from '../flags/stream-target.ts';
import { addViewOptions, type Follow, openReading, printRecords, type ViewOptions } from '../follow.ts';
import { sayHowToGoOn } from '../go-on.ts';
import { lookBack, lookedBackText } from '../look-back.ts';
import { nearestHint, withNearest } from '../print/suggest.ts';

interface TailOptions extends ViewOptions, ConnectionOptions {
  readonly lines: number;
  /** What other tools call `--lines`. */
  readonly tail?: number;
  readonly since?: { readonly timestamp: number };
  readonly until?: number;
  readonly prefix?: string;
  readonly follow: boolean;
}

const LINES_DEFAULT = 10;
const LOOK_FIRST_MS = 200;
const LOOK_MAX_MS = 2_000;

const EXAMPLES = `
Of several streams the last lines are those over all of them, in order of time. Streams that are made later join.

Examples:
  tailrace tail my-app                          the last 10 records of my-app, then new ones
  tailrace tail s2://telemetry/my-app -n 100    the last 100
  tailrace tail my-app --no-follow              the last 10, and no waiting
  tailrace tail my-app --since 10m              what came in the last ten minutes, then new ones
  tailrace tail 'shop-*' --level warn           warnings and errors of all streams that match
  tailrace tail shop-eu shop-us --service payments,cart
  tailrace tail my-app --grep timeout -C 3      with three records before and after each
  tailrace tail my-app --json | jq .body        one JSON object a line
  tailrace tail my-app --format '{{time}} {{service}} {{body}} {{attributes.order.id}}'`;

export function addTail(program: Command): void {
  const command = program
    .command('tail')
    .summary('print the last records of streams and follow them')
    .description(
      'Prints the last records of a stream, or of several, and then each new one. Waits for what does not exist yet.',
    )
    .argument('[streams...]', STREAMS_ARGUMENT)
    .option('--prefix <prefix>', 'all streams whose names begin so')
    .option('-n, --lines <count>', 'how many of the last records to print first', wholeNumber, LINES_DEFAULT)
    .addOption(new Option('--tail <count>').argParser(wholeNumber).hideHelp())
    .option('--since <time>', 'begin there, not with the last lines: so long ago (90s, 2d), or at a time', since)
    .option('--until <time>', 'end before that time, and do not follow', instantOrAgo)
    .option('-f, --follow', 'go on with new records', true)
    .option('--no-follow', 'end at the tail')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addViewOptions(command)).action((streams: string[], _options, self: Command) =>
    tail(streams, self.optsWithGlobals<TailOptions>(), self),
  );
}

async function tail(names: readonly string[], options: TailOptions, command: Command): Promise<void> {
  const target = parseStreamTarget(names, options.prefix);
  if ('selection' in target) return tailMany(target, options, command);
  const reading = await openReading(options, { isMany: false, ends: !follows(options) });
  const follow: Follow = { ...reading, uri: target, progress: { next: undefined } };
  try {
    await printTail(follow, options);
    await follow.output.end();
  } catch (error) {
    throw explain(error, follow.connection);
  }
  if (!follow.isInterrupted()) return;
  sayHowToGoOn(follow, command);
  process.exitCode = EXIT.interrupted;
}

async function tailMany(set: StreamSet, options: TailOptions, command: Command): Promise<void> {
  const { runMany } = await import('../many/run-many.ts');
  const lines = options.tail ?? options.lines;
  await runMany(set, options, command, {
    start: options.since === undefined ? { type: 'lines', count: lines } : { type: 'since', ...options.since },
    until: options.until,
    count: undefined,
    follows: follows(options),
  });
}

function follows({ follow, until }: TailOptions): boolean {
  return follow && until === undefined;
}

async function printTail(follow: Follow, options: TailOptions): Promise<void> {
  const { connection, uri, filter, signal } = follow;
  const lines = options.tail ?? options.lines;
  const looksBack = options.since === undefined && (filter !== undefined || options.until !== undefined) && lines > 0;
  try {
    await printRecords(follow, {
      start: options.since ?? (looksBack ? await lastWanted(follow, lines, options.until) : { tailOffset: lines }),
      clamp: options.since !== undefined,
      until: options.until,
      waitSeconds: follows(options) ? undefined : 0,
    });
  } catch (error) {
    if (signal.aborted) return;
    // Nothing came since then, or the filter wants nothing of what did.
    if ((options.since !== undefined || looksBack) && isAtTail(error)) return;
    if (!isMissing(error) || !follows(options)) throw await withNearest(error, connection.client, uri);
    await waitForStream(error, follow);
    // A user who waited for the stream wants all of it, not only its last lines.
    if (!signal.aborted) await printRecords(follow, { start: { seqNum: 0 } });
  }
}

/** Where the last so many records begin that are wanted, of all or of those before a time. */
async function lastWanted(
  follow: Follow,
  lines: number,
  until: number | undefined,
): Promise<{ readonly seqNum: number }> {
  const end = until === undefined ? undefined : await firstAt(follow, until);
  const { found, tail: at, stoppedAt } = await lookBack(follow, follow.uri, lines, end);
  if (stoppedAt !== undefined) follow.reporter.note(lookedBackText(follow.uri, stoppedAt));
  return { seqNum: found[0]?.seqNum ?? at };
}

/** The first record at a time or after it; undefined where there is none yet. */
async function firstAt(
  { connection, encryptionKey, signal, uri }: Follow,
  timestamp: number,
): Promise<number | undefined> {
  const options = { basin: uri.basin, encryptionKey, signal, timestamp, count: 1 };
  return (await connection.client.readRows(uri.stream, options)).content[0]?.seqNum;
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
