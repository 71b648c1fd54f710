/** Text of a record as a terminal may have it, and fields of a row whose type only the server knows. */

import { escapeControls, safeJson } from '../format.ts';

/** Colours that an application wrote for its own terminal, and the space that a tab stands for. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const COLOR = /\u001b\[[\d;:]*m/g;
const LINE_END = /\r?\n/;
/** More of one line is not for a screen; -o json has all of it. */
const LINE_CHARS_MAX = 64 * 1024;

export type ShownPair = readonly [key: string, value: unknown];

/** One line, in which no control character is left: colours go, tabs are spaces, all others become visible. */
export function printable(text: string): string {
  const kept = text.length <= LINE_CHARS_MAX ? text : text.slice(0, LINE_CHARS_MAX);
  const cut = text.length - kept.length;
  const line = escapeControls(kept.replace(COLOR, '').replaceAll('\t', '    '));
  return cut === 0 ? line : `${line}… +${cut} characters`;
}

/** The lines of a text, harmless, without empty ones at its end. */
export function printableLines(text: string): readonly string[] {
  const lines = text.split(LINE_END).map(printable);
  while (lines.length > 1 && lines.at(-1)?.trim() === '') lines.pop();
  return lines;
}

/** All lines of a text as one. */
export function joinedLines(text: string): string {
  const lines = printableLines(text).map((line) => line.trim());
  return lines.filter((line) => line !== '').join(' ');
}

/** A value as it stands behind `key=`: in quotes only where one could not tell where it ends. */
export function valueText(value: unknown): string {
  if (typeof value !== 'string') return printable(safeJson(value ?? null));
  if (value.length > LINE_CHARS_MAX) return printable(value);
  return value === '' || /[\s"=]/.test(value) || escapeControls(value) !== value
    ? printable(safeJson(value.replace(COLOR, '')))
    : printable(value);
}

/** The leaves of an object; keys of objects in objects have dots between. */
export function leaves(object: object, prefix = ''): readonly ShownPair[] {
  return Object.entries(object).flatMap(([key, value]): readonly ShownPair[] => {
    const isBranch = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isBranch || Object.keys(value as object).length === 0) return [[prefix + key, value]];
    return leaves(value as object, `${prefix}${key}.`);
  });
}

/** A text that says something, else undefined. */
export function someText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A number, also one that was written as text because JSON has none for it. */
export function someNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** An object with names, else an empty one. */
export function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** A list, else an empty one. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
