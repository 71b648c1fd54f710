/** What a stream holds, in one line for one stream and as a table for several. */

import type { ReaderJson } from '../../src/client/stream-readers.ts';
import type { StreamFiguresJson } from '../../src/model/stream-figures.ts';
import type { Output } from '../print/console.ts';
import { formatTime } from '../print/format.ts';
import { agoText } from '../print/sender.ts';
import type { TableColumn, TableRow } from '../print/table.ts';
import { printable } from '../print/terminal/printable.ts';
import { numberText, quantityText } from '../print/terminal/quantities.ts';
import { textWidth } from '../print/terminal/text-width.ts';

/** What is known of a stream; undefined is what the caller may not know. */
export interface StreamStat {
  readonly uri: string;
  readonly figures: StreamFiguresJson | undefined;
  readonly isDeleting: boolean;
  /** How long records are kept, as text. */
  readonly kept?: string | undefined;
  readonly readers?: readonly ReaderJson[] | undefined;
}

export const STAT_COLUMNS: readonly TableColumn[] = [
  { title: 'STREAM', cut: 'end' },
  { title: 'RECORDS', isNumber: true },
  { title: 'SIZE', isNumber: true },
  { title: 'OLDEST' },
  { title: 'NEWEST' },
  { title: 'RATE', isNumber: true },
];

/** A row of a table; a pipe gets times that do not depend on when it is read. */
export function statRow({ uri, figures, isDeleting }: StreamStat, output: Output, now: number): TableRow {
  const name = isDeleting ? `${uri} [deleting]` : uri;
  if (figures === undefined) return { cells: [name, '-', '-', '-', '-', '-'] };
  const time = (ms: number | null) => timeText(ms, output, now);
  const {
    records,
    metered_bytes: bytes,
    first_timestamp: first,
    last_timestamp: last,
    records_per_second: rate,
  } = figures;
  const cells = [numberText(records), quantityText(bytes, 'By'), time(first), time(last), rateText(rate)];
  return { cells: [isDeleting ? [name, output.colors.red] : name, ...cells] };
}

/** The rows of a line, each as wide as the terminal at most. */
export function statLines(stat: StreamStat, output: Output, now: number): readonly string[] {
  const { colors, isTty } = output;
  const { uri, figures, isDeleting, kept, readers } = stat;
  const label = (name: string, text: string) => [`${name} ${text}`, `${colors.dim(name)} ${printable(text)}`] as const;
  const pieces: (readonly [plain: string, painted: string])[] = [[uri, colors.bold(printable(uri))]];
  if (isDeleting) pieces.push(['[deleting]', colors.red('[deleting]')]);
  if (figures !== undefined) {
    pieces.push(label('records', rangeText(figures)));
    const { first_timestamp: first, last_timestamp: last, metered_bytes: bytes, records } = figures;
    if (records > 0) pieces.push(label('oldest', timeText(first, output, now)));
    if (last !== null) pieces.push(label('newest', timeText(last, output, now)));
    const size = quantityText(bytes, 'By');
    pieces.push([size, size]);
    const rate = rateText(figures.records_per_second);
    if (rate !== '-' && rate !== '0/s') pieces.push([rate, rate]);
  }
  if (kept !== undefined) pieces.push(label('kept', kept));
  if (readers !== undefined) pieces.push(label('readers', readersText(readers)));
  return wrapped(pieces, isTty ? output.columns() : Number.POSITIVE_INFINITY);
}

/** `2.5/s` over the last minute. */
export function rateText(rate: number | null | undefined): string {
  if (rate === undefined || rate === null) return '-';
  return rate === 0 ? '0/s' : `${numberText(rate < 10 ? Number(rate.toFixed(1)) : Math.round(rate))}/s`;
}

/** On a terminal how long ago it was. */
export function timeText(ms: number | null | undefined, { isTty }: Pick<Output, 'isTty'>, now: number): string {
  if (ms === null || ms === undefined || ms <= 0) return '-';
  return isTty ? agoText(formatTime(ms), now) : formatTime(ms);
}

/** `0..20`: the first number and the last one. */
function rangeText({ first_seq_num: first, next_seq_num: next, records }: StreamFiguresJson): string {
  if (records > 0) return `${first}..${next - 1}`;
  return next === 0 ? 'none' : `none (the next one is ${next})`;
}

function readersText(readers: readonly ReaderJson[]): string {
  if (readers.length === 0) return '0';
  const lag = readers.reduce((most, { lag_records: behind }) => Math.max(most, behind), 0);
  return `${readers.length} (lag ${numberText(lag)})`;
}

function wrapped(pieces: readonly (readonly [plain: string, painted: string])[], columns: number): readonly string[] {
  const lines: string[] = [];
  let [line, width] = ['', 0];
  for (const [plain, painted] of pieces) {
    const own = textWidth(plain);
    if (line !== '' && width + 2 + own > columns) {
      lines.push(line);
      [line, width] = [`  ${painted}`, own + 2];
    } else {
      line += line === '' ? painted : `  ${painted}`;
      width += own + (width === 0 ? 0 : 2);
    }
  }
  return [...lines, line];
}
