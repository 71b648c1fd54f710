/** What `tail` and `read` share: they read frames, print records and tell what happens beside them. */

import { type Command, Option } from 'commander';
import type { ClientView, ControlFrame } from '../src/client/frames.ts';
import type { ReaderOptions, ReadFrame } from '../src/client/reader.ts';
import { TailraceError } from '../src/model/error.ts';
import type { Connection } from './flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from './flags/encryption-key.ts';
import { formatStreamUri, type StreamUri } from './flags/names.ts';
import { type Output, openOutput, type Talk, type TalkOptions, watchPipe } from './print/console.ts';
import { CLI_VIEWS, type CliView, createPrinter, FORMATS, type Format, type Printer } from './print/printer.ts';

export interface ViewOptions extends TalkOptions, KeyOptions {
  readonly view?: CliView;
  readonly format?: Format;
  readonly json?: boolean;
  readonly output?: string;
}

/** Everything but the view, which the printer knows. */
export type Bounds = Omit<ReaderOptions<ClientView>, 'view' | 'signal' | 'basin' | 'encryptionKey'>;

export interface Follow {
  readonly connection: Connection;
  readonly uri: StreamUri;
  readonly output: Output;
  readonly printer: Printer;
  readonly talk: Talk;
  readonly encryptionKey: string | undefined;
  readonly signal: AbortSignal;
}

/** Adds the flags that say how records look and where they go. */
export function addViewOptions(command: Command): Command {
  return addKeyOption(command)
    .optionsGroup('Output:')
    .addOption(new Option('--view <view>', 'how a record looks (default: text)').choices(CLI_VIEWS))
    .addOption(new Option('--format <format>', 'format of raw records; chooses --view raw').choices(FORMATS))
    .option('--json', 'short for --view message: one JSON object a line')
    .option('-o, --output <file>', 'write to a file instead of stdout');
}

/**
 * Opens the output and makes the printer.
 * @throws TailraceError `config` when the flags contradict each other or the file cannot be opened.
 */
export async function openPrinter(options: ViewOptions): Promise<Pick<Follow, 'output' | 'printer' | 'encryptionKey'>> {
  const view = chosenView(options);
  if (options.format !== undefined && view !== 'raw') {
    throw new TailraceError('config', `--format is for raw records; --view ${view} has one format only`);
  }
  const key = encryptionKey(options);
  const output = await openOutput(options.output, options);
  if (options.output === undefined) watchPipe();
  return { output, printer: createPrinter(view, options.format ?? 'json', output), encryptionKey: key };
}

/**
 * Reads until the bounds are reached or the signal aborts. Prints records, and answers how many bytes it printed.
 * @throws TailraceError what the read throws.
 */
export async function printRecords(follow: Follow, bounds: Bounds): Promise<void> {
  const { connection, uri, printer, output, talk } = follow;
  const frames = connection.client.read(uri.stream, {
    ...bounds,
    view: printer.view,
    basin: uri.basin,
    encryptionKey: follow.encryptionKey,
    signal: follow.signal,
  });
  const outage = new Outage(talk);
  for await (const frame of frames) {
    if (frame.type === 'batch') await output.write(printer.print(frame));
    else tell(frame, uri, talk, outage);
  }
}

/** An abort signal that Ctrl-C fires; a second Ctrl-C ends the process by itself. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}

function tell(frame: Exclude<ReadFrame<ClientView>, { type: 'batch' }>, uri: StreamUri, talk: Talk, outage: Outage) {
  if (frame.type === 'reconnecting') outage.begins(frame.cause);
  else outage.ends();
  if (frame.type === 'gap') talk.warn(gapText(frame, uri));
}

function gapText(frame: ControlFrame & { type: 'gap' }, uri: StreamUri): string {
  return `records ${frame.from} to ${frame.to - 1} of ${formatStreamUri(uri)} are gone: they were trimmed or expired`;
}

/** One line when a connection is lost and one when it is back, however many attempts lie between. */
class Outage {
  readonly #talk: Talk;
  #lasts = false;

  constructor(talk: Talk) {
    this.#talk = talk;
  }

  begins(cause: TailraceError): void {
    if (!this.#lasts) this.#talk.note(`connection lost, trying again: ${cause.message}`);
    this.#lasts = true;
  }

  ends(): void {
    if (this.#lasts) this.#talk.note('connected again, going on where it stopped');
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
