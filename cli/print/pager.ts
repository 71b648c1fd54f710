/** What is longer than the screen goes through a pager, as git and man do it; what is shorter is printed as it is. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import type { Writable } from 'node:stream';
import type { Output } from './console.ts';

/** Colours as they are; ends by itself where everything fits; leaves the text on the screen. */
const LESS = 'FRX';
/** Some lines are left for the prompt of the shell. */
const ROWS_KEPT = 2;
const ROWS_DEFAULT = 24;

type Pager = ChildProcessByStdio<Writable, null, null>;

/** The command of the user: TAILRACE_PAGER, PAGER, else less where there is one; undefined for none. */
export function chosenPager(env: NodeJS.ProcessEnv): string | undefined {
  const said = env.TAILRACE_PAGER ?? env.PAGER;
  const command = (said ?? (isThere('less', env) ? 'less' : '')).trim();
  const [program = ''] = command.split(/\s+/);
  return program === '' || program === 'cat' || !isThere(program, env) ? undefined : command;
}

/** The output of a read that ends. `onQuit` is called when the user has seen enough. */
export function pagedOutput(output: Output, command: string, env: NodeJS.ProcessEnv, onQuit: () => void): Output {
  let waiting: (string | Uint8Array)[] = [];
  let rows = 0;
  let pager: Pager | undefined;
  let ended: Promise<void> | undefined;
  let isGone = false;
  const open = (): Pager => {
    const child = spawn('sh', ['-c', command], {
      stdio: ['pipe', 'inherit', 'inherit'],
      env: { LESS, LV: '-c', ...env },
    });
    // The pager is in front now: it decides what Ctrl-C means.
    process.on('SIGINT', () => {});
    child.stdin.on('error', () => {});
    ended = new Promise((resolve) => {
      const end = () => {
        if (!isGone) onQuit();
        isGone = true;
        resolve();
      };
      child.on('close', end).on('error', end);
    });
    return child;
  };
  const toPager = async (child: Pager, data: string | Uint8Array): Promise<void> => {
    if (isGone || child.stdin.write(data)) return;
    await Promise.race([new Promise((resolve) => child.stdin.once('drain', resolve)), ended]);
  };
  return {
    ...output,
    async write(data) {
      if (pager !== undefined) return toPager(pager, data);
      waiting.push(data);
      rows += Buffer.from(data).reduce((count, byte) => (byte === 10 ? count + 1 : count), 0);
      if (rows <= (process.stdout.rows || ROWS_DEFAULT) - ROWS_KEPT) return;
      pager = open();
      const first = waiting;
      waiting = [];
      for (const part of first) await toPager(pager, part);
    },
    async end() {
      for (const part of waiting) await output.write(part);
      if (pager !== undefined) {
        isGone = true;
        const closed = new Promise((resolve) => pager?.on('close', resolve));
        pager.stdin.end();
        if (pager.exitCode === null && pager.signalCode === null) await closed;
      }
      await output.end();
    },
  };
}

/** Whether the shell finds a program. */
function isThere(program: string, env: NodeJS.ProcessEnv): boolean {
  const folders = program.includes('/') ? [''] : (env.PATH ?? '').split(path.delimiter);
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
