/** `tailrace replay`: posts what a stream holds to an OTLP endpoint, in order. */

import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { expectHeaderText, normalizeEndpoint } from '../../src/client/calls.ts';
import { pause } from '../../src/client/on-abort.ts';
import { TailraceError } from '../../src/model/error.ts';
import { type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { collect, instant, since, wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from '../flags/encryption-key.ts';
import { formatStreamUri, parseStreamUri, type StreamUri } from '../flags/names.ts';
import { type FollowBounds, untilInterrupted } from '../follow.ts';
import { type OtlpFrame, pacedFrames, untilTail } from '../move/paced-frames.ts';
import {
  expectSamePosition,
  numberIn,
  readPosition,
  type SavedPosition,
  writePosition,
} from '../move/position-file.ts';
import { type Replayed, type ReplayTarget, replayFrames } from '../move/replay-run.ts';
import { counted } from '../print/format.ts';
import { type Progress, withProgress } from '../print/progress.ts';

interface ReplayOptions extends CommandOptions, KeyOptions {
  readonly to: string;
  /** 0 is as fast as it goes. */
  readonly speed: number;
  readonly follow?: boolean;
  readonly positionFile?: string;
  readonly seqNum?: number;
  readonly since?: { readonly timestamp: number };
  readonly until?: number;
  readonly filter?: readonly string[];
  readonly header?: readonly string[];
  readonly toTokenFile?: string;
  readonly compress?: string;
  readonly skipBad?: boolean;
}

interface Replay {
  readonly uri: StreamUri;
  readonly options: ReplayOptions;
  readonly identity: SavedPosition;
  readonly before: SavedPosition | undefined;
  readonly signal: AbortSignal;
}

const COMMAND = 'replay';
const ATTEMPTS_MAX = 10;
/** The position is written at most so often: what was taken since is sent again by a run that goes on. */
const POSITION_MS = 100;

const EXAMPLES = `
The bytes are posted as they are stored, as OTLP/HTTP in protobuf, one request after the other. An endpoint that refuses for
a while (429, 503, no answer) gets them again, not before its Retry-After; one that refuses the data stops the replay. With
--position-file a replay that was interrupted or killed goes on where it stopped: the endpoint gets everything at least once
and in order. With --follow new records are posted as they come, for ever.

Examples:
  tailrace replay my-app --to http://localhost:4318
  tailrace replay my-app --to http://localhost:4318 --since 1h --speed original
  tailrace replay my-app --to http://localhost:4318 --speed 10x --until 2026-01-31T12:00:00Z
  tailrace replay my-app --to https://otlp.example.com --to-token-file token --compress gzip \\
    --follow --position-file my-app.position`;

export function addReplay(program: Command): void {
  const command = program
    .command('replay')
    .summary('post a stream to an OTLP endpoint')
    .description('Posts the OTLP records of a stream to an OTLP/HTTP endpoint, in their order.')
    .argument('<stream>', 's2://basin/stream, or a name in the default basin')
    .requiredOption('--to <url>', 'the endpoint, without /v1/logs and the like', targetUrl)
    .option('--speed <speed>', 'original, such as 2x or 0.5x, or max', speed, 0)
    .option('-f, --follow', 'go on with new records')
    .option('--position-file <file>', 'where it writes how far it is, and goes on')
    .option('--skip-bad', 'leave out requests that the endpoint refuses, instead of stopping there')
    .option('--header <name=value>', 'a header for the endpoint (repeatable)', collect)
    .option('--to-token-file <file>', 'file with the bearer token for the endpoint')
    .addOption(new Option('--compress <how>', 'compress requests').choices(['gzip']))
    .optionsGroup('Which records:')
    .option('-s, --seq-num <number>', 'from this sequence number (default: the first record)', wholeNumber)
    .option('--since <time>', 'from so long ago (90s, 2d), or from a time', since)
    .option('--until <time>', 'before this time', instant)
    .option(
      '--filter <conditions>',
      'only records that meet them, such as "level>=warn service=shop" (repeatable)',
      collect,
    );
  addKeyOption(command).optionsGroup('Output:').option('--json', 'the summary as JSON');
  addConnectionOptions(command.addHelpText('after', EXAMPLES)).action((stream: string, _options, self: Command) =>
    replay(stream, self.optsWithGlobals<ReplayOptions>()),
  );
}

async function replay(name: string, options: ReplayOptions): Promise<void> {
  const uri = parseStreamUri(name);
  const signal = untilInterrupted();
  const identity = { stream: formatStreamUri(uri), to: options.to, filter: options.filter?.join(' ') ?? null };
  const file = options.positionFile;
  const before = file === undefined ? undefined : readPosition(file, COMMAND);
  if (before !== undefined) expectSamePosition(before, identity, file ?? '');
  if (options.seqNum !== undefined && options.since !== undefined) {
    throw new TailraceError('config', 'use only one of --seq-num and --since');
  }
  let failure: TailraceError | undefined;
  await callServer(options, uri, async (context) => {
    const headers = headersOf(options);
    if (options.follow === true) expectNoLoop(context, options, headers);
    const replayed = await withProgress('replay', { ...options, unit: 'records' }, (progress) =>
      run(context, { uri, options, identity, before, signal }, headers, progress),
    );
    await report(context, replayed, options, signal.aborted);
    failure = replayed.failure;
  });
  // Beyond the call: endpoint and token there are those of the stream.
  if (failure !== undefined) throw failure;
  if (signal.aborted) process.exitCode = EXIT.interrupted;
}

async function run(
  context: CallContext,
  { uri, options, identity, before, signal }: Replay,
  headers: Readonly<Record<string, string>>,
  progress: Progress,
): Promise<Replayed> {
  const { client, reporter } = context;
  const tail = (await client.checkTail(uri.stream, { basin: uri.basin, signal })).seqNum;
  const end = options.follow === true ? undefined : tail;
  const saver = new PositionSaver(options.positionFile, { ...identity, stream_id: before?.stream_id });
  const target: ReplayTarget = {
    ...{ base: options.to, headers, isCompressed: options.compress !== undefined, skipBad: options.skipBad === true },
    attemptsMax: options.follow === true ? Number.POSITIVE_INFINITY : ATTEMPTS_MAX,
    ...{ isKnown: options.follow === true && before !== undefined, signal, reporter },
    end,
    onReached(next) {
      saver.reached(next);
      progress.at(next, end);
    },
    onStream: (streamId) => saver.expectStream(streamId, formatStreamUri(uri)),
  };
  try {
    return await replayFrames(
      framesOf(context, { uri, options, identity, before, signal }),
      identity.stream as string,
      target,
    );
  } finally {
    saver.save();
  }
}

function framesOf(
  { client }: CallContext,
  { uri, options, before, signal }: Replay,
): AsyncGenerator<OtlpFrame, void, void> {
  const { until, follow = false, speed } = options;
  const filter = options.filter?.join(' ');
  const key = encryptionKey(options);
  const shared = { view: 'otlp', basin: uri.basin, filter, encryptionKey: key, signal } as const;
  const read = (bounds: FollowBounds) => client.read(uri.stream, { ...bounds, ...shared });
  const from =
    before === undefined ? (options.since ?? { seqNum: options.seqNum ?? 0 }) : { seqNum: numberIn(before, 'next') };
  if (speed === 0) return untilTail(read({ start: from, clamp: true, until, waitSeconds: follow ? undefined : 0 }));
  const isOver = () => signal.aborted;
  const now = () => performance.now();
  return pacedFrames({ read, start: from, until, follow, speed, now, pause: (ms) => pause(ms, signal), isOver });
}

class PositionSaver {
  readonly #file: string | undefined;
  readonly #identity: SavedPosition;
  #streamId: unknown;
  #next: number | undefined;
  #savedAt = Number.NEGATIVE_INFINITY;

  constructor(file: string | undefined, identity: SavedPosition) {
    this.#file = file;
    this.#identity = identity;
    this.#streamId = identity.stream_id;
  }

  /** @throws TailraceError `stream_replaced` */
  expectStream(streamId: string, name: string): void {
    this.#streamId ??= streamId;
    if (this.#streamId === streamId) return;
    throw new TailraceError(
      'stream_replaced',
      `${name} was deleted and made again: remove ${this.#file} to replay the new one`,
    );
  }

  reached(next: number): void {
    this.#next = next;
    if (performance.now() - this.#savedAt >= POSITION_MS) this.save();
  }

  save(): void {
    if (this.#file === undefined || this.#next === undefined) return;
    writePosition(this.#file, COMMAND, { ...this.#identity, stream_id: this.#streamId, next: this.#next });
    this.#savedAt = performance.now();
  }
}

async function report(
  { print, reporter }: CallContext,
  { records, requests, refused, skipped, leftOut, next }: Replayed,
  options: ReplayOptions,
  isInterrupted: boolean,
): Promise<void> {
  const json = { records, requests, refused, skipped, left_out: leftOut, next_seq_num: next ?? null };
  const parts = [
    `${counted(records, 'record')} in ${counted(requests, 'request')}`,
    ...(refused === 0 ? [] : [`${refused} refused`]),
    ...(skipped === 0 ? [] : [`${skipped} left out that the endpoint refused`]),
    ...(leftOut === 0 ? [] : [`${leftOut} left out that are not OTLP`]),
  ];
  await print(json, parts.join(', '));
  if (refused + skipped > 0) process.exitCode = EXIT.failure;
  if (!isInterrupted) return;
  const how =
    options.positionFile === undefined
      ? `the same command with -s ${next ?? options.seqNum ?? 0} instead of --since`
      : 'the same command';
  // The terminal shows ^C at the beginning of this line.
  reporter.note(`\ngo on with ${how}`);
}

/** @throws TailraceError `config` */
function headersOf({ header = [], toTokenFile }: ReplayOptions): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (const pair of header) {
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)\s*[=:]\s*(.*)$/s.exec(pair) ?? [];
    if (name === undefined || value === undefined) {
      throw new TailraceError('config', '--header is not name=value, such as --header x-tenant=eu');
    }
    expectHeaderText(value, `the header ${name}`);
    headers[name.toLowerCase()] = value;
  }
  if (toTokenFile !== undefined) headers.authorization = `Bearer ${tokenIn(toTokenFile)}`;
  return headers;
}

function tokenIn(file: string): string {
  try {
    const token = readFileSync(file, 'utf8').trim();
    expectHeaderText(token, `the token in ${file}`);
    return token;
  } catch (cause) {
    throw new TailraceError('config', `cannot read the token for the endpoint: ${(cause as Error).message}`, { cause });
  }
}

/** What it posts would come back as new records, for ever. */
function expectNoLoop({ client }: CallContext, { to }: ReplayOptions, headers: Readonly<Record<string, string>>): void {
  if (new URL(to).origin !== new URL(client.endpoint).origin || headers['s2-basin'] !== undefined) return;
  throw new TailraceError(
    'config',
    '--to is the server of the stream: a replay that follows would post its own copies again; name another basin with --header s2-basin=<basin>',
  );
}

function targetUrl(text: string): string {
  try {
    const url = normalizeEndpoint(text);
    const [ending] = /\/v1\/(logs|traces|metrics)$/.exec(url) ?? [];
    if (ending === undefined) return url;
    throw new Error(`leave out ${ending}: each signal has its own`);
  } catch (error) {
    throw new InvalidArgumentError(`It must be a URL such as http://localhost:4318: ${(error as Error).message}.`);
  }
}

function speed(text: string): number {
  if (text === 'max') return 0;
  if (text === 'original') return 1;
  const factor = Number(/^(\d+(\.\d+)?)x$/.exec(text)?.[1]);
  if (factor > 0) return factor;
  throw new InvalidArgumentError('It must be original, max, or a factor such as 2x or 0.5x.');
}
