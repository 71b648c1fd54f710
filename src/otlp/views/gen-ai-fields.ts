/**
 * The columns about calls of language models in the `message` view. An attribute that is shown whole in a column leaves
 * `metadata`; every other one stays there, also one whose value does not fit its column.
 */

import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  NINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  ZERO,
} from '../../encoding/json-characters.ts';
import { RECORD_METERED_BYTES_MAX } from '../../model/limits.ts';
import { type Alias, GEN_AI_ALIASES, type GenAiColumn } from './gen-ai-aliases.ts';
import type { RecordRow } from './row.ts';
import type { JsonObject, JsonValue } from './values.ts';

/** Beyond this depth messages stay text, so that no writer of JSON runs out of stack. */
const NESTING_MAX = 100;
/** Numbers of more digits lose some of them in JavaScript. */
const DIGITS_MAX = 15;
const DIGITS = /^\d{1,15}$/;
/** Of JSON that is longer than an S2 record; what fits into one has no more than its bytes. */
const VALUES_MAX = 100_000;
const COLUMNS = Object.entries(GEN_AI_ALIASES) as [GenAiColumn, readonly Alias[]][];
const PREFIXES = ['gen_ai.', 'ai.', 'openinference.', 'traceloop.'];

/** What a column takes of an attribute's value; undefined when it does not fit. */
export const TAKES: Readonly<Record<GenAiColumn, (value: JsonValue, words: Alias['words']) => JsonValue | undefined>> =
  {
    spanType: (value, words) => words?.get(value) ?? text(value),
    llmSystem: text,
    model: text,
    inputTokens: count,
    outputTokens: count,
    cacheReadTokens: count,
    cacheCreateTokens: count,
    costMicrocents: cost,
    input: content,
    output: content,
  };

/** The row with these columns, or the same row when nothing of it gives one. */
export function withGenAiFields(row: RecordRow): RecordRow {
  const metadata = row.metadata as JsonObject | undefined;
  if (metadata === undefined || !Object.keys(metadata).some(mayCount)) return row;
  const columns: Partial<Record<GenAiColumn, JsonValue>> = {};
  const rest = Object.assign(Object.create(null) as Record<string, JsonValue | undefined>, metadata);
  for (const [column, aliases] of COLUMNS) {
    for (const alias of aliases) {
      const given = metadata[alias.key];
      if (given === undefined || (alias.beside !== undefined && metadata[alias.beside] === undefined)) continue;
      const value = TAKES[column](given, alias.words);
      if (value === undefined) continue;
      columns[column] = value;
      if (alias.words === undefined || value === given) delete rest[alias.key];
      break;
    }
  }
  return { ...row, metadata: rest, ...columns };
}

function mayCount(key: string): boolean {
  return PREFIXES.some((prefix) => key.startsWith(prefix));
}

function text(value: JsonValue): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Some senders write numbers as text. */
function count(value: JsonValue): number | undefined {
  const number = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value;
  return typeof number === 'number' && number >= 0 ? number : undefined;
}

/** A millionth of what the attribute counts; digits behind the sixth are noise of the multiplication. */
function cost(value: JsonValue): number | undefined {
  const amount = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof amount !== 'number' || !Number.isFinite(amount)) return undefined;
  const micro = amount * 1e6;
  return Math.abs(micro) < 1e15 ? Number(micro.toFixed(6)) : micro;
}

/** Messages: as JSON where they are, else as the text that they are. */
function content(value: JsonValue): JsonValue | undefined {
  if (typeof value !== 'string') return value ?? undefined;
  if (value === '') return undefined;
  if (!/^\s*[[{]/.test(value) || !isPlain(value)) return value;
  try {
    return JSON.parse(value) as JsonValue;
  } catch {
    return value;
  }
}

/**
 * Whether JSON keeps what this JSON says: no number loses digits, and it is not too deep to be written again. And whether a
 * long one has so few values that it is parsed in a moment.
 */
function isPlain(json: string): boolean {
  let depth = 0;
  let values = json.length > RECORD_METERED_BYTES_MAX ? 0 : Number.NEGATIVE_INFINITY;
  let digits = 0;
  let isString = false;
  for (let i = 0; i < json.length; i++) {
    const unit = json.charCodeAt(i);
    if (isString) {
      if (unit === BACKSLASH) i++;
      else if (unit === QUOTE) isString = false;
      continue;
    }
    digits = unit >= ZERO && unit <= NINE ? digits + 1 : 0;
    if (unit === QUOTE) isString = true;
    else if (unit === OPEN_BRACKET || unit === OPEN_BRACE) depth++;
    else if (unit === CLOSE_BRACKET || unit === CLOSE_BRACE) depth--;
    else if (unit === COMMA) values++;
    if (depth > NESTING_MAX || digits > DIGITS_MAX || values > VALUES_MAX) return false;
  }
  return true;
}
