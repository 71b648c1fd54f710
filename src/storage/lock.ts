/**
 * One process owns a data directory: it listens on a Unix socket in it. A socket whose process is gone does not answer,
 * however the process ended, so nothing has to be cleaned up and no process numbers are compared.
 *
 * Sockets are named `lock.1`, `lock.2`, … A process that starts asks the one with the highest number. If that one is
 * dead, it takes the next number: it makes a hard link to a socket that is already listening, which only one process
 * can do. An owner removes only numbers below its own, never the highest one. So when a slow starter takes a number
 * that an owner has meanwhile removed, it sees the higher one and gives up. Thus there are never two owners.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, linkSync, openSync, readdirSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import path from 'node:path';
import { TailraceError } from '../model/error.ts';
import { expectUsable, makeDirectory } from './data-dir.ts';

export interface DataDirLock {
  /** Releases the directory. May be called twice. */
  release(): Promise<void>;
}

/** Bytes that fit into a socket address on every system. */
const SOCKET_PATH_BYTES_MAX = 100;
const ANSWER_TIMEOUT_MS = 1_000;
const ROUNDS_MAX = 100;

/**
 * Makes this process the owner of a data directory, which is created (mode 0700) when it is missing.
 * @throws TailraceError `data_dir_in_use` when another process owns it, `config` when it cannot hold a socket
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const dir = path.resolve(dataDir);
  makeDirectory(dir);
  expectUsable(dir);
  const socketDir = new SocketDir(dir);
  try {
    return await own(socketDir);
  } catch (error) {
    socketDir.close();
    throw error instanceof TailraceError ? error : withoutLock(dir, error);
  }
}

async function own(socketDir: SocketDir): Promise<DataDirLock> {
  const name = `lock.new.${process.pid}.${randomBytes(6).toString('hex')}`;
  let server = await listen(socketDir, name);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const highest = socketDir.highest();
    const owner = highest === 0 ? undefined : await ask(socketDir.address(numbered(highest)));
    if (owner?.alive === true) {
      await closed(server);
      throw inUse(socketDir.dir, owner.pid);
    }
    const outcome = take(socketDir, name, highest + 1);
    if (outcome === 'owned') return lockOf(socketDir, server);
    // A new owner has removed our unnumbered socket as a leftover: it owns the directory by now.
    if (outcome === 'swept') {
      await closed(server);
      server = await listen(socketDir, name);
    }
  }
  await closed(server);
  throw inUse(socketDir.dir, undefined);
}

/** Tries to give the listening socket `name` this number. */
function take(socketDir: SocketDir, name: string, number: number): 'owned' | 'lost' | 'swept' {
  try {
    linkSync(path.join(socketDir.dir, name), path.join(socketDir.dir, numbered(number)));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'lost';
    if (codeOf(error) === 'ENOENT') return 'swept';
    throw error;
  }
  if (socketDir.highest() > number) {
    socketDir.remove(numbered(number));
    return 'lost';
  }
  socketDir.sweep(number);
  return 'owned';
}

function lockOf(socketDir: SocketDir, server: Server): DataDirLock {
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    await closed(server);
    socketDir.close();
  };
  return {
    release: () => {
      released ??= release();
      return released;
    },
  };
}

/** Listens, and tells each client the number of this process. Keeps no process alive. */
function listen(socketDir: SocketDir, name: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      // A client that does not close its end must not keep ours open.
      socket.end(`${process.pid}\n`, () => socket.destroy());
    });
    server.once('error', reject);
    server.listen(socketDir.address(name), () => {
      server.off('error', reject);
      server.on('error', () => {});
      server.unref();
      resolve(server);
    });
  });
}

interface Owner {
  readonly alive: boolean;
  readonly pid: number | undefined;
}

/**
 * Whether a process listens there. Only a refused connection or a missing socket means no: a process that is too busy
 * to answer is alive.
 */
function ask(address: string): Promise<Owner> {
  return new Promise((resolve) => {
    let text = '';
    const socket = createConnection(address);
    const answer = (alive: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      const pid = Number.parseInt(text, 10);
      resolve({ alive, pid: pid > 0 ? pid : undefined });
    };
    const timer = setTimeout(() => answer(true), ANSWER_TIMEOUT_MS);
    socket.setEncoding('latin1');
    socket.on('data', (part: string) => {
      text += part;
    });
    socket.on('end', () => answer(true));
    socket.on('error', (error) => answer(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error) ?? '')));
  });
}

/** The directory, and addresses of the sockets in it that fit into a socket address however long its path is. */
class SocketDir {
  readonly dir: string;
  /** An open descriptor of the directory gives a short path to it. */
  readonly #fd: number | undefined;

  constructor(dir: string) {
    this.dir = dir;
    const longest = path.join(dir, `lock.new.${'0'.repeat(30)}`);
    this.#fd = Buffer.byteLength(longest) > SOCKET_PATH_BYTES_MAX ? openSync(dir, 'r') : undefined;
  }

  address(name: string): string {
    return this.#fd === undefined ? path.join(this.dir, name) : `/proc/self/fd/${this.#fd}/${name}`;
  }

  /** The highest number taken, 0 for none. */
  highest(): number {
    let highest = 0;
    for (const name of readdirSync(this.dir)) highest = Math.max(highest, numberOf(name));
    return highest;
  }

  /** Removes the numbers below an owner's, and what killed starters left. */
  sweep(owned: number): void {
    for (const name of readdirSync(this.dir)) {
      const number = numberOf(name);
      if ((number > 0 && number < owned) || name.startsWith('lock.new.')) this.remove(name);
    }
  }

  remove(name: string): void {
    rmSync(path.join(this.dir, name), { force: true });
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }
}

function numbered(number: number): string {
  return `lock.${number}`;
}

function numberOf(name: string): number {
  return Number(/^lock\.(\d{1,15})$/.exec(name)?.[1] ?? 0);
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function inUse(dir: string, pid: number | undefined): TailraceError {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new TailraceError('data_dir_in_use', `the data directory ${dir} is in use by ${who}`);
}

function withoutLock(dir: string, cause: unknown): TailraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TailraceError('config', `the data directory ${dir} cannot hold the lock of its owner: ${why}`, { cause });
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
