/** The store's file before and after LMDB opens it: where it lies, whether it is a store, who may read it. */

import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import path from 'node:path';
import { TailraceError } from '../model/error.ts';

/** Where LMDB's meta page has its magic number, and the version of LMDB's own format behind it. */
const MAGIC_AT = 24;
const MAGIC = 0xbeefc0de;
const LMDB_VERSION = 2;

/** Types of file systems (statfs) that live on another machine or in another process. */
const NETWORK_FS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB 2'],
  [0x01021997, '9P'],
  [0x65735546, 'FUSE'],
  [0x5346414f, 'AFS'],
  [0x73757245, 'Coda'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
]);

/**
 * Refuses a directory whose fsync and mapped files we do not trust.
 * @throws TailraceError `config`
 */
export function refuseNetworkFs(dataDir: string): void {
  const name = networkFsName(statfsSync(dataDir).type);
  if (name === undefined) return;
  throw new TailraceError(
    'config',
    `${dataDir} is on ${name}, where neither fsync nor mapped files can be relied on: use a local disk, or --allow-network-fs`,
  );
}

/**
 * Looks whether LMDB can open the file: it ends the process on one that is not its own. What a loss of power left of a
 * store that was being made is taken away; it never held anything.
 * @throws TailraceError `corrupt`
 */
export function prepareStoreFile(file: string, pageBytes: number): void {
  if (!existsSync(file)) return;
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    if (isMetaPage(fd, 0) && isMetaPage(fd, pageBytes)) return;
    if (size > 2 * pageBytes) {
      throw new TailraceError('corrupt', `${file} is not a store of this Tailrace, or its first pages are damaged`);
    }
  } finally {
    closeSync(fd);
  }
  rmSync(file);
}

/** Makes the file its owner's only, and its name durable: what is synced into a file without one is lost with it. */
export function secureStoreFile(file: string): void {
  chmodSync(file, 0o600);
  chmodSync(`${file}-lock`, 0o600);
  const dir = path.dirname(path.resolve(file));
  syncDirectory(dir);
  try {
    syncDirectory(path.dirname(dir));
  } catch {
    // Not ours to open: then we did not make the data directory in it either.
  }
}

/** The soft limit on the address space of this process in bytes, undefined where there is none. */
export function addressSpaceLimit(): number | undefined {
  return processLimit('Max address space');
}

/** The soft limit on the size of one file in bytes, undefined where there is none. */
export function fileSizeLimit(): number | undefined {
  return processLimit('Max file size');
}

/** The name of a network file system by its statfs type. */
export function networkFsName(type: number): string | undefined {
  return NETWORK_FS.get(type >>> 0);
}

function isMetaPage(fd: number, at: number): boolean {
  const words = Buffer.alloc(8);
  if (readSync(fd, words, 0, words.length, at + MAGIC_AT) < words.length) return false;
  return words.readUInt32LE(0) === MAGIC && words.readUInt32LE(4) === LMDB_VERSION;
}

function processLimit(name: string): number | undefined {
  let limits: string;
  try {
    limits = readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return undefined;
  }
  const found = new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(limits);
  return found?.[1] === undefined ? undefined : Number(found[1]);
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
