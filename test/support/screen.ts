/**
 * The built command line on a terminal whose screen is drawn as a terminal draws it, with keys, signals and resizes as a
 * test wants them. It knows only what our commands write, so that a new escape sequence shows. Needs python3, for its pty.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export interface ScreenSetup {
  readonly env: Readonly<Record<string, string>>;
  readonly columns: number;
  readonly rows: number;
  readonly cwd?: string;
}

/** A command at a terminal. */
export interface Screen {
  /** The number of its process. */
  readonly pid: Promise<number>;
  /** Everything that it wrote. */
  raw(): string;
  /** The lines that show, without spaces at their ends. */
  lines(): readonly string[];
  /** Whether the alternate screen shows, and the cursor. */
  modes(): { readonly isAlternate: boolean; readonly hasCursor: boolean };
  /** Resolves with the lines when they match; rejects when the command ends before. */
  saw(pattern: RegExp): Promise<readonly string[]>;
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** The code with which it ended, negative for a signal; and whether the terminal echoes what is typed, as before. */
  readonly done: Promise<{ readonly code: number; readonly echoes: boolean }>;
}

const CLI_MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const SCRIPT = `
import fcntl, json, os, pty, select, signal, struct, sys, termios
# Only if the test is gone without a word: its end of the pipe says so otherwise.
signal.alarm(600)
def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
columns, rows = map(int, os.environ['PTY_SIZE'].split())
master, slave = pty.openpty()
resize(slave, columns, rows)
pid = os.fork()
if pid == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2): os.dup2(slave, fd)
    os.closerange(3, 10)
    os.execvp(sys.argv[1], sys.argv[1:])
os.write(2, json.dumps({'pid': pid}).encode() + b'\\n')
status = None
asked = b''
while True:
    ready, _, _ = select.select([master, 0], [], [], 0.05)
    if master in ready:
        part = os.read(master, 65536)
        sys.stdout.buffer.write(part)
        sys.stdout.flush()
    if 0 in ready:
        order = os.read(0, 65536)
        if not order:
            os.kill(pid, signal.SIGKILL)
            break
        asked += order
        *whole, asked = asked.split(b'\\n')
        for line in whole:
            order = json.loads(line)
            if 'typed' in order: os.write(master, order['typed'].encode())
            else: resize(master, order['columns'], order['rows'])
    if not ready:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended: break
if status is None: sys.exit(1)
echoes = bool(termios.tcgetattr(slave)[3] & termios.ECHO)
os.write(2, json.dumps({'code': os.waitstatus_to_exitcode(status), 'echoes': echoes}).encode() + b'\\n')
`;

export function openScreen(args: readonly string[], setup: ScreenSetup): Screen {
  const { env, columns, rows, cwd = tmpdir() } = setup;
  const own = { PATH: process.env.PATH, HOME: process.env.HOME, TERM: 'xterm', PTY_SIZE: `${columns} ${rows}` };
  const child = spawn('python3', ['-c', SCRIPT, process.execPath, CLI_MAIN, ...args], {
    env: { ...own, XDG_CONFIG_HOME: `${tmpdir()}/tailrace-no-config`, ...env },
    cwd,
  });
  const drawn = new DrawnScreen(rows);
  const watchers = new Set<() => void>();
  let raw = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    raw += text;
    drawn.write(text);
    for (const look of watchers) look();
  });
  const told = tellings(child);
  const order = (what: object) => void (child.stdin as Writable).write(`${JSON.stringify(what)}\n`);
  return {
    pid: told.then(({ first }) => first.pid),
    done: told.then(({ last }) => last),
    raw: () => raw,
    lines: () => drawn.lines(),
    modes: () => drawn.modes(),
    type: (typed) => order({ typed }),
    resize: (newColumns, newRows) => {
      drawn.resize(newRows);
      order({ columns: newColumns, rows: newRows });
    },
    saw: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(drawn.lines().join('\n'))) return;
          watchers.delete(look);
          resolve(drawn.lines());
        };
        watchers.add(look);
        look();
        const missing = () => reject(new Error(`ended before it showed ${pattern}:\n${drawn.lines().join('\n')}`));
        told.then(({ last }) => last.then(missing), missing);
      }),
  };
}

interface Told {
  readonly first: { readonly pid: number };
  readonly last: Promise<{ readonly code: number; readonly echoes: boolean }>;
}

/** The lines of JSON about the process: the first when it has begun, the second when it has ended. */
function tellings(child: ChildProcess): Promise<Told> {
  let text = '';
  const line = (index: number) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const lines = text.split('\n').slice(0, -1);
        if (lines[index] !== undefined) resolve(lines[index]);
      };
      child.stderr?.on('data', look);
      child.on('close', () => {
        look();
        reject(new Error(`the terminal failed: ${text}`));
      });
    });
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const last = line(1).then((json) => JSON.parse(json) as Awaited<Told['last']>);
  last.catch(() => {});
  return line(0).then((json) => ({ first: JSON.parse(json) as Told['first'], last }));
}

/** Two screens of lines, of which one shows. */
class DrawnScreen {
  #rows: number;
  #ordinary: string[] = [''];
  #alternate: string[] = [];
  #row = 0;
  #kept = 0;
  #column = 0;
  #isAlternate = false;
  #hasCursor = true;
  #rest = '';

  constructor(rows: number) {
    this.#rows = rows;
  }

  lines(): readonly string[] {
    return (this.#isAlternate ? this.#alternate : this.#ordinary).map((line) => line.trimEnd());
  }

  modes(): { isAlternate: boolean; hasCursor: boolean } {
    return { isAlternate: this.#isAlternate, hasCursor: this.#hasCursor };
  }

  resize(rows: number): void {
    this.#rows = rows;
  }

  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a terminal reads
    const part = /\u001b\[([?\d;]*)([A-Za-z])|\u001b\].*?(?:\u0007|\u001b\\)|(\u001b.{0,30}$)|([\s\S])/gsu;
    const given = this.#rest + text;
    this.#rest = '';
    for (const [, parameters = '', final, cut, character] of given.matchAll(part)) {
      if (cut !== undefined) this.#rest = cut;
      else if (final !== undefined) this.#control(parameters, final);
      else if (character !== undefined) this.#put(character);
    }
  }

  #control(parameters: string, final: string): void {
    const lines = this.#isAlternate ? this.#alternate : this.#ordinary;
    const [row = 1, column = 1] = parameters.split(';').map((number) => Number(number) || 1);
    const what = parameters + final;
    if (final === 'm') return;
    if (what === '?1049h' || what === '?1049l') this.#switch(final === 'h');
    else if (what === '?25h' || what === '?25l') this.#hasCursor = final === 'h';
    else if (what === '2J') lines.fill('');
    else if (final === 'H') [this.#row, this.#column] = [row - 1, column - 1];
    else if (what === 'K') lines[this.#row] = (lines[this.#row] ?? '').slice(0, this.#column);
    else throw new Error(`a terminal is asked for something new: ESC [ ${what}`);
  }

  #switch(isAlternate: boolean): void {
    if (isAlternate) [this.#kept, this.#alternate] = [this.#row, Array.from({ length: this.#rows }, () => '')];
    this.#isAlternate = isAlternate;
    [this.#row, this.#column] = [isAlternate ? 0 : this.#kept, 0];
  }

  #put(character: string): void {
    const lines = this.#isAlternate ? this.#alternate : this.#ordinary;
    if (character === '\r') this.#column = 0;
    else if (character === '\n') this.#row += 1;
    else {
      const line = [...(lines[this.#row] ?? '').padEnd(this.#column)];
      line[this.#column] = character;
      lines[this.#row] = line.join('');
      this.#column += 1;
    }
    lines[this.#row] ??= '';
  }
}
