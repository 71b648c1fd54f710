/** Senders as a table, with lines below each of them for what went wrong and how to fix it. */

import type { SenderJson } from '../../src/client/senders.ts';
import { type Colors, counted, escapeControls, formatSpan } from './format.ts';
import { clockFault, fixOf } from './sender-fixes.ts';

interface Column {
  readonly title: string;
  readonly isWide?: true;
  readonly isNumber?: true;
  cell(sender: SenderJson, now: number): string;
}

const COLUMNS: readonly Column[] = [
  { title: 'LAST', cell: ({ last_seen: last }, now) => agoText(last, now) },
  { title: 'FROM', cell: ({ address }) => address },
  { title: 'SERVICE', cell: ({ service_names: names }) => listText(names) },
  { title: 'SDK', cell: softwareText },
  { title: 'SIGNALS', cell: ({ signals }) => Object.keys(signals).join(' ') || '-' },
  { title: 'BASIN', cell: ({ basin }) => basin ?? '-' },
  { title: 'ACCEPTED', isNumber: true, cell: ({ accepted }) => numberText(accepted) },
  { title: 'REJECTED', isNumber: true, cell: ({ rejected }) => numberText(rejected) },
  { title: 'REFUSED', isNumber: true, cell: ({ refused }) => numberText(refused) },
  { title: 'ACK P99', isWide: true, isNumber: true, cell: ({ ack_ms: ack }) => ackText(ack?.p99) },
  { title: 'TOKEN', isWide: true, cell: ({ token }) => token ?? '-' },
  { title: 'OVER', isWide: true, cell: ({ protocols, encodings }) => [...protocols, ...encodings].join(' ') },
  { title: 'SINCE', isWide: true, cell: ({ first_seen: first }, now) => agoText(first, now) },
  { title: 'CLOCK', isWide: true, cell: ({ clock_skew_ms: skew }) => skewText(skew) },
  { title: 'STREAMS', isWide: true, cell: ({ streams }) => listText(streams) },
  { title: 'USER-AGENT', isWide: true, cell: ({ user_agent: agent }) => agent ?? '-' },
];

/** More of a User-Agent does not help to tell senders apart. */
const SOFTWARE_CHARS_MAX = 32;

export interface SenderPrinter {
  /** Lines, each with its end. Only the first call with senders has the header; columns keep their widths. */
  print(senders: readonly SenderJson[], now: number): string;
}

export function createSenderPrinter(isWide: boolean, colors: Colors): SenderPrinter {
  const columns = COLUMNS.filter((column) => isWide || column.isWide !== true);
  const widths = columns.map(({ title }) => title.length);
  let hasHeader = false;
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (columns[i]?.isNumber ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return {
    print(senders, now) {
      if (senders.length === 0) return '';
      const rows = senders.map((sender) => ({
        cells: columns.map(({ cell }) => escapeControls(cell(sender, now))),
        details: detailLines(sender, now, colors),
      }));
      for (const { cells } of rows)
        for (const [i, cell] of cells.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
      const header = hasHeader ? [] : [colors.dim(line(columns.map(({ title }) => title)))];
      hasHeader = true;
      return [...header, ...rows.flatMap(({ cells, details }) => [line(cells), ...details])]
        .map((text) => `${text}\n`)
        .join('');
    },
  };
}

/** `12 s ago`, `3 min ago`. */
export function agoText(time: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1_000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

/** `+3 s` when its newest times are ahead of the server, `-2 min` when they are behind. */
function skewText(skewMs: number | null): string {
  if (skewMs === null) return '-';
  const seconds = Math.round(skewMs / 1_000);
  if (seconds === 0) return '0 s';
  return `${seconds < 0 ? '-' : '+'}${formatSpan(Math.abs(seconds))}`;
}

/** `3.2 ms`, `41 ms`, `2.5 s`. */
function ackText(ms: number | undefined): string {
  if (ms === undefined) return '-';
  const [value, unit] = ms < 1_000 ? [ms, 'ms'] : [ms / 1_000, 's'];
  return `${Number(value.toPrecision(2))} ${unit}`;
}

/** Which software sends, as short as it is known: `nodejs 2.8.0`, else the User-Agent. */
export function softwareText({ sdk, user_agent: agent }: SenderJson): string {
  const known = [sdk?.language ?? '', sdk?.version ?? ''].filter((part) => part !== '').join(' ');
  if (known !== '') return known;
  if (agent === null || agent === '') return '-';
  return agent.length <= SOFTWARE_CHARS_MAX ? agent : `${agent.slice(0, SOFTWARE_CHARS_MAX - 1)}…`;
}

function detailLines(sender: SenderJson, now: number, colors: Colors): readonly string[] {
  const rejections = sender.rejections.map(({ count, message, reason, signal }) =>
    colors.yellow(detail(`rejected ${numberText(count)} ${signal ?? ''}: ${message ?? reason}`)),
  );
  const repairs = (sender.repairs ?? []).map(({ count, message, signal }) =>
    colors.yellow(detail(`took ${counted(count, 'time')} in ${signal ?? 'data'}: ${message}`)),
  );
  const refusals = sender.refusals.flatMap((refusal) => {
    const { status, code, message, path, count, last_seen: last } = refusal;
    const times = counted(count, 'time');
    const what = `${status} ${times}, last ${agoText(last, now)}, POST ${path}: ${message ?? code}`;
    return [colors.red(detail(what)), ...fixLine(fixOf(refusal, sender))];
  });
  const skew = sender.clock_skew_ms ?? 0;
  const clock = clockFault(skew);
  const span = formatSpan(Math.abs(Math.round(skew / 1_000)));
  const clockLines =
    clock === undefined
      ? []
      : [
          colors.yellow(detail(`its newest data is ${span} ${clock.behind ? 'behind' : 'ahead of'} this server`)),
          ...fixLine(clock.fix),
        ];
  return [...rejections, ...repairs, ...refusals, ...clockLines];
}

function detail(text: string): string {
  return `  ${escapeControls(text)}`;
}

function fixLine(fix: string | undefined): readonly string[] {
  return fix === undefined ? [] : [`    fix: ${escapeControls(fix)}`];
}

function listText(names: readonly string[]): string {
  return names.join(', ') || '-';
}

function numberText(value: number): string {
  return value.toLocaleString('en-US');
}
