/** Text for a terminal. Nothing that came from a record or a server reaches it with control characters in it. */

import picocolors from 'picocolors';
import { jsonText } from '../../src/encoding/json-text.ts';

export type Colors = ReturnType<typeof picocolors.createColors>;
export type ColorChoice = 'auto' | 'always' | 'never';

/** What something is called, and what it is. */
export type LabelledText = readonly [label: string, text: string];

/** C0, DEL, C1, the two Unicode line ends, and what reorders text (bidi controls): each could forge a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** JSON.stringify escapes C0 by itself, and in its output C0 is only our own line end. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const LEVEL = /^\S+ +\[?(trace|debug|info|warn|error|fatal)\d?\]?\b/i;

/** Makes a line harmless: control characters become visible escapes such as \x1b. */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

/** JSON on one line, safe for a terminal and still the same JSON. */
export function safeJson(value: unknown): string {
  return jsonText(value).replace(UNSAFE_IN_JSON, (character) => `\\u${hex(character.charCodeAt(0), 4)}`);
}

/**
 * Whether to colour: `--color` first, then NO_COLOR (no-color.org), then FORCE_COLOR (force-color.org) and CLICOLOR_FORCE,
 * then CLICOLOR (bixense.com/clicolors), then whether it is a terminal.
 */
export function createColors(choice: ColorChoice, isTty: boolean, env: NodeJS.ProcessEnv): Colors {
  return picocolors.createColors(choice === 'always' || (choice === 'auto' && isColored(isTty, env)));
}

function isColored(isTty: boolean, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  // Node and its libraries take FORCE_COLOR without a value as yes, and 0 and false as no.
  const { FORCE_COLOR: forced, CLICOLOR_FORCE: cliForced } = env;
  if (forced === '0' || forced === 'false') return false;
  if (forced !== undefined || (cliForced !== undefined && cliForced !== '' && cliForced !== '0')) return true;
  return isTty && env.CLICOLOR !== '0' && env.TERM !== 'dumb';
}

/** Colours a line of the text view by the level in it. */
export function colorByLevel(line: string, colors: Colors): string {
  return colorOfLevel(LEVEL.exec(line)?.[1] ?? '', line, colors);
}

/** Colours a line by a level. */
export function colorOfLevel(level: string, line: string, colors: Colors): string {
  switch (level.toLowerCase()) {
    case 'fatal':
    case 'error':
      return colors.red(line);
    case 'warn':
      return colors.yellow(line);
    case 'debug':
    case 'trace':
      return colors.dim(line);
    default:
      return line;
  }
}

/** One line for each label, with the texts below one another. */
export function alignedLines(rows: readonly LabelledText[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, text]) => `${label.padEnd(width)}  ${escapeControls(text)}`.trimEnd()).join('\n');
}

/** `1 stream`, `2 streams`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** 1536 → `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [bytes, 0];
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** 604800 → `7d`, 5400 → `1h30m`: seconds as `--retention-policy` takes them. */
export function formatSpan(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const;
  let rest = seconds;
  const parts = units.map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? '' : `${count}${unit}`;
  });
  return parts.join('') || '0s';
}

/** Milliseconds since the epoch as RFC 3339, or a dash for none. */
export function formatTime(timestamp: number): string {
  return timestamp > 0 && timestamp <= 8.64e15 ? new Date(timestamp).toISOString() : '-';
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
