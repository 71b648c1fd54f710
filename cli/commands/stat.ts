/** `tailrace stat`: what streams hold, and counts and sums over their records. */

import type { Command } from 'commander';
import { timeSpanMs } from '../../src/encoding/time-span.ts';
import { TailraceError } from '../../src/model/error.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { collect, duration, since } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from '../flags/encryption-key.ts';
import { parseStreamUri, type StreamUri } from '../flags/names.ts';
import { untilInterrupted } from '../follow.ts';
import { safeJson } from '../print/format.ts';
import { createTable } from '../print/table.ts';
import { numberText } from '../print/terminal/quantities.ts';
import type { AsksForCounts } from '../stat/aggregate-lines.ts';
import type { StreamStat } from '../stat/stat-line.ts';

interface StatOptions extends CommandOptions, KeyOptions {
  readonly levels?: boolean;
  readonly histogram?: string;
  readonly interval?: string;
  readonly sum?: string;
  readonly by?: readonly string[];
  readonly filter?: readonly string[];
  readonly since?: { readonly timestamp: number };
  readonly until?: { readonly timestamp: number };
}

/** What a user asks to be counted. */
interface StatCounting extends AsksForCounts {
  /** As it was typed. */
  readonly bucket: string | undefined;
}

const PAGE_STREAMS = 100;

const EXAMPLES = `
Columns to sum: durationMs, value, inputTokens, outputTokens, costMicrocents …, attr.<key>. To group by: level, service,
name, status, model …, attr.<key>, resource.<key>. p50, p95 and p99 are within 1 %.

Examples:
  tailrace stat shop                                   records, times, size, retention, readers
  tailrace stat 'shop-*'                               a table of the streams of a glob
  tailrace stat shop --levels                          how many records of each level
  tailrace stat shop --histogram 1m --since 1h         how many in each minute
  tailrace stat shop --sum durationMs --by name        how long spans took, by their name
  tailrace stat shop --sum costMicrocents --by model --interval 1d --json`;

export function addStat(program: Command): void {
  const command = program
    .command('stat')
    .summary('show what streams hold; count and sum their records')
    .description('Shows what streams hold and who reads them; with the flags below it counts and sums their records.')
    .argument('<streams...>', 's2://basin/stream, or names in the default basin; globs such as "shop-*"')
    .optionsGroup('Counts and sums:')
    .option('--levels', 'count the records of each level')
    .option('--histogram <width>', 'count the records in buckets of time: 1m, 1h, 1d', bucketWidth)
    .option('--sum <column>', 'sum a column, with minimum, average, quantiles and maximum')
    .option('--by <column>', 'count or sum by this column (repeatable, at most three)', collect)
    .option('--interval <width>', 'also by buckets of time: 1m, 1h, 1d', bucketWidth)
    .option(
      '--filter <conditions>',
      'only records that meet them, such as "level>=warn service=shop" (repeatable)',
      collect,
    )
    .option('--since <time>', 'only what came since then: so long ago (90s, 2d), or at a time', since)
    .option('--until <time>', 'only what came before', since);
  addKeyOption(command).addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command, 'one JSON object a line')).action(
    (names: readonly string[], _options, self: Command) => stat(names, self.optsWithGlobals<StatOptions>()),
  );
}

/** As the server takes it. */
function bucketWidth(text: string): string {
  duration(text);
  return text;
}

async function stat(names: readonly string[], options: StatOptions): Promise<void> {
  const uris = names.map((name) => parseStreamUri(name));
  const [first] = uris;
  const counting = countingOf(options);
  const signal = counting === undefined ? undefined : untilInterrupted();
  await callServer(options, first ?? {}, async (context) => {
    try {
      if (counting === undefined) await printStats(uris, options, context);
      else await printCounts(uris, counting, { ...options, signal }, context);
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
  });
  if (signal?.aborted === true) process.exitCode = EXIT.interrupted;
}

/** Undefined when nothing is to be counted. @throws TailraceError `config` */
function countingOf(options: StatOptions): StatCounting | undefined {
  const { levels, histogram, interval, sum, by = [], filter, since: from, until } = options;
  if (histogram !== undefined && interval !== undefined && histogram !== interval) {
    throw new TailraceError('config', '--histogram and --interval both are the width of buckets: give one of them');
  }
  const columns = [...(levels === true && !by.includes('level') ? ['level'] : []), ...by.flatMap(listedColumns)];
  const bucket = histogram ?? interval;
  const isAsked = [filter, from, until, sum, bucket].some((flag) => flag !== undefined) || columns.length > 0;
  if (!isAsked) return undefined;
  return { by: columns, sum, bucket, bucketMs: bucket === undefined ? undefined : timeSpanMs(bucket) };
}

/** `service,name`; a key in quotes may hold a comma. */
function listedColumns(text: string): readonly string[] {
  return text.includes('"') ? [text] : text.split(',').map((name) => name.trim());
}

async function printStats(uris: readonly StreamUri[], options: StatOptions, context: CallContext): Promise<void> {
  const [{ findStreams, withDetails }, { STAT_COLUMNS, statLines, statRow }] = await Promise.all([
    import('../stat/find-streams.ts'),
    import('../stat/stat-line.ts'),
  ]);
  const { client, output } = context;
  const [only, ...others] = uris;
  if (only !== undefined && others.length === 0 && !only.stream.includes('*')) {
    for await (const found of findStreams(client, only)) {
      const whole = await withDetails(client, found);
      const text = options.json === true ? safeJson(statJson(whole)) : statLines(whole, output, Date.now()).join('\n');
      await output.write(`${text}\n`);
    }
    return;
  }
  const table = createTable(STAT_COLUMNS, output);
  let [page, count]: [StreamStat[], number] = [[], 0];
  const flush = async () => {
    const lines =
      options.json === true
        ? page.map((one) => safeJson(statJson(one)))
        : table.lines(page.map((one) => statRow(one, output, Date.now())));
    count += page.length;
    page = [];
    await output.write(lines.map((line) => `${line}\n`).join(''));
  };
  for (const uri of uris) {
    for await (const found of findStreams(client, uri)) {
      page.push(found);
      if (page.length === PAGE_STREAMS) await flush();
    }
  }
  if (page.length > 0) await flush();
  if (count === 0) context.reporter.note(`no streams match ${uris.map(({ stream }) => stream).join(', ')}`);
}

function statJson({ uri, figures, isDeleting, kept, readers }: StreamStat) {
  return {
    stream: uri,
    figures: figures ?? null,
    deleting: isDeleting,
    ...(kept === undefined ? {} : { kept }),
    ...(readers === undefined ? {} : { readers }),
  };
}

/** Of each stream by itself. */
async function printCounts(
  uris: readonly StreamUri[],
  counting: StatCounting,
  options: StatOptions & { readonly signal: AbortSignal | undefined },
  context: CallContext,
): Promise<void> {
  const { findStreams } = await import('../stat/find-streams.ts');
  const { output, client } = context;
  const isOne = uris.length === 1 && uris[0]?.stream.includes('*') === false;
  for (const uri of uris) {
    const found = uri.stream.includes('*') ? findStreams(client, uri) : [{ ...uri, uri: '' }];
    for await (const { basin, stream } of found) {
      const heading = `s2://${basin}/${stream}`;
      if (!isOne && options.json !== true) await output.write(`${output.colors.bold(heading)}\n`);
      await countOne({ basin, stream }, counting, options, context);
    }
  }
}

async function countOne(
  { basin, stream }: StreamUri,
  counting: StatCounting,
  options: StatOptions & { readonly signal: AbortSignal | undefined },
  { client, output, reporter }: CallContext,
): Promise<void> {
  const { aggregateLines, createLiveLines } = await import('../stat/aggregate-lines.ts');
  const { filter, since: start, until, signal } = options;
  const live = createLiveLines(output);
  const results = client.aggregate(stream, {
    ...{ basin, sum: counting.sum, by: counting.by, bucket: counting.bucket, filter: filter?.join(' ') },
    ...{ start, clamp: start === undefined ? undefined : true, until: until?.timestamp, signal },
    encryptionKey: encryptionKey(options),
  });
  for await (const result of results) {
    const { complete, records, rows } = result;
    if (options.json === true) {
      if (!complete) continue;
      for (const row of rows) await output.write(`${safeJson({ stream: `s2://${basin}/${stream}`, ...row })}\n`);
      continue;
    }
    const lines = aggregateLines(result, counting, output);
    const looked = output.colors.dim(`… ${numberText(records)} records looked at so far`);
    if (complete) await live.end(lines);
    else await live.draw([looked, ...lines]);
    if (complete && rows.length === 0) reporter.note(`none of ${numberText(records)} records counts`);
  }
}
