/** A span: what was called, how long it took and how it ended; for language models tokens and the conversation. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import type { Colors } from '../format.ts';
import { addAttributes } from './attributes.ts';
import { addConversation } from './conversation.ts';
import type { StartColumns } from './entry-start.ts';
import { exceptionText, readException } from './exception.ts';
import { fields, joinedLines, listOf, printable, printableLines, someText } from './printable.ts';
import { durationText } from './quantities.ts';
import { failureText, isFailed, spanArrow, spanName, statusCode, tokensText } from './span-facts.ts';
import type { TerminalEntry } from './terminal-entry.ts';
import { clipEnd } from './text-width.ts';

/** A query or an address takes what is left of the line, or so many columns. */
const DETAIL_COLUMNS_MIN = 16;
/** Columns of the trace id with its gap. */
const TRACE_COLUMNS = 11;

export function spanStart(row: MessageRow, colors: Colors): StartColumns {
  return { level: 'SPAN', paint: isFailed(row) ? colors.red : colors.cyan };
}

/** Adds everything but the trace id, which comes last in the main line. */
export function layOutSpan(row: MessageRow, entry: TerminalEntry): void {
  const { colors, main, options } = entry;
  const metadata = fields(row.metadata);
  const name = spanName(row);
  main.say(`${spanArrow(row)} ${name}`);
  addModel(row, name, entry);
  const { durationMs } = row;
  if (typeof durationMs === 'number') {
    main.put(durationText(durationMs), { paint: durationMs > options.slowMs ? colors.yellow : (text) => text });
  }
  const code = statusCode(row, colors);
  if (code !== undefined) main.put(code.text, { paint: code.paint });
  addTokens(row, metadata, entry);
  if (isFailed(row)) main.say(failureText(row), { paint: colors.red });
  addDetail(row, metadata, name, entry);
  addAttributes(main, row, options, colors);
  for (const event of listOf(row.events)) addEvent(fields(event), entry);
  if (options.messages) addConversation(row, metadata, entry);
}

/** The model, when the name of the span does not hold it. */
function addModel(row: MessageRow, name: string, { main }: TerminalEntry): void {
  const model = someText(row.model);
  if (model !== undefined && !name.includes(model)) main.put(printable(model), { gap: ' ' });
}

/** `1,287 → 214 tok  stop`. */
function addTokens(row: MessageRow, metadata: Readonly<Record<string, unknown>>, { main }: TerminalEntry): void {
  const tokens = tokensText(row);
  if (tokens !== undefined) main.put(tokens);
  const reasons = metadata['gen_ai.response.finish_reasons'] ?? metadata['ai.response.finishReason'];
  const texts = [reasons].flat().filter((reason) => someText(reason) !== undefined);
  if (texts.length > 0) main.put(texts.map((reason) => printable(String(reason))).join(', '));
}

/** The query or the address of a call, cut so that the span stays one line where it can. */
function addDetail(
  row: MessageRow,
  metadata: Readonly<Record<string, unknown>>,
  name: string,
  { main, colors, options }: TerminalEntry,
): void {
  const names = row.kind === 'server' ? ['url.path', 'http.target'] : ['url.full', 'http.url'];
  const text = ['db.query.text', 'db.statement', ...names]
    .map((key) => someText(metadata[key]))
    .find((t) => t !== undefined);
  if (text === undefined || name.includes(text)) return;
  const line = joinedLines(text);
  const left = main.left('  ') - (row.traceId === undefined ? 0 : TRACE_COLUMNS);
  main.put(options.wrap ? clipAtWord(line, Math.max(left, DETAIL_COLUMNS_MIN)) : line, { paint: colors.dim });
}

/** Without half a word at its end, where a word is not most of it. */
function clipAtWord(text: string, columns: number): string {
  const clipped = clipEnd(text, columns);
  if (clipped === text) return text;
  const space = clipped.lastIndexOf(' ');
  return space > clipped.length / 2 ? `${clipped.slice(0, space)} …` : clipped;
}

/** An exception; other events are details of the span. */
function addEvent(event: Readonly<Record<string, unknown>>, entry: TerminalEntry): void {
  if (event.name !== 'exception') return;
  const { colors, options } = entry;
  const exception = readException(fields(event.attributes));
  entry.below().say(`⚡ ${exceptionText(exception) ?? 'exception'}`, { paint: colors.red });
  if (options.stack === 'all' && exception.stack !== undefined) entry.quote(printableLines(exception.stack));
}
