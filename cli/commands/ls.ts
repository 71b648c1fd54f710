/** `tailrace ls`: which basins there are, or which streams a basin has, how long each is and when it last got a record. */

import type { Command } from 'commander';
import type { StreamEntry } from '../../src/client/control.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { Position } from '../../src/model/position.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  connect,
  explain,
  type ServerConnection,
} from '../flags/connection.ts';
import { formatStreamUri, parseBasinUri } from '../flags/names.ts';
import { createReporter, type Output, openOutput, type ReporterOptions, watchPipe } from '../print/console.ts';
import { escapeControls, formatBytes, formatTime, safeJson } from '../print/format.ts';
import { withNearest } from '../print/suggest.ts';

interface LsOptions extends ConnectionOptions, ReporterOptions {
  readonly long?: boolean;
  readonly json?: boolean;
}

interface ListedStream {
  readonly uri: string;
  readonly entry: StreamEntry;
  /** Undefined for a stream that was deleted since it was listed, or that the caller may not read. */
  readonly tail: Position | undefined;
}

/** Tails are asked for this many at a time. */
const PAGE_STREAMS = 100;

const EXAMPLES = `
Examples:
  tailrace ls                           the basins
  tailrace ls s2://telemetry            its streams: tail, time of the last record, name
  tailrace ls -l s2://telemetry         also how many records and bytes, and how many come in a second
  tailrace ls s2://telemetry/web-       the streams whose names start with web-
  tailrace ls s2://telemetry --json     one JSON object a line`;

export function addLs(program: Command): void {
  const command = program
    .command('ls')
    .summary('list basins, or the streams of a basin')
    .description('Lists basins, or the streams of a basin with their tail and the time of their last record.')
    .argument('[basin]', 's2://basin or s2://basin/prefix')
    .option('-l, --long', 'of streams also records, bytes and rate')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((basin: string | undefined, _options, self: Command) =>
    ls(basin, self.optsWithGlobals<LsOptions>()),
  );
}

async function ls(name: string | undefined, options: LsOptions): Promise<void> {
  const connection = connect(options);
  const output = await openOutput(undefined, options);
  watchPipe();
  try {
    if (name === undefined) await listBasins(connection, output, options);
    else await listStreams(connection, parseBasinUri(name), output, options);
  } catch (error) {
    const basin = name === undefined ? undefined : parseBasinUri(name).basin;
    throw explain(await withNearest(error, connection.client, { basin }), connection);
  }
  await output.end();
}

async function listBasins(connection: ServerConnection, output: Output, options: LsOptions): Promise<void> {
  let only: string | undefined;
  for await (const { name, createdAt } of connection.client.listBasins()) {
    only ??= name;
    const line =
      options.json === true ? safeJson({ name, created_at: createdAt ?? null }) : `s2://${escapeControls(name)}`;
    await output.write(`${line}\n`);
  }
  if (only !== undefined && options.json !== true) {
    createReporter(options).note(`\`tailrace ls s2://${only}\` lists the streams of ${only}`);
  }
}

async function listStreams(
  connection: ServerConnection,
  { basin, prefix }: { basin: string; prefix: string },
  output: Output,
  options: LsOptions,
): Promise<void> {
  let page: StreamEntry[] = [];
  let listed = 0;
  const flush = async () => {
    const rows = await Promise.all(page.map((entry) => lookAt(connection, basin, entry)));
    await output.write(textOf(rows, basin, output, options));
    listed += rows.length;
    page = [];
  };
  for await (const entry of connection.client.listStreams({ basin, prefix, figures: true })) {
    page.push(entry);
    if (page.length === PAGE_STREAMS) await flush();
  }
  if (page.length > 0) await flush();
  if (listed === 0)
    createReporter(options).note(`no streams${prefix === '' ? '' : ` with the prefix ${prefix}`} in ${basin}`);
}

async function lookAt(connection: ServerConnection, basin: string, entry: StreamEntry): Promise<ListedStream> {
  const uri = formatStreamUri({ basin, stream: entry.name });
  const { figures } = entry;
  if (figures !== undefined) {
    return { uri, entry, tail: { seqNum: figures.next_seq_num, timestamp: figures.last_timestamp ?? 0 } };
  }
  // A server of an older version gives none.
  try {
    return { uri, entry, tail: await connection.client.checkTail(entry.name, { basin }) };
  } catch (error) {
    const gone = error instanceof TailraceError && GONE.has(error.code);
    if (!gone) throw error;
    return { uri, entry, tail: undefined };
  }
}

const GONE: ReadonlySet<string> = new Set(['stream_not_found', 'stream_deletion_pending', 'permission_denied']);

function textOf(rows: readonly ListedStream[], basin: string, output: Output, { json, long }: LsOptions): string {
  if (json === true) return jsonLines(rows, basin);
  return long === true ? longLines(rows, output) : textLines(rows, output);
}

function textLines(rows: readonly ListedStream[], output: Output): string {
  const width = Math.max(...rows.map(({ tail }) => String(tail?.seqNum ?? '-').length), 8);
  return rows
    .map(({ uri, tail, entry }) => {
      const deleted = entry.deletedAt === undefined ? '' : output.colors.red(' [deleting]');
      const count = String(tail?.seqNum ?? '-').padStart(width);
      const last = formatTime(tail?.timestamp ?? 0).padEnd(24);
      return `${count}  ${output.colors.green(last)}  ${escapeControls(uri)}${deleted}\n`;
    })
    .join('');
}

/** The columns of `-l`, with a header for each page. */
function longLines(rows: readonly ListedStream[], output: Output): string {
  const cells = rows.map(({ uri, tail, entry: { figures, deletedAt } }) => [
    String(figures?.records ?? '-'),
    figures === undefined ? '-' : formatBytes(figures.metered_bytes),
    formatTime(tail?.timestamp ?? 0),
    rateText(figures?.records_per_second),
    escapeControls(uri) + (deletedAt === undefined ? '' : output.colors.red(' [deleting]')),
  ]);
  const all = [['records', 'bytes', 'last record', 'rate', 'stream'], ...cells];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string => {
    const [records = '', bytes = '', last = '', rate = '', stream = ''] = row;
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = widths;
    return `${records.padStart(w0)}  ${bytes.padStart(w1)}  ${last.padEnd(w2)}  ${rate.padStart(w3)}  ${stream}\n`;
  };
  return all.map(line).join('');
}

/** Records per second over the last minute. */
function rateText(rate: number | null | undefined): string {
  return rate === undefined || rate === null ? '-' : `${rate.toFixed(1)}/s`;
}

function jsonLines(rows: readonly ListedStream[], basin: string): string {
  return rows
    .map(({ entry, tail }) => {
      const { figures = null } = entry;
      const position = tail === undefined ? null : { seq_num: tail.seqNum, timestamp: tail.timestamp };
      const { name: stream, createdAt, deletedAt } = entry;
      return `${safeJson({ basin, stream, tail: position, created_at: createdAt ?? null, deleted_at: deletedAt ?? null, figures })}\n`;
    })
    .join('');
}
