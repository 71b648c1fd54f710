/** A server for the time of a run: on a free port of this machine, with its store in a folder that goes afterwards. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TailraceError } from '../../src/model/error.ts';

export interface OwnServer {
  readonly url: string;
  /** Ends it, and removes what it stored. */
  close(): Promise<void>;
}

/** @throws TailraceError `unavailable` when it does not start */
export async function startOwnServer(): Promise<OwnServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tailrace-run-'));
  const [main = ''] = process.argv.slice(1);
  const args = ['serve', '--port', '0', '--grpc-port', '0', '--no-auth', '--data-dir', folder];
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('TAILRACE_'));
  // In a group of its own: Ctrl-C is for the program, whose last records it must still take.
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: Object.fromEntries(own),
    detached: true,
  });
  const endNow = () => void child.kill('SIGKILL');
  process.once('exit', endNow);
  const close = async (): Promise<void> => {
    process.removeListener('exit', endNow);
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'close');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { url: await listening(child), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function listening(child: ChildProcess): Promise<string> {
  let [said, complained] = ['', ''];
  return new Promise((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const url = /^listening on (\S+)$/m.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (said === '') complained += text;
    });
    child.on('error', reject);
    child.on('close', () =>
      reject(new TailraceError('unavailable', `--serve: the server did not start: ${complained}`)),
    );
  });
}
