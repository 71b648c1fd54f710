/** `tailrace ls`: which basins there are, or which streams a basin has, what each holds and when it last got a record. */

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
import { escapeControls, safeJson } from '../print/format.ts';
import { withNearest } from '../print/suggest.ts';
import { createTable, type TableCell, type TableColumn, type TableRow } from '../print/table.ts';
import { numberText, quantityText } from '../print/terminal/quantities.ts';
import { rateText, timeText } from '../stat/stat-line.ts';

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
  tailrace ls s2://telemetry            its streams: records, size, when the last one came, how many come in a second
  tailrace ls -l s2://telemetry         also their numbers, the oldest record, and when the stream was made
  tailrace ls s2://telemetry/web-       the streams whose names start with web-
  tailrace ls s2://telemetry --json     one JSON object a line`;

export function addLs(program: Command): void {
  const command = program
    .command('ls')
    .summary('list basins, or the streams of a basin')
    .description('Lists basins, or the streams of a basin with their records, size, last record and rate.')
    .argument('[basin]', 's2://basin or s2://basin/prefix')
    .option('-l, --long', 'of streams also their numbers, oldest record and age')
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
  const table = createTable([...(options.long === true ? LONG_COLUMNS : COLUMNS), NAME_COLUMN], output);
  let page: StreamEntry[] = [];
  let listed = 0;
  const flush = async () => {
    const rows = await Promise.all(page.map((entry) => lookAt(connection, basin, entry)));
    const lines = table.lines(rows.map((row) => tableRow(row, output, options))).map((line) => `${line}\n`);
    await output.write(options.json === true ? jsonLines(rows, basin) : lines.join(''));
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

const COLUMNS: readonly TableColumn[] = [
  { title: 'RECORDS', isNumber: true },
  { title: 'SIZE', isNumber: true },
  { title: 'LAST' },
  { title: 'RATE', isNumber: true },
];
const LONG_COLUMNS: readonly TableColumn[] = [
  ...COLUMNS,
  { title: 'NUMBERS', isNumber: true },
  { title: 'OLDEST' },
  { title: 'CREATED' },
];
const NAME_COLUMN: TableColumn = { title: 'STREAM', cut: 'end' };

function tableRow({ uri, tail, entry }: ListedStream, output: Output, { long }: LsOptions): TableRow {
  const { figures, deletedAt, createdAt } = entry;
  const time = (ms: number | null | undefined): TableCell => [timeText(ms, output, Date.now()), output.colors.green];
  const known = figures === undefined ? ['-', '-'] : [numberText(figures.records), sizeText(figures.metered_bytes)];
  const more = long === true ? [numbersText(figures), time(figures?.first_timestamp), time(createdMs(createdAt))] : [];
  const name: TableCell = deletedAt === undefined ? uri : [`${uri} [deleting]`, output.colors.red];
  return { cells: [...known, time(tail?.timestamp), rateText(figures?.records_per_second), ...more, name] };
}

/** `0..20`: the first number and the last one. */
function numbersText(figures: StreamEntry['figures']): string {
  if (figures === undefined || figures.records === 0) return '-';
  return `${figures.first_seq_num}..${figures.next_seq_num - 1}`;
}

function sizeText(bytes: number): string {
  return quantityText(bytes, 'By');
}

function createdMs(createdAt: string | undefined): number | undefined {
  return createdAt === undefined ? undefined : Date.parse(createdAt);
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
