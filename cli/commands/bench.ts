/** `tailrace bench`: how fast a server takes and gives records, and whether all of them come back as they were. */

import { randomBytes } from 'node:crypto';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import type { BenchPlan } from '../bench/bench.ts';
import type { BenchEnd } from '../bench/report.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { anyNumber, byteSize, duration, wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { defaultBasin, formatStreamUri, parseBasinUri, parseStreamUri, type StreamUri } from '../flags/names.ts';
import { untilInterrupted } from '../follow.ts';

interface BenchOptions extends CommandOptions {
  readonly mode: readonly Mode[];
  readonly duration: number;
  readonly recordSize: number;
  readonly batch?: number;
  readonly connections: number;
  readonly rate?: number;
  readonly keep?: boolean;
}

const MODES = ['append', 'otlp', 'tail', 'catchup'] as const;
type Mode = (typeof MODES)[number];

const MIB = 1024 * 1024;
const DURATION_MS = 10_000;
/** Long before the records of a stream that nothing has deleted expire. */
const DURATION_MS_MAX = 12 * 3_600_000;
const RECORD_BYTES = 1_024;
/** What a record needs to say which one it is. */
const RECORD_BYTES_MIN = 64;
/** Of a batch, and so of a record: what S2 allows. */
const BATCH_BYTES_MAX = MIB;
const BATCH_RECORDS_MAX = 1_000;
/** OTLP has a resource and more around what we count. */
const OTLP_RECORD_BYTES_MAX = MIB - 1_024;
/** Without a rate. */
const BATCH_BYTES = 64 * 1_024;
/** At a rate, a batch holds its first record and what comes within this time, as in the producers of S2's SDKs. */
const LINGER_MS = 5;
const CONNECTIONS_MAX = 100;
const NAME_BYTES = 6;
const REFRESH_MS = 250;
/** Of a terminal that does not say. */
const TERMINAL_COLUMNS = 80;
/** A stream that nothing deleted, because this process was killed, goes by itself. */
const LEFTOVER_CONFIG = { retention_policy: { age: 86_400 }, delete_on_empty: { min_age_secs: 3_600 } };

const EXAMPLES = `
It makes a stream with a name of its own, writes to it, and deletes it at the end, also after Ctrl-C. Each record carries
its number and a checksum: one that is lost, doubled, out of order or changed is told, and the exit code is 1. Without
--rate it writes as fast as the server takes it, which shows throughput; latencies mean something below that, at a rate.
At a rate a record counts from when it comes, as in s2 bench, so the time that it waits for its batch counts too.
Any S2 endpoint will do, also s2-lite and s2.dev.

Examples:
  tailrace bench                                    10 s against the server on this machine
  tailrace bench --rate 20 --record-size 8KiB       latencies at 20 MiB/s
  tailrace bench s2://telemetry --mode append,catchup --connections 4
  tailrace bench --mode otlp,tail --record-size 300 --json
  tailrace bench s2://telemetry/my-bench --duration 5s --keep     leaves the stream, to look at`;

export function addBench(program: Command): void {
  const command = program
    .command('bench')
    .summary('measure how fast a server takes and gives records')
    .description('Measures appends, delivery and catch-up reads, and checks that every record comes back as it was.')
    .argument('[where]', 's2://basin, s2://basin/stream or a stream name; the stream must not exist yet')
    .addOption(
      new Option('--mode <modes>', 'what to do: append (or otlp: the same in OTLP requests), tail, catchup')
        .argParser(modes)
        .default(['append', 'tail', 'catchup'], 'append,tail,catchup'),
    )
    .addOption(
      new Option('-d, --duration <span>', 'how long to write').argParser(benchDuration).default(DURATION_MS, '10s'),
    )
    .addOption(
      new Option('-b, --record-size <size>', 'metered size of a record')
        .argParser(recordSize)
        .default(RECORD_BYTES, '1KiB'),
    )
    .option(
      '--batch <records>',
      'records of an append (default: 64 KiB, or what comes in 5 ms at a rate)',
      batchRecords,
    )
    .option('--connections <count>', 'connections that write', connectionCount, 1)
    .option('--rate <mib>', 'MiB to write in a second (default: as much as the server takes)', rate)
    .option('--keep', 'leave the stream at the end')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command)).action((where: string | undefined, _options, self: Command) =>
    benchServer(where, self.optsWithGlobals<BenchOptions>()),
  );
}

async function benchServer(where: string | undefined, options: BenchOptions): Promise<void> {
  const uri = placeOf(where);
  const { recordSize, batch } = sizesOf(options);
  const interrupted = untilInterrupted();
  await callServer(options, uri, async (context) => {
    const { client, endpoint, token } = context;
    const { Bench } = await import('../bench/bench.ts');
    const plan: BenchPlan = {
      ...uri,
      target: { endpoint: client.endpoint, token: token?.value },
      protocol: options.mode.includes('otlp') ? 'otlp' : 's2s',
      reads: new Set(options.mode.filter((mode) => mode === 'tail' || mode === 'catchup')),
      durationMs: options.duration,
      recordBytes: recordSize,
      batch,
      connections: options.connections,
      rate: options.rate === undefined ? undefined : options.rate * MIB,
    };
    const bench = new Bench(plan, client);
    const isKept = options.keep === true;
    const end = { plan, bench, endpoint: endpoint.value, isKept, isInterrupted: false };
    if (options.json !== true) context.reporter.note((await import('../bench/report.ts')).planText(plan));
    await onOwnStream(context, uri, isKept, () => runShown(end, options, interrupted));
    await tell({ ...end, isInterrupted: interrupted.aborted }, context);
  });
  // What is wrong with the server says more than how this ended.
  if (interrupted.aborted) process.exitCode ??= EXIT.interrupted;
}

/**
 * Makes the stream, and deletes it whatever happens. Nothing is written to a pipe in between: one that has no reader
 * would end the process.
 */
async function onOwnStream(
  { client, reporter }: CallContext,
  uri: StreamUri,
  isKept: boolean,
  act: () => Promise<void>,
): Promise<void> {
  const { basin, stream } = uri;
  try {
    await client.createStream(stream, isKept ? {} : LEFTOVER_CONFIG, { basin });
  } catch (error) {
    if (!(error instanceof TailraceError) || error.code !== 'resource_already_exists') throw error;
    const hint = 'a benchmark writes to a stream of its own, and deletes it: name one that does not exist, or none';
    throw new TailraceError(error.code, `${formatStreamUri(uri)} exists already: ${hint}`, { cause: error });
  }
  try {
    await act();
  } finally {
    if (!isKept) {
      await client.deleteStream(stream, { basin }).catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        reporter.warn(
          `${formatStreamUri(uri)} is still there and goes in a day or so, or by \`tailrace streams delete\`: ${why}`,
        );
      });
    }
  }
}

/** Runs it, on a terminal with its figures so far. What was measured until an interruption is worth telling. */
async function runShown({ plan, bench }: BenchEnd, options: BenchOptions, interrupted: AbortSignal): Promise<void> {
  const isShown = process.stderr.isTTY === true && options.quiet !== true;
  const { figureLines } = await import('../bench/report.ts');
  const hide = isShown ? showLive(process.stderr, () => figureLines(bench, plan.recordBytes)) : undefined;
  try {
    await bench.run(interrupted);
  } catch (error) {
    if (!interrupted.aborted) throw error;
  } finally {
    hide?.();
  }
}

async function tell(end: BenchEnd, { print, reporter }: CallContext): Promise<void> {
  const { faultTexts, reportJson, reportText, warnings } = await import('../bench/report.ts');
  await print(reportJson(end), reportText(end));
  for (const warning of warnings(end)) reporter.warn(warning);
  const faults = faultTexts(end.bench);
  for (const fault of faults) reporter.error(`tailrace: ${fault}`);
  if (faults.length > 0) process.exitCode = EXIT.failure;
}

/** Shows lines on a terminal until the function that it returns is called. Each refresh is one write. */
function showLive(terminal: NodeJS.WriteStream, lines: () => readonly string[]): () => void {
  let shown = 0;
  // Back to the first of the lines that are there; what follows is erased line by line, so that nothing flickers.
  const back = () => (shown === 0 ? '' : `\x1b[${shown}F`);
  const show = () => {
    const width = (terminal.columns || TERMINAL_COLUMNS) - 1;
    const next = lines().map((line) => line.slice(0, Math.max(1, width)));
    const text = next.map((line) => `${line}\x1b[K\n`).join('');
    terminal.write(`${back()}${text}\x1b[J`);
    shown = next.length;
  };
  // What was written wraps in a narrower terminal: then the place of the lines is no longer known, so they stay.
  const onResize = () => {
    shown = 0;
  };
  const timer = setInterval(show, REFRESH_MS);
  terminal.on('resize', onResize);
  show();
  return () => {
    clearInterval(timer);
    terminal.off('resize', onResize);
    terminal.write(`${back()}\x1b[J`);
  };
}

/** A stream that is named, or one in a basin, or below a prefix of it, whose name nothing else has. */
function placeOf(where: string | undefined): StreamUri {
  const name = `bench-${randomBytes(NAME_BYTES).toString('hex')}`;
  if (where === undefined) return { basin: defaultBasin(), stream: name };
  if (!where.startsWith('s2://')) return parseStreamUri(where);
  const { basin, prefix } = parseBasinUri(where);
  return parseStreamUri(
    formatStreamUri({ basin, stream: prefix === '' || prefix.endsWith('/') ? prefix + name : prefix }),
  );
}

/** @throws TailraceError `config` for sizes that do not fit together */
function sizesOf({ mode, recordSize, batch, rate, connections }: BenchOptions): { recordSize: number; batch: number } {
  if (mode.includes('otlp') && recordSize > OTLP_RECORD_BYTES_MAX) {
    throw new TailraceError('config', `--record-size of OTLP is at most ${OTLP_RECORD_BYTES_MAX} bytes`);
  }
  const fitting = Math.min(BATCH_RECORDS_MAX, Math.floor(BATCH_BYTES_MAX / recordSize));
  if (batch !== undefined && batch > fitting) {
    throw new TailraceError(
      'config',
      `--batch ${batch} of ${recordSize} bytes: at most ${fitting} fit into one append`,
    );
  }
  const records = rate === undefined ? BATCH_BYTES / recordSize : 1 + lingering(rate / connections, recordSize);
  return { recordSize, batch: batch ?? Math.max(1, Math.min(fitting, Math.floor(records))) };
}

/** Records that come while the first of a batch waits, at so many MiB a second. */
function lingering(rate: number, recordSize: number): number {
  return (rate * MIB * LINGER_MS) / 1_000 / recordSize;
}

function modes(text: string): readonly Mode[] {
  const given = text.split(',').map((mode) => mode.trim());
  const known = given.flatMap((name) => MODES.filter((mode) => mode === name));
  if (known.length < given.length) throw new InvalidArgumentError(`It must be some of ${MODES.join(', ')}.`);
  if (known.includes('append') === known.includes('otlp')) {
    throw new InvalidArgumentError('It must hold either append or otlp: one of them writes.');
  }
  return known;
}

function benchDuration(text: string): number {
  const ms = duration(text);
  if (ms > 0 && ms <= DURATION_MS_MAX) return ms;
  throw new InvalidArgumentError('It must be longer than nothing and at most 12h.');
}

function recordSize(text: string): number {
  const bytes = byteSize(text);
  if (bytes >= RECORD_BYTES_MIN && bytes <= BATCH_BYTES_MAX) return bytes;
  throw new InvalidArgumentError(`It must be from ${RECORD_BYTES_MIN} bytes to 1MiB.`);
}

function batchRecords(text: string): number {
  return within(wholeNumber(text), BATCH_RECORDS_MAX);
}

function connectionCount(text: string): number {
  return within(wholeNumber(text), CONNECTIONS_MAX);
}

function within(value: number, most: number): number {
  if (value >= 1 && value <= most) return value;
  throw new InvalidArgumentError(`It must be from 1 to ${most}.`);
}

function rate(text: string): number {
  const mib = anyNumber(text);
  if (mib > 0) return mib;
  throw new InvalidArgumentError('It must be more than 0, such as 20 or 0.5.');
}
