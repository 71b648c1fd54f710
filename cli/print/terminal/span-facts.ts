/** What one can say of a span in a few words: its direction, whether it failed and why, its status code, its tokens. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import type { Colors } from '../format.ts';
import type { Paint } from './flow.ts';
import { fields, joinedLines, printable, someNumber, someText } from './printable.ts';
import { numberText } from './quantities.ts';

/** The direction of a call, seen from the service. */
const ARROWS: Readonly<Record<string, string>> = { server: '▸', consumer: '▸', client: '◂', producer: '◂' };

/** `▸ POST /checkout`, where a span has a name. */
export function spanName(row: MessageRow): string {
  return printable(someText(row.type) ?? '(no name)');
}

export function spanArrow(row: MessageRow): string {
  return ARROWS[String(row.kind)] ?? '·';
}

export function isFailed(row: MessageRow): boolean {
  return fields(row.status).code === 'error';
}

/** `✗ timed out`. */
export function failureText(row: MessageRow): string {
  const message = someText(fields(row.status).message) ?? someText(fields(row.metadata)['error.type']) ?? '';
  return `✗ ${joinedLines(message)}`.trimEnd();
}

/** The status code of HTTP in its colour. */
export function statusCode(
  row: MessageRow,
  colors: Colors,
): { readonly text: string; readonly paint: Paint } | undefined {
  const metadata = fields(row.metadata);
  const code = metadata['http.response.status_code'] ?? metadata['http.status_code'];
  const number = someNumber(code);
  return number === undefined ? undefined : { text: printable(String(code)), paint: statusPaint(number, colors) };
}

function statusPaint(code: number, colors: Colors): Paint {
  if (code >= 500) return colors.red;
  if (code >= 400) return colors.yellow;
  return code >= 300 ? colors.cyan : colors.green;
}

/** `1,287 → 214 tok`. */
export function tokensText(row: MessageRow): string | undefined {
  const metadata = fields(row.metadata);
  const input = someNumber(row.inputTokens ?? metadata['gen_ai.usage.input_tokens']);
  const output = someNumber(row.outputTokens ?? metadata['gen_ai.usage.output_tokens']);
  if (input === undefined && output === undefined) return undefined;
  const sides = [input, ...(output === undefined ? [] : [output])];
  return `${sides.map((count) => (count === undefined ? '?' : numberText(count))).join(' → ')} tok`;
}
