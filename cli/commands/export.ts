/** `tailrace export`: streams into files, as a Collector or S2's command line writes them. */

import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { collect, instant, since } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from '../flags/encryption-key.ts';
import { formatStreamUri, parseStreamUri, type StreamUri } from '../flags/names.ts';
import { untilInterrupted } from '../follow.ts';
import { ExportFile, type ExportSink, positionOf } from '../move/export-file.ts';
import { type Exported, exportStream } from '../move/export-stream.ts';
import { EXPORT_FORMATS, type ExportFormat, fileNameOf } from '../move/file-name.ts';
import { expectSamePosition, numberIn } from '../move/position-file.ts';
import { watchPipe } from '../print/console.ts';
import { counted, escapeControls } from '../print/format.ts';
import { type Progress, withProgress } from '../print/progress.ts';

interface ExportOptions extends CommandOptions, KeyOptions {
  readonly output?: string;
  readonly format: ExportFormat;
  readonly since?: { readonly timestamp: number };
  readonly until?: number;
  readonly filter?: readonly string[];
  readonly compress?: string;
  readonly resume?: boolean;
}

/** What people take for a format where a file is named. */
const NO_FILES: ReadonlySet<string> = new Set([...EXPORT_FORMATS, 'json', 'text', 'logfmt', 'wide']);

const EXAMPLES = `
A stream is exported up to its tail of that moment. Of otlp-json each line is a request, as the file exporter of the
Collector writes it and its otlpjsonfile receiver reads it; of s2 each line is a record as \`s2 read --format json-base64\`
prints it. Beside each file stands its position: with --resume an export that was interrupted, or a file that is to get
what came since, goes on there, with nothing lost and nothing twice.

Examples:
  tailrace export my-app > my-app.jsonl
  tailrace export my-app -o my-app.jsonl --since 1d
  tailrace export my-app -o my-app.jsonl --resume       goes on where it stopped
  tailrace export 'shop-*' -o exported                  one file for each stream, in this folder
  tailrace export my-app --format s2 --compress gzip -o my-app.s2.jsonl.gz
  tailrace export my-app --filter 'level>=warn' | jq .`;

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .summary('write streams to files')
    .description('Writes the records of streams as lines: OTLP JSON as a Collector writes it, or records of S2.')
    .argument('<streams...>', 's2://basin/stream, names in the default basin, or patterns such as "shop-*"')
    .option('-o, --output <path>', 'a file, or a folder for several streams (default: stdout)', outputPath)
    .addOption(new Option('--format <format>', 'what a line is').choices(EXPORT_FORMATS).default('otlp-json'))
    .addOption(new Option('--compress <how>', 'compress the file').choices(['gzip']))
    .option('--resume', 'go on where the file ends')
    .optionsGroup('Which records:')
    .option('--since <time>', 'from so long ago (90s, 2d), or from a time', since)
    .option('--until <time>', 'before this time', instant)
    .option(
      '--filter <conditions>',
      'only records that meet them, such as "level>=warn service=shop" (repeatable)',
      collect,
    );
  addKeyOption(command).optionsGroup('Output:').option('--json', 'what was exported as JSON, where -o names a file');
  addConnectionOptions(command.addHelpText('after', EXAMPLES)).action((names: string[], _options, self: Command) =>
    runExport(names, self.optsWithGlobals<ExportOptions>()),
  );
}

async function runExport(names: readonly string[], { output, ...rest }: ExportOptions): Promise<void> {
  const options: ExportOptions = output === undefined || output === '-' ? rest : { ...rest, output };
  const uris = names.map((name) => parseStreamUri(name));
  const [first] = uris;
  const key = encryptionKey(options);
  expectFlags(options);
  const signal = untilInterrupted();
  const one = uris.length === 1 && first?.stream.includes('*') === false ? first : undefined;
  await callServer(options, one ?? { basin: first?.basin }, async (context) => {
    const streams = one === undefined ? await matching(context, uris) : [one];
    const targets = targetsOf(streams, one !== undefined, options);
    // Lines on a terminal and a line of progress there would be mixed.
    const isMixed = options.output === undefined && context.output.isTty;
    if (options.output === undefined) watchPipe();
    await withProgress('export', { unit: 'records', quiet: isMixed || options.quiet === true }, async (progress) => {
      for (const [index, { uri, file }] of targets.entries()) {
        if (signal.aborted) break;
        const place = targets.length === 1 ? '' : ` (${index + 1} of ${targets.length})`;
        progress.about(`export ${uri.stream}${place}`);
        await exportOne(context, uri, file, options, { key, signal, progress });
      }
    });
  });
  if (signal.aborted) process.exitCode = EXIT.interrupted;
}

interface OneExport {
  readonly key: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

async function exportOne(
  context: CallContext,
  uri: StreamUri,
  file: string | undefined,
  options: ExportOptions,
  { key, signal, progress }: OneExport,
): Promise<void> {
  // Before a file is made: there may be no such stream.
  const tail = (await context.client.checkTail(uri.stream, { basin: uri.basin, signal })).seqNum;
  const filter = options.filter?.join(' ');
  const { format, until, compress } = options;
  const identity = { stream: formatStreamUri(uri), format, filter: filter ?? null, compress: compress ?? null };
  const opened =
    file === undefined
      ? undefined
      : await ExportFile.open(file, { resume: options.resume === true, compress, identity });
  const before = opened?.before;
  if (before !== undefined) expectSamePosition(before, identity, positionOf(file ?? ''));
  const sink = opened ?? stdoutOf(context);
  const next = before === undefined || numberIn(before, 'next') === 0 ? undefined : numberIn(before, 'next');
  let exported: Exported;
  try {
    exported = await exportStream(
      {
        ...{ client: context.client, uri, format, tail, next, since: options.since?.timestamp, until, filter },
        ...{ encryptionKey: key, signal, progress, reporter: context.reporter },
        onStream: (streamId) => {
          if (before !== undefined) expectSameStream(before, streamId, uri, file);
          opened?.note({ stream_id: streamId });
        },
      },
      sink,
    );
  } finally {
    await sink.end();
  }
  await report(context, uri, file, exported, { options, isInterrupted: signal.aborted });
}

interface ExportEnd {
  readonly options: ExportOptions;
  readonly isInterrupted: boolean;
}

async function report(
  { print, reporter }: CallContext,
  uri: StreamUri,
  file: string | undefined,
  { records, leftOut, next }: Exported,
  { options, isInterrupted }: ExportEnd,
): Promise<void> {
  const name = formatStreamUri(uri);
  if (leftOut > 0) {
    reporter.warn(`${name}: ${counted(leftOut, 'record')} left out that are not OTLP: --format s2 exports all records`);
  }
  if (file !== undefined && options.json === true) {
    await print({ stream: name, file, records, left_out: leftOut, next_seq_num: next }, '');
  } else {
    reporter.note(`${name}: ${counted(records, 'record')}${file === undefined ? '' : ` → ${file}`}`);
  }
  if (isInterrupted && file !== undefined) reporter.note('interrupted: the same command with --resume goes on');
}

function stdoutOf({ output }: CallContext): ExportSink {
  return { write: (lines) => output.write(lines), reached: async () => {}, end: async () => {} };
}

/** Where each stream goes; undefined is stdout. */
function targetsOf(streams: readonly StreamUri[], isNamed: boolean, { output, format, compress }: ExportOptions) {
  const isFolder = output !== undefined && (output.endsWith('/') || !isNamed || isDirectory(output));
  if (output === undefined && !isNamed) {
    throw new TailraceError('config', 'several streams need a folder: name one with -o, which gets a file for each');
  }
  if (isFolder) makeFolder(output);
  const basins = new Set(streams.map(({ basin }) => basin)).size;
  return streams.map((uri) => {
    if (!isFolder) return { uri, file: output };
    const name = fileNameOf(basins > 1 ? `${uri.basin}/${uri.stream}` : uri.stream, format, compress);
    return { uri, file: path.join(output, name) };
  });
}

/** The streams that the names and patterns mean, each once. */
async function matching({ client }: CallContext, uris: readonly StreamUri[]): Promise<readonly StreamUri[]> {
  const found = new Map<string, StreamUri>();
  for (const uri of uris) {
    const { basin, stream } = uri;
    if (!stream.includes('*')) {
      found.set(formatStreamUri(uri), uri);
      continue;
    }
    const pattern = new RegExp(`^${stream.split('*').map(literal).join('.*')}$`, 's');
    const size = found.size;
    for await (const { name, deletedAt } of client.listStreams({
      basin,
      prefix: stream.slice(0, stream.indexOf('*')),
    })) {
      if (deletedAt === undefined && pattern.test(name))
        found.set(formatStreamUri({ basin, stream: name }), { basin, stream: name });
    }
    if (found.size === size) {
      const uriText = escapeControls(formatStreamUri(uri));
      throw new TailraceError(
        'stream_not_found',
        `no stream matches ${uriText}: \`tailrace ls s2://${basin}\` lists them`,
      );
    }
  }
  return [...found.values()];
}

function literal(text: string): string {
  return text.replace(/[\\^$.|?+()[\]{}]/g, '\\$&');
}

/** @throws TailraceError `stream_replaced` */
function expectSameStream(
  before: Readonly<Record<string, unknown>>,
  streamId: string,
  uri: StreamUri,
  file: string | undefined,
): void {
  if (before.stream_id === undefined || before.stream_id === streamId) return;
  throw new TailraceError(
    'stream_replaced',
    `${formatStreamUri(uri)} was deleted and made again since ${file} was written: export it to another file`,
  );
}

function expectFlags({ output, compress, resume, json }: ExportOptions): void {
  const [flag] = [compress && '--compress', resume === true && '--resume', json === true && '--json'].filter(Boolean);
  if (output === undefined && flag !== undefined) {
    throw new TailraceError('config', `${flag} is for a file: name one with -o, or use a pipe, such as | gzip`);
  }
}

function outputPath(value: string): string {
  if (!NO_FILES.has(value)) return value;
  throw new InvalidArgumentError(`It names a file or a folder; --format says what a line is. A file: ./${value}`);
}

function isDirectory(name: string): boolean {
  return existsSync(name) && statSync(name).isDirectory();
}

function makeFolder(name: string): void {
  try {
    mkdirSync(name, { recursive: true });
  } catch (cause) {
    throw new TailraceError('config', `cannot make the folder ${name}: ${(cause as Error).message}`, { cause });
  }
}
