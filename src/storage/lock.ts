/**
 * One process owns a data directory: it listens on a Unix socket in it. A socket whose process is gone does not answer,
 * however the process ended, so nothing has to be cleaned up and no process numbers are compared.
 *
 * Sockets are named `lock.1`, `lock.2`, … A process that starts asks the one with the highest number. If that one is
 * dead, it takes the next number: it makes a hard link to a socket that is already listening, which only one process
 * can do. It gives up when there is a higher number. Then it asks all lower ones, and gives up when one of them owns the
 * directory; one that is still starting is asked again, because it will see our number. Then, if there is still no
 * higher number, it owns the directory, and says so to who asks. In an owner's number nothing changes until it ends in
 * order: then it removes it, last of all. So of two processes that both took a number, however long ago each looked, the
 * one that decides later finds the other. Thus there are never two owners.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, linkSync, openSync, readdirSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
/** How long to wait before a process that is starting is asked again. */
const STARTING_MS = 5;

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
  const claim: Claim = { owns: false };
  let server = await listen(socketDir, name, claim);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const highest = socketDir.highest();
    const owner = highest === 0 ? undefined : await ask(socketDir.address(numbered(highest)));
    if (owner?.alive === true) {
      await closed(server);
      throw inUse(socketDir.dir, owner.pid);
    }
    const number = highest + 1;
    const outcome = await take(socketDir, name, number, claim);
    if (outcome === 'owned') return lockOf(socketDir, server, number);
    if (typeof outcome === 'object') {
      await closed(server);
      throw inUse(socketDir.dir, outcome.pid);
    }
    // A new owner has removed our unnumbered socket as a leftover: it owns the directory by now.
    if (outcome === 'swept') {
      await closed(server);
      server = await listen(socketDir, name, claim);
    }
  }
  await closed(server);
  throw inUse(socketDir.dir, undefined);
}

/** What a listening process says to those who ask. */
interface Claim {
  owns: boolean;
}

/** Tries to give the listening socket `name` this number, and to own the directory with it; or returns the owner. */
async function take(
  socketDir: SocketDir,
  name: string,
  number: number,
  claim: Claim,
): Promise<'owned' | 'lost' | 'swept' | Owner> {
  try {
    linkSync(path.join(socketDir.dir, name), path.join(socketDir.dir, numbered(number)));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'lost';
    if (codeOf(error) === 'ENOENT') return 'swept';
    throw error;
  }
  const owner = socketDir.highest() > number ? undefined : await ownerBelow(socketDir, number);
  if (owner !== undefined || socketDir.highest() > number) {
    socketDir.remove(numbered(number));
    return owner ?? 'lost';
  }
  // In the turn of the last look: whoever asks from now on is told.
  claim.owns = true;
  socketDir.sweep(number);
  return 'owned';
}

/** The living process with a lower number that owns the directory, if there is one. */
async function ownerBelow(socketDir: SocketDir, number: number): Promise<Owner | undefined> {
  for (const lower of socketDir.numbersBelow(number)) {
    let owner = await ask(socketDir.address(numbered(lower)));
    while (owner.alive && owner.isStarting) {
      await sleep(STARTING_MS);
      owner = await ask(socketDir.address(numbered(lower)));
    }
    if (owner.alive) return owner;
  }
  return undefined;
}

function lockOf(socketDir: SocketDir, server: Server, number: number): DataDirLock {
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    // While we still listen: nobody else can have taken this number.
    socketDir.remove(numbered(number));
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

/** Listens, and tells each client the number of this process, and whether it is still starting. Keeps no process alive. */
function listen(socketDir: SocketDir, name: string, claim: Claim): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      // A client that does not close its end must not keep ours open.
      socket.end(`${process.pid}${claim.owns ? '' : STARTING}\n`, () => socket.destroy());
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

/** After the process number, in the answer of a process that does not own the directory yet. */
const STARTING = ' starting';

interface Owner {
  readonly alive: boolean;
  readonly isStarting: boolean;
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
      resolve({ alive, isStarting: text.includes(STARTING), pid: pid > 0 ? pid : undefined });
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

  numbersBelow(number: number): readonly number[] {
    return readdirSync(this.dir)
      .map(numberOf)
      .filter((one) => one > 0 && one < number);
  }

  /** Removes the numbers below an owner's, and what killed starters left. */
  sweep(owned: number): void {
    for (const name of readdirSync(this.dir)) {
      const number = numberOf(name);
      if ((number > 0 && number < owned) || name.startsWith('lock.new.')) this.remove(name);
    }
  }

  /** A file that cannot be removed, as in a directory that became read-only, is found dead by the next starter. */
  remove(name: string): void {
    try {
      rmSync(path.join(this.dir, name), { force: true });
    } catch {
      // Nothing depends on it.
    }
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
