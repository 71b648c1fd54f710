/**
 * The directory of a store: made, or found to be one that only its owner can write in. A path that cannot be used is
 * refused with who may not use it, why, and what to do.
 */

import { accessSync, chmodSync, constants, mkdirSync, readdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import { TailraceError } from '../model/error.ts';

/** What lies in the directory of a store, or in any new file system. */
const OURS = /^(tailrace[.]mdb.*|lock[.].*|root-token.*|p[0-9]+|lost[+]found)$/;
/** The stores of the partitions of a cluster but the first one, which is in the data directory itself. */
const PARTITION = /^p([1-9][0-9]*)$/;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/** What each error of the system means, and what to do. */
const REASONS: Readonly<Record<string, (where: string) => string>> = {
  EACCES: (where) => `it has no right to ${where} (EACCES): change its owner, or choose another path`,
  EPERM: (where) => `the system does not permit it at ${where} (EPERM): choose another path`,
  EROFS: (where) => `the file system of ${where} is read-only (EROFS): choose another path`,
  ENOENT: (where) => `${where} cannot be made there (ENOENT): choose another path`,
  ENOTDIR: (where) => `${where} is a file, or lies below one (ENOTDIR): choose another path`,
  EEXIST: (where) => `${where} is a file, not a directory (EEXIST): choose another path`,
  EISDIR: (where) => `${where} is a directory (EISDIR): choose another path`,
};

/** Makes a directory and those above it, for their owner only. @throws TailraceError `config` */
export function makeDirectory(dir: string): void {
  try {
    make(path.resolve(dir));
  } catch (cause) {
    throw unusable('the data directory', dir, 'made', cause);
  }
}

/**
 * Makes the directory when it is missing. One of ours that others can write in gets mode 0700. Returns the mode that it
 * had then, else undefined.
 * @throws TailraceError `config` when it cannot be made or used, or when others can write in one that is not only ours
 */
export function prepareDataDir(dir: string): number | undefined {
  makeDirectory(dir);
  expectUsable(dir);
  const { mode, uid } = statSync(dir);
  const ourUid = process.geteuid?.();
  if (ourUid === undefined || (mode & WRITABLE_BY_OTHERS) === 0) return undefined;
  // Whoever uses a shared directory, such as /tmp, must not lose it.
  const isOurs = uid === ourUid && (mode & STICKY) === 0 && readdirSync(dir).every((name) => OURS.test(name));
  if (!isOurs) {
    throw new TailraceError(
      'config',
      `the data directory ${dir} is not safe: others can write in it (mode ${octal(mode)}, owner uid ${uid}). ` +
        `Use one of its own, such as --data-dir ${path.join(dir, 'tailrace')}, or: chown ${ourUid} ${dir} && chmod 700 ${dir}`,
    );
  }
  chmodSync(dir, 0o700);
  return mode & 0o7777;
}

/** Checks that a directory is one, and that this process may use it. @throws TailraceError `config` */
export function expectUsable(dir: string): void {
  try {
    // Of a file this fails too, because there is nothing in it.
    statSync(`${dir}${path.sep}.`);
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unusable('the data directory', dir, 'used', cause);
  }
}

/** Where the store of a partition is; it has the form of a data directory. */
export function partitionDir(dataDir: string, partition: number): string {
  return partition === 0 ? dataDir : path.join(dataDir, `p${partition}`);
}

/** The partitions that have a directory, in order; the first one always has. */
export function partitionsIn(dataDir: string): readonly number[] {
  const others = readdirSync(dataDir).flatMap((name) => PARTITION.exec(name)?.slice(1).map(Number) ?? []);
  return [0, ...others.sort((a, b) => a - b)];
}

/** The permission bits as `chmod` takes them. */
export function octal(mode: number): string {
  return `0${(mode & 0o7777).toString(8)}`;
}

/** Whether an error comes from the system because of a path. */
export function isPathError(error: unknown): boolean {
  return codeOf(error) in REASONS;
}

/** The error for a path that cannot be made, used, read or written. */
export function unusable(what: string, file: string, verb: string, cause: unknown): TailraceError {
  const where =
    typeof cause === 'object' && cause !== null && 'path' in cause ? path.resolve(String(cause.path)) : file;
  const why = REASONS[codeOf(cause)]?.(where) ?? (cause instanceof Error ? cause.message : String(cause));
  return new TailraceError('config', `${what} ${file} cannot be ${verb} by ${userName()}: ${why}`, { cause });
}

/**
 * `mkdir` of Node with `recursive` never ends where a directory exists but nothing can be made in it, such as /proc. So each
 * one is made by itself.
 */
function make(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
    return;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST' && statSync(dir).isDirectory()) return;
    const parent = path.dirname(dir);
    if (code !== 'ENOENT' || parent === dir || isDirectory(parent)) throw error;
    make(parent);
  }
  mkdirSync(dir, { mode: 0o700 });
}

function isDirectory(dir: string): boolean {
  try {
    return statSync(dir).isDirectory();
  } catch {
    return false;
  }
}

function userName(): string {
  const uid = process.geteuid?.();
  try {
    return `${userInfo().username} (uid ${uid ?? '-'})`;
  } catch {
    // A container may run as a number that has no name.
    return `the user (uid ${uid ?? '-'})`;
  }
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
