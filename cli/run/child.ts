/** A program that a command runs: with our stdio, the signals that we get, and its code as ours. */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** As shells say that a command is not there, or is no program. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const SIGNALED = 128;

const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGCONT'] as const;

export interface ChildEnd {
  readonly code: number;
  /** The one that has ended it. */
  readonly signal?: NodeJS.Signals;
  /** Why it did not start. */
  readonly fault?: string;
}

/** Runs it to its end. */
export function runChild([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<ChildEnd> {
  const child = spawn(program, args, { stdio: 'inherit', env });
  const forward = (signal: NodeJS.Signals) => void child.kill(signal);
  // A terminal sends Ctrl-C to the whole group of processes: it has it already. A second one may come from elsewhere.
  const isAtTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY === true);
  let interrupts = 0;
  const interrupt = (signal: NodeJS.Signals) => {
    interrupts += 1;
    if (!isAtTerminal || interrupts > 1) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  process.on('SIGINT', interrupt).on('SIGQUIT', interrupt);
  const quit = () => void child.kill('SIGTERM');
  process.once('exit', quit);
  return new Promise((resolve) => {
    const end = (ended: ChildEnd) => {
      for (const signal of FORWARDED) process.removeListener(signal, forward);
      // Ctrl-C again while the last records come ends that.
      process.removeListener('SIGINT', interrupt).removeListener('SIGQUIT', interrupt);
      process.removeListener('exit', quit);
      resolve(ended);
    };
    child.on('error', (error: NodeJS.ErrnoException) => end(notStarted(program, error)));
    child.on('exit', (code, signal) =>
      end(signal === null ? { code: code ?? 0 } : { code: SIGNALED + constants.signals[signal], signal }),
    );
  });
}

function notStarted(program: string, { code, message }: NodeJS.ErrnoException): ChildEnd {
  if (code === 'ENOENT') return { code: NOT_FOUND, fault: `${program}: there is no such command` };
  return { code: NOT_EXECUTABLE, fault: `${program} cannot be started: ${message}` };
}
