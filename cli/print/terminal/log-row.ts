/** A log record: its message, the exception with it, and its attributes. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import type { Colors } from '../format.ts';
import { addAttributes, addPairs } from './attributes.ts';
import type { StartColumns } from './entry-start.ts';
import { exceptionText, readException } from './exception.ts';
import type { Paint } from './flow.ts';
import { fields, leaves, printable, printableLines, someText, valueText } from './printable.ts';
import type { TerminalEntry } from './terminal-entry.ts';

const PYTHON_STACK = /^Traceback \(most recent call last\):/;

/** The badge of a log record. */
export function logStart(row: MessageRow, colors: Colors): StartColumns {
  const level = someText(row.level) ?? '';
  return { level: level.toUpperCase(), paint: levelPaint(level, colors) };
}

/** Adds everything but the trace id, which comes last in the main line. */
export function layOutLog(row: MessageRow, entry: TerminalEntry): void {
  const { colors, options } = entry;
  const exception = readException(fields(row.metadata));
  const { headline, rest } = bodyLines(row);
  const paint = messagePaint(someText(row.level) ?? '', colors);
  if (typeof row.body === 'object' && row.body !== null && !Array.isArray(row.body)) {
    addPairs(entry.main, leaves(row.body), { ...options, attributes: 'all' }, colors);
  } else {
    entry.main.say(headline, paint === undefined ? {} : { paint });
  }
  const body = someText(row.body) ?? '';
  const cause = exceptionText(exception, body);
  if (cause !== undefined) entry.main.say(cause);
  addAttributes(entry.main, row, options, colors);
  entry.quote(rest);
  const { stack } = exception;
  if (stack !== undefined && !body.includes(stack.trim())) entry.quote(printableLines(stack));
}

/** What a log says, in one line. */
export function logHeadline(row: MessageRow): string {
  const { headline } = bodyLines(row);
  const pairs = typeof row.body === 'object' && row.body !== null && !Array.isArray(row.body) ? leaves(row.body) : [];
  const said =
    pairs.length === 0 ? headline : pairs.map(([key, value]) => `${printable(key)}=${valueText(value)}`).join('  ');
  const cause = exceptionText(readException(fields(row.metadata)), someText(row.body) ?? '');
  return cause === undefined ? said : `${said}  ${cause}`;
}

/** The message, and its other lines. A Python stack says at its end what happened. */
function bodyLines(row: MessageRow): { readonly headline: string; readonly rest: readonly string[] } {
  const { body } = row;
  const name = someText(row.type) ?? someText(fields(row.metadata)['event.name']) ?? '';
  if (body === undefined || body === null || body === '') return { headline: printable(name), rest: [] };
  if (typeof body !== 'string') return { headline: valueText(body), rest: [] };
  const lines = printableLines(body);
  const first = lines.findIndex((line) => line.trim() !== '');
  if (first === -1) return { headline: printable(name), rest: [] };
  const last = lines.at(-1) ?? '';
  if (PYTHON_STACK.test(lines[first] ?? '') && lines.length - first > 1) return { headline: last.trim(), rest: lines };
  return { headline: lines[first] ?? '', rest: lines.slice(first + 1) };
}

/** The colour of a level. */
export function levelPaint(level: string, colors: Colors): Paint | undefined {
  switch (level) {
    case 'fatal':
      return (text) => colors.inverse(colors.red(text));
    case 'error':
      return colors.red;
    case 'warn':
      return colors.yellow;
    case 'info':
      return colors.green;
    case 'debug':
      return colors.dim;
    default:
      return undefined;
  }
}

/** How a message of a level stands out. */
export function messagePaint(level: string, colors: Colors): Paint | undefined {
  if (level === 'fatal' || level === 'error') return colors.bold;
  return level === 'debug' ? colors.dim : undefined;
}
