/** Named servers: endpoint and token, in a file that only its owner may read. */

import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { TailraceError } from '../src/model/error.ts';

/** A server, and the token to call it with. */
export interface Context {
  readonly endpoint: string;
  /** Undefined for a server that needs none. */
  readonly token: string | undefined;
}

export interface Contexts {
  /** The one in use, if any. */
  readonly current: string | undefined;
  /** In the order in which they were added. */
  readonly byName: ReadonlyMap<string, Context>;
}

const NONE: Contexts = { current: undefined, byName: new Map() };
/** The permissions of all users but the owner. */
const OTHERS = 0o077;

/** Where contexts are kept: in the user's configuration (XDG Base Directory). Undefined for a user without a home. */
export function contextsFile(env: NodeJS.ProcessEnv): string | undefined {
  const { XDG_CONFIG_HOME: config, HOME: home } = env;
  // The XDG specification ignores a path that is not absolute.
  if (config !== undefined && path.isAbsolute(config)) return path.join(config, 'tailrace', 'contexts.json');
  return home === undefined || home === '' ? undefined : path.join(home, '.config', 'tailrace', 'contexts.json');
}

/**
 * All contexts; empty when there is no file.
 * @throws TailraceError `config` when it cannot be read, is damaged, or others may read it
 */
export function readContexts(env: NodeJS.ProcessEnv): Contexts {
  const file = contextsFile(env);
  if (file === undefined) return NONE;
  const text = textOf(file);
  return text === undefined ? NONE : parsed(text, file);
}

/** The context in use, with its name. @throws TailraceError as `readContexts` */
export function currentContext(env: NodeJS.ProcessEnv): (Context & { readonly name: string }) | undefined {
  const { current, byName } = readContexts(env);
  const context = current === undefined ? undefined : byName.get(current);
  return current === undefined || context === undefined ? undefined : { name: current, ...context };
}

/**
 * Replaces the file; a reader sees the old or the new one as a whole.
 * @throws TailraceError `config` when it cannot be written
 */
export function writeContexts({ current, byName }: Contexts, env: NodeJS.ProcessEnv): void {
  const file = contextsFile(env);
  if (file === undefined) throw new TailraceError('config', 'set HOME or XDG_CONFIG_HOME: contexts are kept there');
  const json = { current: current ?? null, contexts: Object.fromEntries(byName) };
  const fresh = `${file}.${process.pid}.new`;
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(fresh, `${JSON.stringify(json, undefined, 2)}\n`, { mode: 0o600 });
    chmodSync(fresh, 0o600);
    renameSync(fresh, file);
  } catch (cause) {
    throw new TailraceError('config', `cannot write ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** What is wrong with a name, if anything. */
export function contextNameFault(name: string): string | undefined {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return undefined;
  return 'a context name has 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or a digit';
}

function textOf(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    if ((statSync(file).mode & OTHERS) === 0 || process.platform === 'win32') return text;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new TailraceError('config', `cannot read ${file}: ${message}`, { cause });
  }
  throw new TailraceError('config', `${file} holds tokens and others may read it: chmod 600 ${file}`);
}

function parsed(text: string, file: string): Contexts {
  const damaged = () => new TailraceError('config', `${file} is not a list of contexts: fix it, or remove it`);
  let json: { current?: unknown; contexts?: unknown };
  try {
    json = (JSON.parse(text) ?? {}) as typeof json;
  } catch {
    throw damaged();
  }
  const { current, contexts } = json;
  if (typeof contexts !== 'object' || contexts === null) throw damaged();
  const byName = new Map<string, Context>();
  for (const [name, context] of Object.entries(contexts)) {
    const { endpoint, token } = (context ?? {}) as { endpoint?: unknown; token?: unknown };
    if (typeof endpoint !== 'string' || (token !== undefined && typeof token !== 'string')) throw damaged();
    byName.set(name, { endpoint, token });
  }
  return { current: typeof current === 'string' ? current : undefined, byName };
}
