/** What `tail` and `read` have in common: they read frames, print records and report what else happens. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ClientView, ControlFrame } from '../src/client/frames.ts';
import type { ReaderOptions, ReadFrame } from '../src/client/reader.ts';
import { nearest } from '../src/encoding/nearest.ts';
import { TailraceError } from '../src/model/error.ts';
import { type ConnectionOptions, connect, type ServerConnection } from './flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from './flags/encryption-key.ts';
import { addFilterFlags, contextOf, type FilterFlags, filterOf } from './flags/filters.ts';
import { addLayoutFlags, givenLayoutFlags, type LayoutFlags, layoutOptions } from './flags/layout.ts';
import { formatStreamUri, type StreamUri } from './flags/names.ts';
import { Outage } from './outage.ts';
import {
  createReporter,
  type Output,
  openOutput,
  type Reporter,
  type ReporterOptions,
  watchPipe,
} from './print/console.ts';
import {
  CLI_VIEWS,
  type CliView,
  createLayoutPrinter,
  createOutputPrinter,
  createPrinter,
  createTemplatePrinter,
  FORMATS,
  type Format,
  OUTPUTS,
  type OutputFormat,
  type Printer,
  type PrintSetting,
} from './print/printer.ts';
import type { Layout } from './print/terminal/layout.ts';
import { createRecordSink, type RecordReading } from './record-sink.ts';

export interface ViewOptions extends ReporterOptions, KeyOptions, LayoutFlags, FilterFlags {
  readonly view?: CliView;
  /** S2's format of raw records, or a template. */
  readonly format?: string;
  readonly json?: boolean;
  readonly output?: OutputFormat;
  readonly outputFile?: string;
  /** False with `--no-pager`. */
  readonly pager?: boolean;
}

/** The options of a read other than the view, which the printer chooses. */
export type FollowBounds = Omit<ReaderOptions<ClientView>, 'view' | 'signal' | 'basin' | 'encryptionKey' | 'filter'>;

export interface Follow extends RecordReading {
  readonly uri: StreamUri;
  /** How far it has come: the sequence number with which a later read goes on. */
  readonly progress: { next: number | undefined };
}

export interface ReadingSetting {
  /** Several streams are read. */
  readonly isMany: boolean;
  /** It ends at the tail, so what is longer than the screen may go through a pager. */
  readonly ends: boolean;
}

/** Adds the flags that say which records are shown, how they look and where they go. */
export function addViewOptions(command: Command): Command {
  const output = addFilterFlags(addKeyOption(command))
    .optionsGroup('Output:')
    .addOption(new Option('--view <view>', 'how a record looks (default: text)').choices(CLI_VIEWS))
    .option(
      '--format <format>',
      "a template, such as '{{time}} {{level}} {{body}} {{attributes.order.id}}'; or text, json or json-base64 for S2's records (--view raw)",
    )
    .option('-o, --output <format>', OUTPUT_HELP, outputFormat)
    .option('--json', 'short for --output json: one JSON object a line')
    .option('--output-file <file>', 'write to a file instead of stdout')
    .option('--no-pager', 'not through TAILRACE_PAGER, PAGER or less when it is more than a screen');
  return addLayoutFlags(output);
}

const OUTPUT_HELP =
  'text, wide (with number, ids and resource), logfmt, or json (one object a line); --output-file names a file';

function outputFormat(text: string): OutputFormat {
  const known = OUTPUTS.find((format) => format === text);
  if (known !== undefined) return known;
  throw new InvalidArgumentError(`It must be one of ${OUTPUTS.join(', ')}; a file is named with --output-file.`);
}

/**
 * Connects, opens the output and makes the printer.
 * @throws TailraceError `config` when the flags are wrong, or a file cannot be opened
 */
export async function openReading(
  options: ViewOptions & ConnectionOptions,
  setting: ReadingSetting,
): Promise<RecordReading> {
  const filter = filterOf(options);
  const context = contextOf(options);
  const connection = connect(options);
  const reporter = createReporter(options);
  const ending = new AbortController();
  let isInterrupted = false;
  const onSignal = () => {
    isInterrupted = true;
    ending.abort();
  };
  const printing = await openPrinter(options, connection, reporter, setting, () => ending.abort());
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const { signal } = ending;
  const opened = { ...printing, connection, reporter, filter, context, signal, isInterrupted: () => isInterrupted };
  return { ...opened, sink: createRecordSink(opened) };
}

/**
 * Reads until the bounds are reached or the signal aborts, and prints the records.
 * @throws TailraceError from the read
 */
export async function printRecords(follow: Follow, bounds: FollowBounds): Promise<void> {
  const { connection, uri, sink, reporter } = follow;
  const frames = connection.client.read(uri.stream, {
    ...bounds,
    view: sink.view,
    basin: uri.basin,
    encryptionKey: follow.encryptionKey,
    filter: follow.filter,
    signal: follow.signal,
  });
  const outage = new Outage(reporter);
  for await (const frame of frames) {
    if (frame.type === 'batch') await sink.take(frame, uri);
    else tell(frame, uri, reporter, outage);
    if ('next' in frame) follow.progress.next = frame.next.seqNum;
    if (frame.type === 'caught_up') follow.progress.next = frame.tail.seqNum;
    if (frame.type === 'passed') await sink.pass(frame.next.seqNum, uri);
    if (frame.type === 'caught_up') await sink.pass(frame.tail.seqNum, uri);
  }
}

/** An abort signal that fires on Ctrl-C; a second Ctrl-C ends the process. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}

async function openPrinter(
  options: ViewOptions,
  { endpoint }: ServerConnection,
  reporter: Reporter,
  { isMany, ends }: ReadingSetting,
  onQuit: () => void,
): Promise<Pick<RecordReading, 'output' | 'printer' | 'encryptionKey'>> {
  const choice = chosenOutput(options);
  const layoutFlags = givenLayoutFlags(options);
  const key = encryptionKey(options);
  const opened = await openOutput(options.outputFile, options);
  const isPaged = ends && opened.isTty && options.pager !== false;
  const output = isPaged ? await paged(opened, onQuit) : opened;
  if (options.outputFile === undefined) watchPipe();
  if (isForPeople(options)) {
    if (output.isTty) {
      const printer = createLayoutPrinter(await openLayout(options, output, endpoint.value), isMany);
      return { output, printer, encryptionKey: key };
    }
    if (layoutFlags.length > 0) {
      reporter.note(
        `${layoutFlags.join(', ')}: for a terminal; this goes elsewhere, and gets the lines of --view text`,
      );
    }
  } else if (layoutFlags.length > 0) {
    throw new TailraceError(
      'config',
      `${layoutFlags.join(', ')}: for the layout on a terminal; leave out --view, --output, --format and --json`,
    );
  }
  return { output, printer: await chosenPrinter(choice, { output, isMany }), encryptionKey: key };
}

async function chosenPrinter(choice: Choice, setting: PrintSetting): Promise<Printer> {
  if ('output' in choice) return createOutputPrinter(choice.output, setting);
  if ('view' in choice) return createPrinter(choice.view, choice.format, setting);
  return createTemplatePrinter((await import('./print/template.ts')).parseTemplate(choice.template));
}

async function paged(output: Output, onQuit: () => void): Promise<Output> {
  const { chosenPager, pagedOutput } = await import('./print/pager.ts');
  const command = chosenPager(process.env);
  return command === undefined ? output : pagedOutput(output, command, process.env, onQuit);
}

/** Whether the user leaves it to us how records look. */
function isForPeople({ view, output, format, json }: ViewOptions): boolean {
  return view === undefined && output === undefined && format === undefined && json !== true;
}

/** Loaded where there is a terminal: a pipe needs none of it. */
async function openLayout(options: ViewOptions, output: Output, endpoint: string): Promise<Layout> {
  const [{ createLayout }, { traceLinks }] = await Promise.all([
    import('./print/terminal/layout.ts'),
    import('./print/terminal/trace-id.ts'),
  ]);
  const { colors } = output;
  const traceUrl = colors.isColorSupported ? traceLinks(endpoint, process.env) : undefined;
  return createLayout(layoutOptions(options), { colors, columns: output.columns, traceUrl });
}

/** How records look, where the user says so. */
type Choice =
  | { readonly output: OutputFormat }
  | { readonly view: CliView; readonly format: Format }
  | { readonly template: string };

/** @throws TailraceError `config` for flags that contradict each other */
function chosenOutput(options: ViewOptions): Choice {
  const { output, view, format, json } = options;
  if (output === undefined) {
    if (format?.includes('{') === true) {
      if (view === undefined && json !== true) return { template: format };
      throw new TailraceError(
        'config',
        '--format with a template chooses the view by itself: leave out --view and --json',
      );
    }
    const chosen = chosenView(options);
    if (format === undefined) return { view: chosen, format: 'json' };
    if (chosen === 'raw') return { view: chosen, format: rawFormat(format) };
    throw new TailraceError('config', `--format is for raw records; --view ${chosen} has one format only`);
  }
  if (view !== undefined || format !== undefined) {
    throw new TailraceError('config', `--output ${output} chooses the view by itself: leave out --view and --format`);
  }
  if (json === true && output !== 'json') {
    throw new TailraceError('config', `--json is short for --output json; it contradicts --output ${output}`);
  }
  return { output };
}

function rawFormat(text: string): Format {
  const known = FORMATS.find((format) => format === text);
  if (known !== undefined) return known;
  const [near] = nearest(text, FORMATS);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new TailraceError(
    'config',
    `--format ${text}: it must be ${FORMATS.join(', ')}, or a template such as '{{time}} {{body}}'${hint}`,
  );
}

function tell(
  frame: Exclude<ReadFrame<ClientView>, { type: 'batch' }>,
  uri: StreamUri,
  reporter: Reporter,
  outage: Outage,
) {
  if (frame.type === 'reconnecting') outage.begins(frame.cause);
  else outage.ends();
  if (frame.type === 'gap') reporter.warn(gapText(frame, uri));
}

function gapText(frame: ControlFrame & { type: 'gap' }, uri: StreamUri): string {
  return `records ${frame.from} to ${frame.to - 1} of ${formatStreamUri(uri)} are gone: they were trimmed or expired`;
}

function chosenView(options: ViewOptions): CliView {
  if (options.json === true && options.view !== undefined && options.view !== 'message') {
    throw new TailraceError('config', `--json is short for --view message; it contradicts --view ${options.view}`);
  }
  if (options.json === true) return 'message';
  return options.view ?? (options.format === undefined ? 'text' : 'raw');
}
