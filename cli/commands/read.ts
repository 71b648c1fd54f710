/** `tailrace read`: records from any position in a stream, or of several streams, up to any bound. */

import { type Command, Option } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import type { ReadStart } from '../../src/model/read-range.ts';
import { EXIT } from '../exit.ts';
import { duration, instant, instantOrAgo, since, wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions, type ConnectionOptions, explain } from '../flags/connection.ts';
import { formatStreamUri } from '../flags/names.ts';
import { readResume } from '../flags/resume.ts';
import { parseStreamTarget, STREAMS_ARGUMENT, type StreamSet } from '../flags/stream-target.ts';
import {
  addViewOptions,
  type Follow,
  type FollowBounds,
  openReading,
  printRecords,
  type ViewOptions,
} from '../follow.ts';
import { sayHowToGoOn } from '../go-on.ts';
import type { ManyStartAt } from '../many/start-points.ts';
import { withNearest } from '../print/suggest.ts';

interface ReadCommandOptions extends ViewOptions, ConnectionOptions {
  readonly seqNum?: number;
  readonly timestamp?: number;
  readonly ago?: number;
  readonly tailOffset?: number;
  /** What other tools call `--tail-offset`. */
  readonly tail?: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly until?: number;
  readonly since?: { readonly timestamp: number };
  readonly resume?: string;
  readonly prefix?: string;
  readonly clamp?: boolean;
  readonly follow: boolean;
}

const STARTS = ['seqNum', 'timestamp', 'ago', 'tailOffset', 'since', 'tail', 'resume'] as const;

const EXAMPLES = `
Without a bound a read follows the stream forever; with one, or with --no-follow, it ends at the tail.
What is there already of several streams comes in order of time, then each record as it comes.

Examples:
  tailrace read my-app --seq-num 0 --no-follow         everything, from the first record
  tailrace read my-app --ago 1h                        what came in the last hour, then new records
  tailrace read my-app --tail-offset 5 -n 5            the last five
  tailrace read my-app -s 0 -n 1000 --format json      S2's record format, one JSON object a line
  tailrace read 'shop-*' --since 1h --until 30m --level error
  tailrace read shop-eu shop-us -s 0 --no-follow -o json | jq -r .stream
  tailrace read my-app -s 0 --no-follow --view otlp-json --output-file my-app.jsonl`;

export function addRead(program: Command): void {
  const command = program
    .command('read')
    .summary('read streams from any position')
    .description(
      'Reads records from a sequence number, a time, or a number of records before the tail (default: the tail).',
    )
    .argument('[streams...]', STREAMS_ARGUMENT)
    .option('--prefix <prefix>', 'all streams whose names begin so')
    .optionsGroup('Where to start (one of them):')
    .option('-s, --seq-num <number>', 'at this sequence number', wholeNumber)
    .option('--timestamp <time>', 'at this time: milliseconds since 1970 or RFC 3339', instant)
    .option('--ago <span>', 'this long ago: 90s, 1h30m, 2d', duration)
    .option('--tail-offset <count>', 'this many records before the tail', wholeNumber)
    .option('--since <time>', 'so long ago, or at a time: --ago and --timestamp in one', since)
    .option('--resume <positions>', 'where Ctrl-C ended a read of several streams: JSON, or a file with it', String)
    .addOption(new Option('--tail <count>').argParser(wholeNumber).hideHelp())
    .option('--clamp', 'start at the tail when the start lies beyond it')
    .optionsGroup('Where to end:')
    .option('-n, --count <count>', 'after this many records', wholeNumber)
    .option('-b, --bytes <bytes>', 'after this many metered bytes', wholeNumber)
    .option('--until <time>', 'before this time, or so long ago', instantOrAgo)
    .option('--no-follow', 'at the tail')
    .addOption(new Option('-f, --follow').default(true).hideHelp())
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addViewOptions(command)).action((streams: string[], _options, self: Command) =>
    read(streams, self.optsWithGlobals<ReadCommandOptions>(), self),
  );
}

async function read(names: readonly string[], options: ReadCommandOptions, command: Command): Promise<void> {
  const bounds = boundsOf(options);
  const target = parseStreamTarget(names, options.prefix);
  const ends = !options.follow || [options.count, options.bytes, options.until].some((bound) => bound !== undefined);
  if ('selection' in target) return readMany(target, options, command, !ends);
  if (options.resume !== undefined)
    throw new TailraceError('config', '--resume is for several streams: use -s for one');
  const reading = await openReading(options, { isMany: false, ends });
  const follow: Follow = { ...reading, uri: target, progress: { next: undefined } };
  const { connection, uri, reporter } = follow;
  try {
    await printRecords(follow, bounds);
  } catch (error) {
    if (!endsAtTail(error, bounds)) throw explain(await withNearest(error, connection.client, uri), connection);
    reporter.note(`nothing there: the tail of ${formatStreamUri(uri)} is ${error.detail.tail?.seqNum}`);
  }
  await follow.output.end();
  if (!follow.isInterrupted()) return;
  sayHowToGoOn(follow, command);
  process.exitCode = EXIT.interrupted;
}

async function readMany(
  set: StreamSet,
  options: ReadCommandOptions,
  command: Command,
  follows: boolean,
): Promise<void> {
  if (options.bytes !== undefined)
    throw new TailraceError('config', '--bytes is for one stream: use --count for several');
  const { runMany } = await import('../many/run-many.ts');
  const { count, until } = options;
  await runMany(set, options, command, { start: manyStartOf(options), count, until, follows });
}

function manyStartOf(options: ReadCommandOptions): ManyStartAt {
  if (options.resume !== undefined) return { type: 'positions', positions: readResume(options.resume) };
  const start = startOf(options);
  if ('timestamp' in start) return { type: 'since', timestamp: start.timestamp };
  if ('tailOffset' in start) return { type: 'lines', count: start.tailOffset };
  if (start.seqNum === 0) return { type: 'start' };
  throw new TailraceError('config', '-s is for one stream, where it is not 0: use --since or --resume for several');
}

function boundsOf(options: ReadCommandOptions): FollowBounds {
  const given = STARTS.filter((key) => options[key] !== undefined);
  if (given.length > 1) {
    throw new TailraceError('config', 'use only one of --seq-num, --timestamp, --ago and --tail-offset');
  }
  return {
    start: startOf(options),
    // "In the last hour" is not an error on a stream without records for two hours.
    clamp: options.clamp === true || options.ago !== undefined || options.since !== undefined,
    count: options.count,
    bytes: options.bytes,
    until: options.until,
    waitSeconds: options.follow ? undefined : 0,
  };
}

function startOf(options: ReadCommandOptions): ReadStart {
  if (options.seqNum !== undefined) return { seqNum: options.seqNum };
  if (options.timestamp !== undefined) return { timestamp: options.timestamp };
  if (options.ago !== undefined) return { timestamp: Math.max(0, Date.now() - options.ago) };
  return options.since ?? { tailOffset: options.tailOffset ?? options.tail ?? 0 };
}

/** S2 refuses a bounded read that starts exactly at the tail; here it is empty. */
function endsAtTail(error: unknown, bounds: FollowBounds): error is TailraceError {
  if (!(error instanceof TailraceError) || error.code !== 'range_not_satisfiable') return false;
  const { start, clamp } = bounds;
  if (clamp === true || start === undefined || 'tailOffset' in start) return true;
  const tail = error.detail.tail;
  return tail !== undefined && ('seqNum' in start ? start.seqNum <= tail.seqNum : start.timestamp <= tail.timestamp);
}
