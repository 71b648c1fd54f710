/** `tailrace metrics`: usage of the account, of a basin or of a stream. */

import { type Command, Option } from 'commander';
import type { UsageMetric } from '../../src/client/usage-metrics.ts';
import { TailraceError } from '../../src/model/error.ts';
import {
  METRIC_SETS,
  type MetricLevel,
  USAGE_INTERVALS,
  type UsageInterval,
  type UsagePoint,
} from '../../src/model/usage.ts';
import { type CommandOptions, callServer } from '../call.ts';
import { duration, unixSecond } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { parseBasinUri, parseStreamUri } from '../flags/names.ts';
import { escapeControls, formatTime } from '../print/format.ts';
import type { Subject } from '../print/suggest.ts';

interface MetricsCommandOptions extends CommandOptions {
  readonly interval?: UsageInterval;
  readonly startTimestamp?: number;
  readonly startAgo?: number;
  readonly endTimestamp?: number;
  readonly endAgo?: number;
}

const START_AGO_MS = 86_400_000;

const EXAMPLES = `
Sets of the account: ${METRIC_SETS.account.join(', ')}.
Sets of a basin:     ${METRIC_SETS.basin.join(', ')}.
Sets of a stream:    ${METRIC_SETS.stream.join(', ')}.
The default is the last day. Each time is the start of a minute, an hour or a day.

Examples:
  tailrace metrics active-basins
  tailrace metrics append-throughput s2://telemetry --interval minute --start-ago 1h
  tailrace metrics storage s2://telemetry/my-app --json`;

export function addMetrics(program: Command): void {
  const command = program
    .command('metrics')
    .summary('show usage over time')
    .description('Shows usage of the account, of a basin or of a stream over time.')
    .argument('<set>', 'what to show, see below')
    .argument('[of]', 's2://basin or s2://basin/stream (default: the account)')
    .addOption(new Option('--interval <interval>', 'how long each point is').choices(USAGE_INTERVALS))
    .option('--start-timestamp <time>', 'from here: Unix seconds or RFC 3339', unixSecond)
    .option('--start-ago <span>', 'from this long ago: 90m, 2d (default: 1d)', duration)
    .option('--end-timestamp <time>', 'up to here', unixSecond)
    .option('--end-ago <span>', 'up to this long ago (default: now)', duration)
    .option('--json', 'JSON as in the API')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((set: string, of: string | undefined, _options, self: Command) =>
    metrics(set, of, self.optsWithGlobals<MetricsCommandOptions>()),
  );
}

function metrics(set: string, of: string | undefined, options: MetricsCommandOptions): Promise<void> {
  const subject = subjectOf(of);
  expectSet(set, subject);
  const { interval } = options;
  return callServer(options, subject, async ({ client, output, reporter, print }) => {
    const values = await client.metrics({ set, interval, ...rangeOf(options), ...subject });
    if (options.json === true) return print({ values }, '');
    for (const line of values.flatMap(linesOf)) await output.write(`${escapeControls(line)}\n`);
    if (values.flatMap(linesOf).length === 0) reporter.note(`no ${set} in this time`);
  });
}

function subjectOf(of: string | undefined): Subject {
  if (of === undefined) return {};
  const { basin, prefix } = parseBasinUri(of);
  return prefix === '' ? { basin } : parseStreamUri(of.startsWith('s2://') ? of : `s2://${of}`);
}

/** @throws TailraceError `config` that names the sets there are */
function expectSet(set: string, { basin, stream }: Subject): void {
  const level: MetricLevel = stream !== undefined ? 'stream' : basin !== undefined ? 'basin' : 'account';
  const sets: readonly string[] = METRIC_SETS[level];
  if (sets.includes(set)) return;
  const others = Object.entries(METRIC_SETS).filter(([, names]) => (names as readonly string[]).includes(set));
  const elsewhere = others.length === 0 ? '' : `; ${set} is one of a ${others.map(([name]) => name).join(' and a ')}`;
  const whose = level === 'account' ? 'the account' : `a ${level}`;
  throw new TailraceError('config', `${JSON.stringify(set)}: ${whose} has ${sets.join(', ')}${elsewhere}`);
}

function rangeOf(options: MetricsCommandOptions): { start: number; end: number } {
  const { startTimestamp, startAgo, endTimestamp, endAgo } = options;
  if (startTimestamp !== undefined && startAgo !== undefined) {
    throw new TailraceError('config', 'use only one of --start-timestamp and --start-ago');
  }
  if (endTimestamp !== undefined && endAgo !== undefined) {
    throw new TailraceError('config', 'use only one of --end-timestamp and --end-ago');
  }
  const ago = (span: number) => Math.floor((Date.now() - span) / 1_000);
  return { start: startTimestamp ?? ago(startAgo ?? START_AGO_MS), end: endTimestamp ?? ago(endAgo ?? 0) };
}

/** One line a point: time, value, unit, series. */
function linesOf({ label, scalar, gauge, accumulation }: UsageMetric): readonly string[] {
  if (label !== undefined)
    return label.values.map((value) => (label.name === 'active-basins' ? `s2://${value}` : value));
  if (scalar !== undefined) return [`${scalar.value} ${scalar.unit}  ${scalar.name}`];
  const series = gauge ?? accumulation;
  return series === undefined ? [] : series.values.map((point) => pointText(point, series.unit, series.name));
}

function pointText([second, value]: UsagePoint, unit: string, name: string): string {
  return `${formatTime(second * 1_000)}  ${String(value).padStart(12)} ${unit}  ${name}`;
}
