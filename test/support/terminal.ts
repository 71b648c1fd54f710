/** The built command line at a terminal: what it shows, and what a user types. Needs python3, for its pty. */

import { spawn, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Terminal {
  readonly code: number;
  /** Everything on the screen. Lines end with `\r\n`. */
  readonly screen: string;
}

/** Whether a pty is available; without one, tests that need it are skipped, and their names say so. */
export const HAS_TERMINAL = spawnSync('python3', ['-c', 'import pty, termios']).status === 0;

const CLI_MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/**
 * Waits for the prompt on the screen, types, and returns what was shown until the end. A command that hangs gets a
 * hang-up.
 */
const SCRIPT = `
import os, pty, signal, sys
signal.alarm(30)
prompt, typed = os.environb[b'PTY_PROMPT'], os.environb[b'PTY_TYPED']
pid, screen = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
while True:
    try:
        part = os.read(screen, 4096)
    except OSError:
        break
    if not part:
        break
    waiting = prompt not in seen
    seen += part
    if waiting and prompt in seen:
        os.write(screen, typed)
sys.stdout.buffer.write(seen)
sys.stdout.flush()
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
`;

/** Runs a command at a terminal, and types when the prompt is shown. */
export function runAtTerminal(
  args: readonly string[],
  { prompt, typed, env }: { readonly prompt: string; readonly typed: string; readonly env: Record<string, string> },
): Promise<Terminal> {
  const own = { PATH: process.env.PATH, HOME: process.env.HOME, PTY_PROMPT: prompt, PTY_TYPED: typed, TERM: 'xterm' };
  const child = spawn('python3', ['-c', SCRIPT, process.execPath, CLI_MAIN, ...args], {
    env: { ...own, ...env },
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, screen })));
}
