/** `tailrace import`: files that a Collector, S2's command line or `export` wrote, into streams. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { identityHeaders } from '../../src/client/calls.ts';
import { TailraceError } from '../../src/model/error.ts';
import { type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from '../flags/encryption-key.ts';
import { defaultBasin, formatStreamUri, parseBasinName, parseStreamUri, type StreamUri } from '../flags/names.ts';
import { untilInterrupted } from '../follow.ts';
import { quotedWord } from '../go-on.ts';
import { streamOfFile } from '../move/file-name.ts';
import { ImportRun, type ImportStop } from '../move/import-run.ts';
import type { InputPoint } from '../move/input-lines.ts';
import { IMPORT_FORMATS, type ImportFormat } from '../move/line-content.ts';
import {
  expectSamePosition,
  numberIn,
  readPosition,
  type SavedPosition,
  writePosition,
} from '../move/position-file.ts';
import { counted, escapeControls } from '../print/format.ts';
import { type Progress, withProgress } from '../print/progress.ts';

interface ImportCommandOptions extends CommandOptions, KeyOptions {
  readonly stream?: string;
  readonly basin?: string;
  readonly format: ImportFormat;
  readonly skipBad?: boolean;
  readonly positionFile?: string;
}

interface ImportPlan {
  readonly files: readonly string[];
  readonly stream: StreamUri | undefined;
  readonly basin: string | undefined;
  readonly identity: SavedPosition;
  readonly before: SavedPosition | undefined;
}

const COMMAND = 'import';
/** What a folder is searched for; rotated files of a Collector end like the others. */
const IN_FOLDER = /\.(jsonl|json|pb|proto|zst|zstd)(\.gz)?$/;

const EXAMPLES = `
A line is a request as the file exporter of the Collector writes it (logs, traces, metrics, in any order), or a record of
S2. What the exporter writes with \`format: proto\` or \`compression: zstd\` is read too, and so are files in gzip: each
is known by its first bytes. OTLP goes where its s2.stream, or the rules of the server, say; with --stream all of
it goes there, and its resources get that s2.stream. Order is kept.

With --position-file an import that was interrupted or killed goes on where it stopped. Of records of S2 each is then there
exactly once. Of OTLP the last request may be sent again: it is stored once where the basin has --otlp-dedupe-window.

The code is 1 when a line was left out or the server refused an item.

Examples:
  tailrace import my-app.jsonl
  tailrace import otelcol/ --position-file otelcol.position    all .jsonl and .json files there, by name
  zcat old.jsonl.gz | tailrace import - --stream old
  tailrace import exported/my-app.s2.jsonl                     into my-app, as it was exported
  tailrace import records.jsonl --format s2-json --stream copy
  tailrace import my-app.jsonl --skip-bad --json`;

export function addImport(program: Command): void {
  const command = program
    .command('import')
    .summary('store what files hold')
    .description('Stores the lines of files: OTLP as a Collector writes it, what `export` wrote, records of S2.')
    .argument('<files...>', 'files, folders with .jsonl, .json, .pb or .zst files, or - for stdin')
    .option('--stream <stream>', 'all of it goes to this stream')
    .option('--basin <basin>', 'the basin of OTLP (default: that of --stream, or the default basin)')
    .addOption(new Option('--format <format>', 'what a line is').choices(IMPORT_FORMATS).default('auto'))
    .option('--skip-bad', 'leave out lines that cannot be stored, instead of stopping there')
    .option('--position-file <file>', 'where it writes how far it is, and goes on');
  addKeyOption(command).optionsGroup('Output:').option('--json', 'the summary as JSON');
  addConnectionOptions(command.addHelpText('after', EXAMPLES)).action((files: string[], _options, self: Command) =>
    runImport(files, self.optsWithGlobals<ImportCommandOptions>()),
  );
}

async function runImport(names: readonly string[], options: ImportCommandOptions): Promise<void> {
  const signal = untilInterrupted();
  const stream = options.stream === undefined ? undefined : parseStreamUri(options.stream);
  const basin = options.basin === undefined ? streamBasin(options.stream) : parseBasinName(options.basin);
  const files = names.flatMap(filesOf);
  if (options.positionFile !== undefined && files.includes('-')) {
    throw new TailraceError('config', 'stdin has no position to go on from: name a file, or leave out --position-file');
  }
  await callServer(options, stream ?? {}, async (context) => {
    const identity = {
      endpoint: context.client.endpoint,
      stream: stream === undefined ? null : formatStreamUri(stream),
      files: files.map((file) => path.resolve(file)),
    };
    const { positionFile } = options;
    const before = positionFile === undefined ? undefined : readPosition(positionFile, COMMAND);
    if (before !== undefined) expectSamePosition(before, identity, positionFile ?? '');
    const plan = { files, stream, basin, identity, before };
    const { run, error } = await withProgress('import', options, (progress) =>
      importAll(context, options, plan, { signal, progress }),
    );
    if (error === undefined) return report(run, context, options);
    if (options.json === true) await context.print(summaryJson(run), '');
    throw withAdvice(error, run, plan, options);
  });
  if (!signal.aborted) return;
  process.exitCode = EXIT.interrupted;
}

async function importAll(
  context: CallContext,
  options: ImportCommandOptions,
  { files, stream, basin, identity, before }: ImportPlan,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<{ readonly run: ImportRun; readonly error?: unknown }> {
  const key = encryptionKey(options);
  const headers = {
    ...identityHeaders({ endpoint: context.client.endpoint, token: context.token?.value }, basin),
    ...(key === undefined ? {} : { 's2-encryption-key': key }),
  };
  let index = numberIn(before, 'file');
  let point: InputPoint = { line: numberIn(before, 'line'), next: numberIn(before, 'next') };
  const save = () => {
    if (options.positionFile === undefined) return;
    const place = { file: index, line: point.line, next: point.next };
    writePosition(options.positionFile, COMMAND, { ...identity, ...place, expected: Object.fromEntries(run.expected) });
  };
  const onStored = (reached: InputPoint) => {
    point = reached;
    save();
  };
  const shared = { headers, encryptionKey: key, skipBad: options.skipBad === true, signal, onStored, onBegin: save };
  const run = new ImportRun(context, shared, expectedOf(before));
  const sizes = files.map((file) => (file === '-' ? 0 : statSync(file).size));
  const total = files.includes('-') ? undefined : sizes.reduce((sum, size) => sum + size, 0);
  let done = sizes.slice(0, index).reduce((sum, size) => sum + size, 0);
  for (; index < files.length && !signal.aborted; ) {
    const file = files[index] ?? '-';
    const fileStream = streamOfFile(path.basename(file));
    const rules = {
      format: options.format,
      stream,
      streamOfFile: fileStream === undefined ? undefined : { basin: basin ?? defaultBasin(), stream: fileStream },
    };
    progress.about(files.length === 1 ? 'import' : `import ${path.basename(file)} (${index + 1} of ${files.length})`);
    try {
      await run.importFile(file, point, rules, (bytes) => progress.at(done + bytes, total));
    } catch (error) {
      return { run, error };
    }
    if (signal.aborted) break;
    done += sizes[index] ?? 0;
    index += 1;
    point = { line: 0, next: 0 };
    save();
  }
  return { run };
}

async function report(run: ImportRun, { print, reporter }: CallContext, options: ImportCommandOptions): Promise<void> {
  const { refused, badLines } = run.counts;
  const why = reasonsOf(run);
  const [[reason] = []] = why;
  await print(summaryJson(run), escapeControls(`${summaryText(run)}${reason === undefined ? '' : `: ${reason}`}`));
  if (why.length > 1) for (const [text, count] of why.slice(1)) reporter.warn(`${count} times: ${text}`);
  if (options.positionFile !== undefined && refused + badLines > 0)
    reporter.note('the position is behind what was left out');
  if (refused + badLines > 0) process.exitCode = EXIT.failure;
}

/** Adds to an error how much is stored before it, and how to go on. */
function withAdvice(error: unknown, run: ImportRun, { files }: ImportPlan, options: ImportCommandOptions): unknown {
  const { stoppedAt } = run;
  if (!(error instanceof TailraceError) || stoppedAt === undefined) return error;
  const lines = [
    error.message,
    `  stored before it: ${escapeControls(summaryText(run))}`,
    `  to go on: ${escapeControls(goOnText(stoppedAt, files, options))}`,
  ];
  return new TailraceError(error.code, lines.join('\n'), { detail: error.detail, cause: error });
}

function goOnText(
  { file, isBad, goOn, isMessage }: ImportStop,
  files: readonly string[],
  { positionFile }: ImportCommandOptions,
): string {
  const thing = isMessage ? 'message' : 'line';
  if (positionFile !== undefined) {
    return `run it again${isBad ? `, with the ${thing} corrected or with --skip-bad` : ''}: it begins at this ${thing}`;
  }
  const from = isMessage ? `-c +${goOn.next + 1}` : `-n +${goOn.line + 1}`;
  if (file === '-') return `run it again with what comes behind \`tail ${from}\``;
  const name = quotedWord(file);
  const part = file.endsWith('.gz') ? `zcat ${name} | tail ${from}` : `tail ${from} ${name}`;
  const rest = files.length - files.indexOf(file) - 1;
  const more = rest === 0 ? '' : `, then the ${counted(rest, 'file')} after it`;
  return `${part} | tailrace import - with the same flags${more} (--position-file keeps the place)`;
}

function reasonsOf({ counts }: ImportRun): readonly (readonly [reason: string, count: number])[] {
  return [...counts.reasons].sort(([, a], [, b]) => b - a);
}

function summaryJson(run: ImportRun) {
  const { items, refused, badLines, streams } = run.counts;
  const { stoppedAt } = run;
  return {
    items,
    streams: [...streams].filter((stream) => stream !== undefined).sort(),
    has_other_streams: streams.has(undefined),
    refused,
    bad_lines: badLines,
    reasons: reasonsOf(run).map(([reason, count]) => ({ reason, count })),
    ...(stoppedAt === undefined ? {} : { stopped_at: { file: stoppedAt.file, line: stoppedAt.line } }),
  };
}

function summaryText({ counts }: ImportRun): string {
  const { items, refused, badLines, streams } = counts;
  const named = [...streams].filter((stream) => stream !== undefined);
  const routed = streams.has(undefined);
  const where = routed
    ? `${named.length === 0 ? '' : `${counted(named.length, 'stream')} and `}streams that the server chose`
    : counted(named.length, 'stream');
  const parts = [
    `${grouped(items, 'item')} in ${where}`,
    ...(refused === 0 ? [] : [`${grouped(refused, 'item')} refused`]),
    ...(badLines === 0 ? [] : [`${grouped(badLines, 'line')} left out`]),
  ];
  return parts.join(', ');
}

/** `12,345 items`. */
function grouped(count: number, noun: string): string {
  return counted(count, noun).replace(/^\d+/, (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ','));
}

/** Only a basin that was named goes into a header: the server knows its default one. */
function streamBasin(stream: string | undefined): string | undefined {
  return stream?.startsWith('s2://') ? parseStreamUri(stream).basin : undefined;
}

function expectedOf(before: SavedPosition | undefined): ReadonlyMap<string, number> {
  const expected = before?.expected;
  const entries = typeof expected === 'object' && expected !== null ? Object.entries(expected) : [];
  return new Map(entries.flatMap(([name, value]) => (typeof value === 'number' ? [[name, value] as const] : [])));
}

/** A folder is its files, by name, which is how a Collector's rotated files follow each other. */
function filesOf(name: string): readonly string[] {
  if (name === '-') return [name];
  if (!existsSync(name)) throw new TailraceError('config', `there is no file ${name}`);
  if (!statSync(name).isDirectory()) return [name];
  const files = readdirSync(name)
    .filter((file) => IN_FOLDER.test(file))
    .sort();
  if (files.length > 0) return files.map((file) => path.join(name, file));
  throw new TailraceError('config', `there is no .jsonl, .json, .pb or .zst file in ${name}`);
}
