/**
 * The store's file before and after LMDB opens it: on which file system it is, whether it is a store, who may read it.
 */

import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { TailraceError } from '../model/error.ts';

/** Offset of the magic number in LMDB's meta page. The version of LMDB's own format follows it. */
const MAGIC_AT = 24;
const MAGIC = 0xbeefc0de;
const LMDB_VERSION = 2;

/** File systems (by statfs type) that are on another machine or in another process. */
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
 * Checks that LMDB can open the file, because LMDB ends the process on a file that is not its own. Removes what a loss
 * of power left of a store that was being created; it never contained anything.
 * @throws TailraceError `corrupt`
 */
export function prepareStoreFile(file: string, pageBytes: number): void {
  sweepFresh(file);
  if (!existsSync(file)) return;
  const fd = openSync(file, 'r+');
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

/** The file beside a store while a new one is made. It gets the store's name when it is complete. */
export function freshFile(file: string): string {
  return `${file}.new`;
}

/** Removes what a killed process left of a new store, or of a copy. */
export function sweepFresh(file: string): void {
  const fresh = freshFile(path.basename(file));
  for (const name of readdirSync(path.dirname(file))) {
    if (name.startsWith(fresh)) rmSync(path.join(path.dirname(file), name), { force: true });
  }
}

/**
 * Gives a new store, complete and closed, the name of `file`, and the owner that `file` had. Durable when it returns. A
 * crash leaves either the old file or the new one.
 */
export function placeFresh(file: string): void {
  const fresh = freshFile(file);
  chmodSync(fresh, 0o600);
  if (existsSync(file)) {
    const { uid, gid } = statSync(file);
    // The user who maintains a store may not be the user of the server.
    if (uid !== statSync(fresh).uid) chownSync(fresh, uid, gid);
  }
  syncFile(fresh);
  renameSync(fresh, file);
  rmSync(`${fresh}-lock`, { force: true });
  syncDirectory(path.dirname(path.resolve(file)));
}

/** Whether LMDB can open the file without ending the process; see `prepareStoreFile`. */
export function isStoreFile(file: string, pageBytes: number): boolean {
  if (!existsSync(file)) return false;
  const fd = openSync(file, 'r');
  try {
    return isMetaPage(fd, 0) && isMetaPage(fd, pageBytes);
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes the file readable for its owner only, and its name durable: synced data is lost with a file whose name is not.
 */
export function secureStoreFile(file: string): void {
  chmodSync(file, 0o600);
  chmodSync(`${file}-lock`, 0o600);
  const dir = path.dirname(path.resolve(file));
  syncDirectory(dir);
  try {
    syncDirectory(path.dirname(dir));
  } catch {
    // We may not open it. Then we did not create the data directory in it either.
  }
}

/**
 * Checks that the disk of a directory has space for a copy. `what` begins the sentence for the user.
 * @throws TailraceError `storage_full`
 */
export function expectDiskSpace(dir: string, neededBytes: number, what: string): void {
  const { bsize, bavail } = statfsSync(dir);
  const freeBytes = bsize * bavail;
  if (freeBytes >= neededBytes) return;
  throw new TailraceError(
    'storage_full',
    `${what} needs ${neededBytes} free bytes; the disk of ${dir} has ${freeBytes}`,
  );
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

/** Makes the names in a directory durable. */
export function syncDirectory(dir: string): void {
  syncFile(dir);
}

function syncFile(file: string): void {
  const fd = openSync(file, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
