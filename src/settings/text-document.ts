/**
 * YAML and JSON files that people write: configuration, and what is declared. Reads one within limits, and knows the line of
 * each value, so that messages can name it.
 */

import { createReadStream } from 'node:fs';
import type { Document, LineCounter, Node, Pair, YAMLError } from 'yaml';
import { TailraceError } from '../model/error.ts';
import { DOCUMENT_ALIASES_MAX, DOCUMENT_BYTES_MAX } from '../model/limits.ts';

/** Keys and indices from the top of a document down to a value in it. */
export type DocumentPath = readonly (string | number)[];

/** The content of a file. */
export interface TextDocument {
  /** The file, for messages. */
  readonly name: string;
  /** Null when the file is empty. */
  readonly value: unknown;
  /** `name:line:column` of a value, or of its key; of what is around it when it is not there itself. */
  place(path: DocumentPath, part?: 'key' | 'value'): string;
  /** Counted from 1. */
  line(path: DocumentPath): number;
}

/** The name of the file that stands for the standard input. */
export const STDIN = '-';

/**
 * Reads a file, or the standard input.
 * @throws TailraceError `config` with the line and column of each fault
 */
export async function readDocument(file: string): Promise<TextDocument> {
  return parseDocument(file === STDIN ? 'stdin' : file, await readText(file));
}

/** @throws TailraceError `config` with the line and column of each fault */
export async function parseDocument(name: string, text: string): Promise<TextDocument> {
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const place = (offset: number) => placeAt(name, lines, offset);
  try {
    const document = yaml.parseDocument(text, { ...OPTIONS, lineCounter: lines });
    const wrong = [...document.errors, ...document.warnings];
    if (wrong.some(({ message }) => message.startsWith(STACK_FULL))) throw new RangeError(STACK_FULL);
    const faults = wrong.map((fault) => describe(fault, place));
    if (faults.length === 0) faults.push(...keyFaults(yaml, document, place));
    if (faults.length > 0) throw documentRefusal(faults);
    const value: unknown = document.toJS({ maxAliasCount: DOCUMENT_ALIASES_MAX });
    const offset = (path: DocumentPath, part: 'key' | 'value') => offsetOf(yaml, document, path, part);
    return {
      name,
      value,
      place: (path, part = 'value') => place(offset(path, part)),
      line: (path) => lines.linePos(offset(path, 'key')).line,
    };
  } catch (error) {
    if (error instanceof TailraceError) throw error;
    throw new TailraceError('config', `${name}: ${wholeFault(error)}`, { cause: error });
  }
}

/** Numbers, booleans and null as in YAML 1.2; everything else is text. */
const OPTIONS = {
  version: '1.2',
  schema: 'core',
  prettyErrors: false,
  stringKeys: true,
  // Keys are compared below: the library does it for each pair of them.
  uniqueKeys: false,
  logLevel: 'error',
} as const;

/** How the engine says that a recursion was too deep; the library passes it on as a fault of the text. */
const STACK_FULL = 'Maximum call stack size exceeded';
const FAULTS_SHOWN_MAX = 20;

const FAULTS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab indents this line: YAML is indented with spaces',
  MULTIPLE_DOCS: 'a second document begins here: keep one, and take out the line `---`',
  BAD_ALIAS: 'this alias has no anchor before it',
  NON_STRING_KEY: 'this key is not text',
};

/** The error for the faults of a document: a line for each of the first ones. */
export function documentRefusal(faults: readonly string[]): TailraceError {
  const more = faults.length - FAULTS_SHOWN_MAX;
  const shown = faults.slice(0, FAULTS_SHOWN_MAX);
  return new TailraceError('config', [...shown, ...(more > 0 ? [`and ${more} more faults`] : [])].join('\n'));
}

function describe({ code, message, pos: [offset] }: YAMLError, place: (offset: number) => string): string {
  // What the library says quotes the text, with its line breaks.
  return `${place(offset)}: ${FAULTS[code] ?? message.replace(/\s+/g, ' ')}`;
}

/** What is wrong with a document as a whole: its aliases, or its depth. */
function wholeFault(error: unknown): string {
  if (error instanceof RangeError) return 'it is nested too deeply';
  if (error instanceof ReferenceError && error.message.startsWith('Excessive alias count')) {
    return `its aliases stand for more than ${DOCUMENT_ALIASES_MAX} copies of what their anchors name: write fewer of them`;
  }
  return `it cannot be read: ${String(error)}`;
}

/** Keys that are there twice, those that only older YAML has, and aliases of nothing. */
function keyFaults(yaml: typeof import('yaml'), document: Document, place: (offset: number) => string): string[] {
  const faults: string[] = [];
  yaml.visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) === undefined) faults.push(`${place(startOf(alias))}: ${FAULTS.BAD_ALIAS}`);
    },
    Map: (_key, { items }) => {
      const seen = new Set<string>();
      for (const { key } of items) {
        const name = nameOf(yaml, key);
        const here = place(startOf(key));
        if (name === '<<') faults.push(`${here}: merge keys (<<) are not taken: write the fields out`);
        if (seen.has(name)) faults.push(`${here}: ${JSON.stringify(name)} is there twice: keep one of them`);
        seen.add(name);
      }
    },
  });
  return faults;
}

function offsetOf(yaml: typeof import('yaml'), document: Document, path: DocumentPath, part: 'key' | 'value'): number {
  let found: { readonly key: unknown; readonly value: unknown } = { key: document.contents, value: document.contents };
  for (const step of path) {
    const inner = yaml.isAlias(found.value) ? found.value.resolve(document) : found.value;
    const next = yaml.isMap(inner)
      ? (inner.items as readonly Pair[]).find(({ key }) => nameOf(yaml, key) === String(step))
      : yaml.isSeq(inner)
        ? { key: inner.items[Number(step)], value: inner.items[Number(step)] }
        : undefined;
    if (next === undefined) break;
    found = next;
  }
  return startOf(part === 'key' ? found.key : (found.value ?? found.key));
}

function nameOf(yaml: typeof import('yaml'), key: unknown): string {
  return String(yaml.isScalar(key) ? key.value : key);
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

function placeAt(name: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${name}:${Math.max(1, line)}:${Math.max(1, col)}`;
}

/** Reads as much as a document may have, and one byte more. */
export async function readText(file: string): Promise<string> {
  const name = file === STDIN ? 'stdin' : file;
  const parts: Buffer[] = [];
  let size = 0;
  try {
    const source = file === STDIN ? process.stdin : createReadStream(file, { end: DOCUMENT_BYTES_MAX });
    for await (const part of source) {
      parts.push(part as Buffer);
      size += (part as Buffer).length;
      if (size > DOCUMENT_BYTES_MAX) break;
    }
  } catch (cause) {
    throw new TailraceError('config', `${name} cannot be read: ${whyUnreadable(cause)}`, { cause });
  }
  if (size > DOCUMENT_BYTES_MAX) {
    throw new TailraceError(
      'config',
      `${name} is larger than ${DOCUMENT_BYTES_MAX / 2 ** 20} MiB: is it the right file?`,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch (cause) {
    throw new TailraceError('config', `${name} is not UTF-8: save it as UTF-8`, { cause });
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file (ENOENT)',
  EISDIR: 'it is a directory (EISDIR): name a file',
  EACCES: 'this user may not read it (EACCES)',
};

function whyUnreadable(error: unknown): string {
  return WHY[String((error as { readonly code?: unknown }).code)] ?? String(error);
}
