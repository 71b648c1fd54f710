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
import fcntl, os, pty, re, signal, struct, sys, termios, time
signal.alarm(30)
def resize(fd, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 24 if columns else 0, columns, 0, 0))
def has_seen_resize(pid):
    status = open('/proc/%d/status' % pid).read()
    pending = [int(bits, 16) for bits in re.findall(r'(?:Sig|Shd)Pnd:\\s+(\\w+)', status)]
    return not any(bits >> (signal.SIGWINCH - 1) & 1 for bits in pending) and 'State:\\tS' in status
columns, resized = map(int, os.environ['PTY_COLUMNS'].split())
prompt, typed = os.environb[b'PTY_PROMPT'], os.environb[b'PTY_TYPED']
pid, screen = pty.fork()
if pid == 0:
    resize(1, columns)
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
    if resized != columns and os.environb[b'PTY_RESIZE_AT'] in seen:
        columns = resized
        resize(screen, columns)
        # What comes next could reach the command before the signal.
        while os.path.exists('/proc/self/status') and not has_seen_resize(pid):
            time.sleep(0.001)
    sys.stdout.buffer.write(part)
    sys.stdout.flush()
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
`;

export interface TerminalSetup {
  readonly prompt: string;
  readonly typed: string;
  readonly env: Readonly<Record<string, string>>;
  /** Its width; 0, as it is without a size, by default. */
  readonly columns?: number;
  /** Another width from the time when the text is shown; called when it has it. */
  readonly resize?: { readonly at: string; readonly columns: number; done(): void };
}

/** Runs a command at a terminal, and types when the prompt is shown. */
export function runAtTerminal(
  args: readonly string[],
  { prompt, typed, env, columns = 0, resize }: TerminalSetup,
): Promise<Terminal> {
  const texts = { PTY_PROMPT: prompt, PTY_TYPED: typed, PTY_COLUMNS: `${columns} ${resize?.columns ?? columns}` };
  const resizing = { PTY_RESIZE_AT: resize?.at ?? '' };
  const own = { PATH: process.env.PATH, HOME: process.env.HOME, TERM: 'xterm', ...texts, ...resizing };
  const child = spawn('python3', ['-c', SCRIPT, process.execPath, CLI_MAIN, ...args], {
    env: { ...own, ...env },
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let screen = '';
  let isResized = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    if (resize === undefined || isResized || !screen.includes(resize.at)) return;
    isResized = true;
    resize.done();
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, screen })));
}
