/** Small JSON texts as values: bodies of the control plane and the S2-Stream-Config header. */

import { BACKSLASH, QUOTE } from '../encoding/json-characters.ts';

const MAYBE_NOT_WHOLE = /\d[.eE]|-/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * The value of a JSON text. A number that is not written as a whole one (`1.0`, `1e3`, `-0`) becomes one that is not
 * whole, so that checks refuse it: all numbers here must be whole. Nesting costs no stack.
 * @throws SyntaxError
 */
export function parseJsonValue(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return MAYBE_NOT_WHOLE.test(text) ? JSON.parse(withoutFractions(text)) : value;
}

/** The text is valid JSON, so whatever looks like a number outside of strings is one. */
function withoutFractions(text: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let quote = text.indexOf('"'); quote >= 0; quote = text.indexOf('"', from)) {
    const end = endOfString(text, quote);
    parts.push(text.slice(from, quote).replace(NUMBER, wholeOrWrong), text.slice(quote, end));
    from = end;
  }
  parts.push(text.slice(from).replace(NUMBER, wholeOrWrong));
  return parts.join('');
}

function wholeOrWrong(number: string): string {
  return /^\d+$/.test(number) ? number : '-0.5';
}

/** The position after the closing quote. */
function endOfString(text: string, quote: number): number {
  let at = quote + 1;
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) at += code === BACKSLASH ? 2 : 1;
  return at + 1;
}
