/**
 * SIGHUP of a server: an operator asks it to read its settings again; or its terminal is gone, and then it ends in order,
 * because a server that goes on where its owner does not see it keeps the port and the store.
 */

import { closeSync, openSync } from 'node:fs';

export interface HangUps {
  /** Resolves when the terminal is gone. */
  readonly gone: Promise<'SIGHUP'>;
  /** Calls it for each request to read again, one after the other, also for one that has come already. */
  onReload(reload: () => Promise<void>): void;
}

/** From now on a SIGHUP does not end the process by itself. */
export function watchHangUps(): HangUps {
  let reload: (() => Promise<void>) | undefined;
  let asked = false;
  let busy = false;
  const run = async (): Promise<void> => {
    if (busy || reload === undefined) return;
    busy = true;
    while (asked) {
      asked = false;
      await reload();
    }
    busy = false;
  };
  // Only a process that had one can lose it.
  const hasTerminal = process.stdin.isTTY === true || process.stdout.isTTY === true || process.stderr.isTTY === true;
  const gone = new Promise<'SIGHUP'>((resolve) => {
    process.on('SIGHUP', () => {
      if (hasTerminal && !isTerminalThere()) return resolve('SIGHUP');
      // More that come while it reads are one.
      asked = true;
      void run();
    });
  });
  return {
    gone,
    onReload: (call) => {
      reload = call;
      void run();
    },
  };
}

/** A process whose terminal hung up has none any more: see tty(4). */
function isTerminalThere(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
