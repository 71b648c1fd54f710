/** One frame of `top`: lines for a screen of so many rows and columns. Pure. */

import { type Colors, counted } from '../print/format.ts';
import { printable } from '../print/terminal/printable.ts';
import { durationText } from '../print/terminal/quantities.ts';
import { clipEnd, padColumns, textWidth } from '../print/terminal/text-width.ts';
import type { TopServer, TopSnapshot } from './snapshot.ts';
import { chosenIndex, type TopRow, type TopState } from './state.ts';
import { bytesText, rateText, senderTable, streamTable } from './table.ts';

export interface TopSize {
  readonly rows: number;
  readonly columns: number;
}

/** What else there is to say. */
export interface TopTrouble {
  /** Why there is no newer look. */
  readonly lost: string | undefined;
}

const SERVER_LINES_MAX = 2;
const GUTTER = 2;
/** What one sees of the keys, the most useful first. */
const keysOf = ({ table }: TopState): readonly string[] => [
  ...['q quit', '? help', '↑↓ choose', '⏎ tail', table === 'streams' ? 's senders' : 's streams'],
  ...['/ filter', 'r b e n sort', 'p pause'],
];

const HELP = [
  'r  sort by records per second',
  'b  by bytes per second',
  'e  by errors of the last minute; senders by what was rejected',
  'n  by name',
  's  streams, or who sends',
  '↑ ↓ j k PgUp PgDn Home End  choose a row',
  'Enter  tail of that stream, or of what that sender sends; q comes back',
  '/  only names that hold a text; Esc ends that',
  'p  pause',
  'q  quit; Ctrl-Z suspends',
];

/** How many rows of the table show. */
export function pageRows(snapshot: TopSnapshot, { rows, columns }: TopSize): number {
  return Math.max(1, rows - headLines(snapshot, columns).length - 3);
}

export function frameLines(
  snapshot: TopSnapshot,
  state: TopState,
  rows: readonly TopRow[],
  size: TopSize,
  { colors, lost }: { readonly colors: Colors } & TopTrouble,
): readonly string[] {
  const head = headLines(snapshot, size.columns);
  const status = clipEnd(statusText(snapshot, state, rows.length), size.columns);
  const line = lost === undefined ? colors.bold(status) : colors.yellow(clipEnd(printable(lost), size.columns));
  const page = pageRows(snapshot, size);
  const space = size.rows - 2 - head.length;
  const table = state.showsHelp
    ? helpLines(size.columns, space)
    : tableLines(snapshot, state, rows, page, size.columns, colors);
  const body = [...head, line, ...table].slice(0, Math.max(0, size.rows - 1));
  const blank = Array.from({ length: Math.max(0, size.rows - 1 - body.length) }, () => '');
  return [...body, ...blank, colors.dim(packed(keysOf(state), size.columns)[0] ?? '')];
}

/** The header of the table and the page of rows around the chosen one. */
function tableLines(
  { nowMs }: TopSnapshot,
  state: TopState,
  rows: readonly TopRow[],
  page: number,
  columns: number,
  colors: Colors,
): readonly string[] {
  const [streams, senders] = [streamTable(columns - GUTTER), senderTable(columns - GUTTER)];
  const chosen = chosenIndex(rows, state);
  const first = chosen - (chosen % page);
  const header = state.table === 'streams' ? streams.header : senders.header;
  const lines = rows.slice(first, first + page).map((row, i) => {
    const isChosen = first + i === chosen;
    const paint = isChosen ? createPlain(colors) : colors;
    const text = 'stream' in row ? streams.line(row.stream, nowMs, paint) : senders.line(row.sender, nowMs, paint);
    return isChosen ? colors.inverse(padColumns(`> ${text}`, columns)) : `  ${text}`;
  });
  return [colors.dim(`  ${header}`), ...lines];
}

/** Colours within a line that is shown inverse would end that. */
function createPlain(colors: Colors): Colors {
  return { ...colors, red: String, yellow: String };
}

/** The keys of the rows that show. */
export function shownKeys(rows: readonly TopRow[], state: TopState, page: number): ReadonlySet<string> {
  const chosen = chosenIndex(rows, state);
  const first = chosen - (chosen % page);
  return new Set(rows.slice(first, first + page).map(({ key }) => key));
}

/** How to leave it shows on a low terminal too. */
function helpLines(columns: number, space: number): readonly string[] {
  const lines = ['', ...HELP.map((line) => clipEnd(`  ${line}`, columns)), ''];
  return [...lines.slice(0, Math.max(0, space - 1)), clipEnd('  any key goes back', columns)];
}

function statusText(snapshot: TopSnapshot, state: TopState, count: number): string {
  const { table, sort, filter, isTyping, isPaused } = state;
  const total = snapshot[table].length;
  const noun = total === 1 ? table.slice(0, -1) : table;
  const all = `${total}${table === 'streams' && snapshot.hasMoreStreams ? ' or more' : ''} ${noun}`;
  const typing = isTyping ? '_' : '';
  return [
    filter === '' ? all : `${count} of ${all}`,
    `by ${sort}`,
    ...(filter === '' && !isTyping ? [] : [`/${printable(filter)}${typing}`]),
    ...(isPaused ? ['PAUSED'] : []),
    ...(table === 'streams' && snapshot.hasMoreStreams ? ['name a prefix to see others'] : []),
  ].join(' · ');
}

function headLines(snapshot: TopSnapshot, columns: number): readonly string[] {
  const parts = serverParts(snapshot.server, snapshot.nowMs);
  const hidden = snapshot.hidden.map((what) => `not for this token: ${what}`);
  return [
    ...packed(parts, columns).slice(0, SERVER_LINES_MAX),
    ...(hidden.length === 0 ? [] : [clipEnd(hidden.join(' · '), columns)]),
  ];
}

/** What is known of the server. */
export function serverParts(server: TopServer, nowMs: number): readonly string[] {
  const { endpoint, version, startedMs, storeBytes, recordsPerSecond, bytesPerSecond, readers } = server;
  const { memoryBytes, memoryLimitBytes, ackP50Ms, ackP99Ms } = server;
  const isQuiet = startedMs !== undefined && ackP50Ms === undefined;
  const part = <T>(value: T | undefined, text: (value: T) => string) => (value === undefined ? [] : [text(value)]);
  return [
    printable(version === undefined ? endpoint : `${endpoint} ${version}`),
    ...part(startedMs, (ms) => `up ${durationText(Math.max(0, Math.round((nowMs - ms) / 1_000) * 1_000))}`),
    ...part(recordsPerSecond, (rate) => `${rateText(rate)} rec/s`),
    ...part(bytesPerSecond, (rate) => `${bytesText(rate)}/s`),
    ...(isQuiet ? ['ack -'] : []),
    ...part(ackP50Ms, (ms) => `ack p50 ${durationText(ms)}`),
    ...part(ackP99Ms, (ms) => `p99 ${durationText(ms)}`),
    ...part(readers, (count) => counted(count, 'reader')),
    ...part(storeBytes, (bytes) => `store ${bytesText(bytes)}`),
    ...part(memoryBytes, (bytes) => `memory ${bytesText(bytes)} of ${bytesText(memoryLimitBytes)}`),
  ];
}

/** Parts one after the other, on as many lines as they take. */
function packed(parts: readonly string[], columns: number): readonly string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    const joined = last === undefined ? part : `${last}  ${part}`;
    if (last !== undefined && textWidth(joined) <= columns) lines[lines.length - 1] = joined;
    else lines.push(clipEnd(part, columns));
  }
  return lines;
}
