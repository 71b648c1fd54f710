/** The flags that say which records `tail` and `read` show. All of them become one filter, which the server evaluates. */

import { type Command, InvalidArgumentError } from 'commander';
import { nearest } from '../../src/encoding/nearest.ts';
import { TailraceError } from '../../src/model/error.ts';
import { LEVELS } from '../../src/model/filter.ts';
import { collect, wholeNumber } from './arguments.ts';

export interface FilterFlags {
  readonly filter?: readonly string[];
  readonly where?: readonly string[];
  readonly level?: string;
  readonly service?: readonly string[];
  readonly grep?: readonly string[];
  readonly regexp?: readonly string[];
  readonly context?: number;
  readonly afterContext?: number;
  readonly beforeContext?: number;
}

/** How many records around each one that is wanted. */
export interface ContextSize {
  readonly before: number;
  readonly after: number;
}

/** More around one record is a read of its own: `read -s`. */
const CONTEXT_MAX = 500;

export function addFilterFlags(command: Command): Command {
  return command
    .optionsGroup('Which records (each flag leaves fewer):')
    .option('--level <level>', `logs of this level and above: ${LEVELS.join(', ')}; or only these: warn,fatal`, level)
    .option('--service <names>', 'of this service, or one of several: shop,payments', names)
    .option('--grep <text>', 'with this text in any field, or /regular expression/ (repeatable)', collect)
    .option('--regexp <pattern>', 'the same without the slashes (repeatable)', collect)
    .option('--where <conditions>', 'that meet them, such as "attr.retry>2 status=error" (repeatable)', collect)
    .option('--filter <conditions>', 'the same as --where', collect)
    .option('-C, --context <count>', 'also so many records around each one, of the same stream', contextCount)
    .option('-B, --before-context <count>', 'so many before it', contextCount)
    .option('-A, --after-context <count>', 'so many after it', contextCount);
}

/** The filter in the grammar of the server; undefined for all records. */
export function filterOf(flags: FilterFlags): string | undefined {
  const terms = [
    ...(flags.level === undefined ? [] : [flags.level]),
    ...(flags.service === undefined ? [] : [serviceTerm(flags.service)]),
    ...(flags.grep ?? []).map(grepTerm),
    ...(flags.regexp ?? []).map((pattern) => `text~${slashed(pattern)}`),
    ...(flags.where ?? []),
    ...(flags.filter ?? []),
  ];
  return terms.length === 0 ? undefined : terms.join(' ');
}

/** Undefined where nothing around a record is asked for. @throws TailraceError `config` without a filter */
export function contextOf(flags: FilterFlags): ContextSize | undefined {
  const { context = 0, beforeContext: before = context, afterContext: after = context } = flags;
  if (before === 0 && after === 0) return undefined;
  if (filterOf(flags) !== undefined) return { before, after };
  throw new TailraceError('config', '-C, -B and -A show what is around records: say which, by --grep, --level …');
}

function level(text: string): string {
  const words = text.toLowerCase().split(',');
  for (const word of words) {
    if (LEVELS.some((known) => known === word)) continue;
    const [near] = nearest(word, LEVELS);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw new InvalidArgumentError(`It must be one of ${LEVELS.join(', ')}${hint}`);
  }
  return words.length === 1 ? `level>=${words[0]}` : `level=${words.join(',')}`;
}

function names(text: string): readonly string[] {
  const all = text.split(',').map((name) => name.trim());
  if (all.every((name) => name !== '')) return all;
  throw new InvalidArgumentError('It must be names with commas between, such as shop,payments.');
}

function contextCount(text: string): number {
  const count = wholeNumber(text);
  if (count <= CONTEXT_MAX) return count;
  throw new InvalidArgumentError(`It must be ${CONTEXT_MAX} at most; \`read -s\` shows more of a stream.`);
}

/** One name by itself lets the server pass over blocks without it. */
function serviceTerm(services: readonly string[]): string {
  const [only = '', second] = services;
  if (second === undefined) return `service=${JSON.stringify(only)}`;
  return `service~${slashed(`^(${services.map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})$`)}`;
}

function grepTerm(text: string): string {
  if (text === '') throw new TailraceError('config', '--grep is empty: give the text to look for');
  if (/^\/.+\/i?$/s.test(text)) {
    const end = text.lastIndexOf('/');
    return `text~${slashed(text.slice(1, end))}${text.slice(end + 1)}`;
  }
  return `text~${JSON.stringify(text)}`;
}

/** Between slashes, of which those inside are escaped. */
function slashed(pattern: string): string {
  if (pattern === '') throw new TailraceError('config', '--regexp is empty: give the pattern to look for');
  return `/${pattern.replace(/\\.|\//gs, (part) => (part === '/' ? '\\/' : part))}/`;
}
