/**
 * The configuration file of a server (`--config`): each key is a setting, checked by the same type as its flag, so that a
 * mistake is found before anything is opened, with its line.
 */

import path from 'node:path';
import type { z } from 'zod';
import { fileKey, SETTING_TYPES, SETTINGS, type Setting } from '../config.ts';
import { nearest } from '../encoding/nearest.ts';
import { pathIn, readDeclared } from '../init/parse-init.ts';
import type { SettingsFile } from './resolve-config.ts';
import { documentRefusal, readDocument, type TextDocument } from './text-document.ts';

/**
 * Reads a file, and checks every setting in it. One message lists all faults, a line for each.
 * @throws TailraceError `config`
 */
export async function readSettingsFile(file: string): Promise<SettingsFile> {
  return settingsIn(await readDocument(file), path.dirname(path.resolve(file)));
}

/** The settings in a document; relative paths in it start at `folder`. @throws TailraceError `config` */
export function settingsIn(document: TextDocument, folder: string): SettingsFile {
  const { name, value: content } = document;
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  const lines = new Map<string, number>();
  for (const [key, given] of entriesOf(document, faults)) {
    if (key === '$schema') continue;
    const setting = SETTINGS.find((each) => each.flag !== undefined && fileKey(each.key) === key);
    if (setting === undefined && key !== INIT) {
      faults.push(`${document.place([key], 'key')}: ${unknownKey(key)}`);
      continue;
    }
    const value =
      setting === undefined ? initIn(document, given, folder, faults) : checkedValue(document, setting, given, faults);
    if (value === undefined) continue;
    values[setting?.key ?? INIT] = setting?.isPath === true ? path.resolve(folder, String(value)) : value;
    lines.set(setting?.key ?? INIT, document.line([key]));
  }
  if (isObject(content) && INIT in content && INIT_FILE in content) {
    faults.push(`${document.place([INIT_FILE], 'key')}: init and init_file are both there: keep one of them`);
  }
  if (faults.length > 0) throw documentRefusal(faults);
  return { name, values, lines };
}

/** The key below which the content of an init file may be written. */
const INIT = 'init';
const INIT_FILE = 'init_file';
const SHOWN_CHARS_MAX = 60;

function entriesOf({ value, place }: TextDocument, faults: string[]): readonly (readonly [string, unknown])[] {
  if (value === null) return [];
  if (isObject(value)) return Object.entries(value);
  faults.push(`${place([])}: here must be settings, one on a line, such as \`port: 4318\``);
  return [];
}

function checkedValue(document: TextDocument, { key, flag }: Setting, given: unknown, faults: string[]): unknown {
  const name = fileKey(key);
  const here = document.place([name]);
  if (given === null) {
    faults.push(`${document.place([name], 'key')}: ${name} has no value: give it one, or take the line out`);
    return undefined;
  }
  const parsed = SETTING_TYPES[key].safeParse(given);
  // What is checked with all other settings keeps its own form until then.
  if (parsed.success) return given;
  const why = parsed.error.issues.map((issue) => `${messageOf(issue)}, ${shown(given)}`);
  faults.push(`${here}: ${name} ${why.join('; ')} (as --${flag})`);
  return undefined;
}

/** Checks it as an init file is checked; its own relative paths become absolute. */
function initIn(document: TextDocument, given: unknown, folder: string, faults: string[]): unknown {
  const found: string[] = [];
  readDeclared(given ?? {}, { folder, secretFiles: 'required' }, found);
  faults.push(...found.map((fault) => `${document.place([INIT, ...pathIn(fault)])}: init: ${fault}`));
  return found.length === 0 ? withAbsolutePaths(given ?? {}, folder) : undefined;
}

function withAbsolutePaths(init: unknown, folder: string): unknown {
  const { access_tokens: tokens, ...rest } = init as { readonly access_tokens?: readonly { secret_file: string }[] };
  if (tokens === undefined) return init;
  const absolute = tokens.map((token) => ({ ...token, secret_file: path.resolve(folder, token.secret_file) }));
  return { ...rest, access_tokens: absolute };
}

function unknownKey(key: string): string {
  if (key.replace(/[^a-z]/gi, '').toLowerCase() === 'roottoken') {
    return `${JSON.stringify(key)}: no secret belongs into this file: put it into a file of its own, and name that in root_token_file`;
  }
  const known = [...SETTINGS.filter(({ flag }) => flag !== undefined).map((setting) => fileKey(setting.key)), INIT];
  const words = (/[a-z]/.test(key) ? fileKey(key) : key.toLowerCase())
    .replace(/^(tailrace)?_/, '')
    .replaceAll('-', '_');
  const [meant] = nearest(words, known);
  const advice = meant === undefined ? '`tailrace config schema` lists the keys' : `did you mean \`${meant}\`?`;
  return `unknown key ${JSON.stringify(key)}: ${advice}`;
}

/** The messages of a text and of a choice are zod's own, which say neither what to do. */
function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`;
  if (issue.code === 'invalid_type' && issue.expected === 'string') return 'must be text: put it in quotes';
  if (issue.code === 'too_small') return 'must not be empty';
  if (issue.code === 'invalid_union') return unionMessage(issue);
  return issue.message;
}

function unionMessage(issue: z.core.$ZodIssueInvalidUnion): string {
  const types = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_type' ? [inner.expected] : []));
  if (issue.message !== 'Invalid input') return issue.message;
  return types.includes('array')
    ? 'must be text, or a list of texts'
    : `must be ${types.includes('boolean') ? 'true or false' : 'a number, or text such as 512MiB or 10s'}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return `not ${text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
