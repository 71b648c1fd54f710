/** What `tail` and `read` have in common: they read frames, print records and report what else happens. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ClientView, ControlFrame } from '../src/client/frames.ts';
import type { ReaderOptions, ReadFrame } from '../src/client/reader.ts';
import { TailraceError } from '../src/model/error.ts';
import { collect } from './flags/arguments.ts';
import { type ConnectionOptions, connect, type ServerConnection } from './flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from './flags/encryption-key.ts';
import { addLayoutFlags, givenLayoutFlags, type LayoutFlags, layoutOptions } from './flags/layout.ts';
import { formatStreamUri, parseStreamUri, type StreamUri } from './flags/names.ts';
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
  FORMATS,
  type Format,
  OUTPUTS,
  type OutputFormat,
  type Printer,
} from './print/printer.ts';

export interface ViewOptions extends ReporterOptions, KeyOptions, LayoutFlags {
  readonly view?: CliView;
  readonly format?: Format;
  readonly json?: boolean;
  readonly output?: OutputFormat;
  readonly outputFile?: string;
  readonly filter?: readonly string[];
}

/** The options of a read other than the view, which the printer chooses. */
export type FollowBounds = Omit<ReaderOptions<ClientView>, 'view' | 'signal' | 'basin' | 'encryptionKey' | 'filter'>;

export interface Follow {
  readonly connection: ServerConnection;
  readonly uri: StreamUri;
  readonly output: Output;
  readonly printer: Printer;
  readonly reporter: Reporter;
  readonly encryptionKey: string | undefined;
  readonly filter: string | undefined;
  readonly signal: AbortSignal;
  /** How far it has come: the sequence number with which a later read goes on. */
  readonly progress: { next: number | undefined };
}

/** Adds the flags that say how records look and where they go. */
export function addViewOptions(command: Command): Command {
  const output = addKeyOption(command)
    .option(
      '--filter <conditions>',
      'only records that meet them, such as "level>=warn service=shop" (repeatable)',
      collect,
    )
    .optionsGroup('Output:')
    .addOption(new Option('--view <view>', 'how a record looks (default: text)').choices(CLI_VIEWS))
    .addOption(new Option('--format <format>', 'format of raw records; chooses --view raw').choices(FORMATS))
    .option('-o, --output <format>', OUTPUT_HELP, outputFormat)
    .option('--json', 'short for --output json: one JSON object a line')
    .option('--output-file <file>', 'write to a file instead of stdout');
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
 * @throws TailraceError `config` when the name or the flags are wrong, or a file cannot be opened
 */
export async function openFollow(name: string, options: ViewOptions & ConnectionOptions): Promise<Follow> {
  const uri = parseStreamUri(name);
  const connection = connect(options);
  const reporter = createReporter(options);
  const filter = options.filter?.join(' ');
  const printing = await openPrinter(options, connection, reporter);
  const progress = { next: undefined };
  return { ...printing, connection, uri, reporter, filter, signal: untilInterrupted(), progress };
}

/**
 * Reads until the bounds are reached or the signal aborts, and prints the records.
 * @throws TailraceError from the read
 */
export async function printRecords(follow: Follow, bounds: FollowBounds): Promise<void> {
  const { connection, uri, printer, output, reporter } = follow;
  const frames = connection.client.read(uri.stream, {
    ...bounds,
    view: printer.view,
    basin: uri.basin,
    encryptionKey: follow.encryptionKey,
    filter: follow.filter,
    signal: follow.signal,
  });
  const outage = new Outage(reporter);
  for await (const frame of frames) {
    if (frame.type === 'batch') await output.write(printer.print(frame));
    else tell(frame, uri, reporter, outage);
    if ('next' in frame) follow.progress.next = frame.next.seqNum;
    if (frame.type === 'caught_up') follow.progress.next = frame.tail.seqNum;
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
): Promise<Pick<Follow, 'output' | 'printer' | 'encryptionKey'>> {
  const choice = chosenOutput(options);
  const layoutFlags = givenLayoutFlags(options);
  const key = encryptionKey(options);
  const output = await openOutput(options.outputFile, options);
  if (options.outputFile === undefined) watchPipe();
  if (isForPeople(options)) {
    if (output.isTty)
      return { output, printer: await layoutPrinter(options, output, endpoint.value), encryptionKey: key };
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
  const printer =
    'view' in choice
      ? createPrinter(choice.view, options.format ?? 'json', output)
      : createOutputPrinter(choice.output, output);
  return { output, printer, encryptionKey: key };
}

/** Whether the user leaves it to us how records look. */
function isForPeople({ view, output, format, json }: ViewOptions): boolean {
  return view === undefined && output === undefined && format === undefined && json !== true;
}

/** Loaded where there is a terminal: a pipe needs none of it. */
async function layoutPrinter(options: ViewOptions, output: Output, endpoint: string): Promise<Printer> {
  const [{ createLayout }, { traceLinks }] = await Promise.all([
    import('./print/terminal/layout.ts'),
    import('./print/terminal/trace-id.ts'),
  ]);
  const { colors } = output;
  const traceUrl = colors.isColorSupported ? traceLinks(endpoint, process.env) : undefined;
  return createLayoutPrinter(createLayout(layoutOptions(options), { colors, columns: output.columns, traceUrl }));
}

/** @throws TailraceError `config` for flags that contradict each other */
function chosenOutput(options: ViewOptions): { readonly output: OutputFormat } | { readonly view: CliView } {
  const { output, view, format, json } = options;
  if (output === undefined) {
    const chosen = chosenView(options);
    if (format === undefined || chosen === 'raw') return { view: chosen };
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

/** One line when a connection is lost and one when it is back, however many attempts lie between. */
class Outage {
  readonly #reporter: Reporter;
  #lasts = false;

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  begins(cause: TailraceError): void {
    if (!this.#lasts) this.#reporter.note(`connection lost, trying again: ${cause.message}`);
    this.#lasts = true;
  }

  ends(): void {
    if (this.#lasts) this.#reporter.note('connected again, going on where it stopped');
    this.#lasts = false;
  }
}

function chosenView(options: ViewOptions): CliView {
  if (options.json === true && options.view !== undefined && options.view !== 'message') {
    throw new TailraceError('config', `--json is short for --view message; it contradicts --view ${options.view}`);
  }
  if (options.json === true) return 'message';
  return options.view ?? (options.format === undefined ? 'text' : 'raw');
}
