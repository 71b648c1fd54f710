/** `tailrace trace`: one trace as a waterfall, with its logs at their time. */

import { type Command, InvalidArgumentError } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import type { StreamSelection } from '../../src/model/selection.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from '../call.ts';
import { collect, duration, since } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from '../flags/encryption-key.ts';
import { parseBasinName, parseStreamUri } from '../flags/names.ts';
import { untilInterrupted } from '../follow.ts';
import { counted, formatTime, safeJson } from '../print/format.ts';
import type { TraceFinds, TraceSearch } from '../trace/find-trace.ts';
import type { TraceTree } from '../trace/trace-tree.ts';

interface TraceOptions extends CommandOptions, KeyOptions {
  readonly stream?: readonly string[];
  readonly basin?: string;
  readonly since?: { readonly timestamp: number };
  readonly until?: { readonly timestamp: number };
  readonly all?: boolean;
  readonly slow?: number;
}

/** Fewer would find a part of all traces. */
const DIGITS_MIN = 4;
const DIGITS_MAX = 32;
const SLOW_MS = 1_000;
/** Of a pipe, which has no width. */
const PIPE_COLUMNS = 100;
const LISTED_MAX = 50;

const EXAMPLES = `
The beginning of the id is enough, as tail and read show it. The whole id is found faster, and so is any with --since.

Examples:
  tailrace trace 5b8aa5a2                        in all streams of the basin
  tailrace trace 5b8aa5a2 --stream shop          in one stream; --stream 'shop-*' in some
  tailrace trace 5b8aa5a2 --since 1h             in what came in the last hour
  tailrace trace 5b8aa5a2 --all                  every child, however many there are
  tailrace trace 5b8aa5a2 --json | jq .errors`;

export function addTrace(program: Command): void {
  const command = program
    .command('trace')
    .summary('show one trace as a waterfall')
    .description('Shows the spans of a trace as a waterfall, with its logs between them.')
    .argument('<id>', `the trace id, or its first digits (at least ${DIGITS_MIN})`, traceDigits)
    .option('--stream <name>', 'only in this stream, or those of a glob such as "shop-*" (repeatable)', collect)
    .option('--basin <basin>', 'of this basin (default: that of the token)', parseBasinName)
    .option('--since <time>', 'only what came since then: so long ago (90s, 2d), or at a time', since)
    .option('--until <time>', 'only what came before', since);
  addKeyOption(command)
    .optionsGroup('Layout:')
    .option('--all', 'all children of a span, however many')
    .option('--slow <span>', 'spans that take longer are yellow (default: 1s)', duration)
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command, 'the tree as one JSON object')).action(
    (prefix: string, _options, self: Command) => trace(prefix, self.optsWithGlobals<TraceOptions>()),
  );
}

/** The digits of an id as people copy it: alone, in the brackets of `tail`, or in a header `traceparent`. */
function traceDigits(text: string): string {
  const bare = text.trim().toLowerCase().replace(/^⟨|⟩$/g, '');
  const digits = /^[\da-f]{2}-([\da-f]{32})-/.exec(bare)?.[1] ?? bare.replaceAll('-', '');
  if (/^[\da-f]+$/.test(digits) && digits.length >= DIGITS_MIN && digits.length <= DIGITS_MAX) return digits;
  throw new InvalidArgumentError(
    `It must be ${DIGITS_MIN} to ${DIGITS_MAX} hexadecimal digits, such as 5b8aa5a2, as tail and read show them.`,
  );
}

function trace(prefix: string, options: TraceOptions): Promise<void> {
  const where = searched(options);
  const key = encryptionKey(options);
  return callServer(options, where.basin === undefined ? {} : { basin: where.basin }, async (context) => {
    const [{ findTrace, FOUND_MAX }, { traceTrees }] = await Promise.all([
      import('../trace/find-trace.ts'),
      import('../trace/trace-tree.ts'),
    ]);
    const search = { ...where, prefix, encryptionKey: key, signal: untilInterrupted() };
    const finds = await findTrace(context.client, search);
    for (const { stream, error } of finds.unread) context.reporter.warn(`${stream} was not searched: ${error.message}`);
    if (finds.hasMore) {
      context.reporter.warn(
        `there are more records than ${FOUND_MAX}, which is as many as are shown: use --since or --stream`,
      );
    }
    const trees = traceTrees(finds.found);
    const [only] = trees;
    if (only === undefined) throw new TailraceError('not_found', nothingText(search, finds));
    if (trees.length > 1) await listTraces(trees, prefix, options, context);
    else await printTrace(only, options, context);
  });
}

/** @throws TailraceError `config` for names of several basins, or a glob beside other names */
function searched(options: TraceOptions): Pick<TraceSearch, 'basin' | 'selection' | 'since' | 'until'> {
  const names = options.stream ?? [];
  const uris = names.map((name) =>
    name.startsWith('s2://') ? parseStreamUri(name) : { basin: undefined, stream: name },
  );
  const given = [options.basin, ...uris.map(({ basin }) => basin)].filter((basin) => basin !== undefined);
  const [basin = process.env.TAILRACE_DEFAULT_BASIN || undefined] = given;
  if (given.some((other) => other !== basin)) {
    throw new TailraceError('config', `one search is in one basin, not in ${[...new Set(given)].join(' and ')}`);
  }
  const streams = uris.map(({ stream }) => stream);
  const times = { since: options.since?.timestamp, until: options.until?.timestamp };
  return { basin, selection: selectionOf(streams), ...times };
}

function selectionOf(streams: readonly string[]): StreamSelection {
  const glob = streams.find((name) => name.includes('*'));
  if (glob === undefined) return streams.length === 0 ? { prefix: '' } : { streams };
  if (streams.length === 1) return { glob };
  throw new TailraceError('config', `--stream ${glob} is a glob, which stands alone: leave out the other --stream`);
}

function nothingText({ prefix, selection, since, until }: TraceSearch, { streams, basin }: TraceFinds): string {
  const where = 'streams' in selection ? selection.streams.join(', ') : counted(streams, 'stream');
  const from = since === undefined ? '' : ` since ${formatTime(since)}`;
  const to = until === undefined ? '' : ` before ${formatTime(until)}`;
  const of = basin === undefined ? '' : ` of s2://${basin}`;
  const whole = prefix.length === DIGITS_MAX ? 'no trace' : 'no trace whose id begins with';
  return `${whole} ${prefix} in ${where}${of}${from}${to}: other basins are searched with --basin`;
}

async function printTrace(tree: TraceTree, options: TraceOptions, { output }: CallContext): Promise<void> {
  if (options.json === true) {
    const { traceJson } = await import('../trace/trace-json.ts');
    for (const piece of traceJson(tree)) await output.write(piece);
    return;
  }
  const { waterfallLines } = await import('../trace/waterfall.ts');
  const { isTty, colors } = output;
  const lines = waterfallLines(tree, {
    columns: isTty ? output.columns() : PIPE_COLUMNS,
    colors,
    isWhole: options.all === true,
    slowMs: options.slow ?? SLOW_MS,
    timeText: isTty ? (ms) => new Date(ms).toString().replace(/ GMT.*/, '') : formatTime,
  });
  await output.write(`${lines.join('\n')}\n`);
}

/** @throws TailraceError `config`, always: one of them must be chosen */
async function listTraces(
  trees: readonly TraceTree[],
  prefix: string,
  options: TraceOptions,
  { output }: CallContext,
): Promise<void> {
  const { traceSummary } = await import('../trace/trace-json.ts');
  const shown = trees.slice(-LISTED_MAX);
  if (options.json === true) {
    for (const tree of trees) await output.write(`${safeJson(traceSummary(tree))}\n`);
  } else {
    const { traceList } = await import('../trace/trace-list.ts');
    await output.write(`${traceList(shown, output).join('\n')}\n`);
  }
  const listed = shown.length < trees.length ? `, of which these are the last ${LISTED_MAX}` : '';
  throw new TailraceError('config', `${trees.length} traces begin with ${prefix}${listed}: give more digits of one`);
}
