/**
 * How far a long task is: one line on stderr that is painted over and over, and gone when the task ends. On a terminal
 * only, and only when the task takes more than a second.
 */

import { escapeControls, formatBytes } from './format.ts';

export interface Progress {
  /** How much is done, and of how much, where that is known. May be called as often as one likes, and without its object. */
  readonly at: (done: number, total?: number) => void;
  /** What it is about from now on. */
  about(what: string): void;
  /** Takes the line away; nothing is painted after it. May be called twice. */
  end(): void;
}

export interface ProgressOptions {
  readonly quiet?: boolean;
  /** What is counted: `bytes` (the default), or a noun in the plural, such as `records`. */
  readonly unit?: string;
  /** How much was done before this run, which does not count as its speed. */
  readonly from?: number;
}

/** Where the line is painted: stderr, except in tests. */
export interface ProgressScreen {
  readonly isTerminal: boolean;
  columns(): number;
  write(text: string): void;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

/** What the line says. */
export interface ProgressState {
  readonly what: string;
  readonly unit: string;
  readonly done: number;
  readonly total: number | undefined;
  /** Units per second; undefined before there is one. */
  readonly rate: number | undefined;
}

const QUIET_MS = 1_000;
/** Ten paints a second at most. */
const PAINT_MS = 100;
/** The speed is that of the last seconds: a task that slows down says so. */
const RATE_MS = 10_000;
const BAR_COLUMNS_MAX = 24;
const BAR_COLUMNS_MIN = 8;
const COLUMNS_DEFAULT = 80;
const CLEAR = '\r\u001b[K';

/** Starts the clock of a task. Whoever starts one ends it, also when the task fails. */
export function startProgress(what: string, options: ProgressOptions, screen = STDERR): Progress {
  if (!screen.isTerminal || options.quiet === true) return { at: () => {}, about: () => {}, end: () => {} };
  return new ProgressLine(what, options, screen);
}

/** Shows how far a task is while it runs. */
export async function withProgress<T>(
  what: string,
  options: ProgressOptions,
  task: (progress: Progress) => Promise<T>,
): Promise<T> {
  const progress = startProgress(what, options);
  try {
    return await task(progress);
  } finally {
    progress.end();
  }
}

/** Takes a painted line away before something else is written to the terminal; the next paint brings it back. */
export function clearProgress(): void {
  painted?.clear();
}

/** The line for so many columns; what does not fit is left out, the less important parts first. */
export function progressText({ what, unit, done, total, rate }: ProgressState, columns: number): string {
  const count = (value: number) => (unit === 'bytes' ? formatBytes(Math.round(value)) : grouped(value));
  const noun = unit === 'bytes' ? '' : ` ${unit}`;
  const of = total === undefined ? '' : ` of ${count(Math.max(total, done))}`;
  const share = total === undefined || total <= 0 ? undefined : Math.min(1, done / total);
  const percent = share === undefined ? [] : [`${Math.floor(share * 100)} %`];
  const speed = rate === undefined ? [] : [`${count(rate)}${noun}/s`];
  const left =
    total === undefined || rate === undefined || rate <= 0 ? [] : [`${spanText((total - done) / rate)} left`];
  const name = escapeControls(what);
  const amount = `${count(done)}${of}${noun}`;
  const forms = [
    [...percent, amount, ...speed, ...left],
    [...percent, amount, ...left],
    [...percent, amount],
    percent.length > 0 ? percent : [amount],
  ];
  for (const parts of forms) {
    const text = parts.join('  ');
    const free = columns - name.length - text.length - 4;
    if (share !== undefined && free >= BAR_COLUMNS_MIN) return `${name}  ${bar(share, free)}  ${text}`;
    if (name.length + text.length + 2 <= columns) return `${name}  ${text}`;
  }
  return name.slice(0, Math.max(0, columns));
}

class ProgressLine implements Progress {
  readonly #screen: ProgressScreen;
  readonly #unit: string;
  readonly #timer: NodeJS.Timeout;
  readonly #startedAt: number;
  #samples: { readonly at: number; readonly done: number }[];
  #what: string;
  #done: number;
  #total: number | undefined;
  #paintedAt = Number.NEGATIVE_INFINITY;
  #isPainted = false;
  #isEnded = false;

  constructor(what: string, { unit = 'bytes', from = 0 }: ProgressOptions, screen: ProgressScreen) {
    this.#what = what;
    this.#unit = unit;
    this.#done = from;
    this.#screen = screen;
    this.#startedAt = screen.now();
    this.#samples = [{ at: this.#startedAt, done: from }];
    this.#timer = setInterval(() => this.#paint(), PAINT_MS * 2);
    this.#timer.unref();
    // Before those of the command, of which some are there for one signal only.
    process.prependListener('SIGINT', this.#onInterrupt);
    painted = this;
  }

  readonly at = (done: number, total = this.#total): void => {
    // Another part of the task begins: the speed of the one before says nothing about it.
    if (done < this.#done) this.#samples = [{ at: this.#screen.now(), done }];
    this.#done = done;
    this.#total = total;
    this.#paint();
  };

  about(what: string): void {
    this.#what = what;
    this.#paint();
  }

  clear(): void {
    if (this.#isPainted) this.#screen.write(CLEAR);
    this.#isPainted = false;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#timer);
    process.off('SIGINT', this.#onInterrupt);
    this.clear();
    if (painted === this) painted = undefined;
  }

  #paint(): void {
    const now = this.#screen.now();
    if (this.#isEnded || now - this.#startedAt < QUIET_MS || now - this.#paintedAt < PAINT_MS) return;
    const first = this.#samples[0] ?? { at: this.#startedAt, done: 0 };
    const rate = now > first.at ? ((this.#done - first.done) * 1_000) / (now - first.at) : undefined;
    this.#samples.push({ at: now, done: this.#done });
    while (this.#samples.length > 1 && now - (this.#samples[0]?.at ?? now) > RATE_MS) this.#samples.shift();
    const state = { what: this.#what, unit: this.#unit, done: this.#done, total: this.#total, rate };
    // The last column stays free: some terminals go to the next line with it.
    this.#screen.write(CLEAR + progressText(state, this.#screen.columns() - 1));
    this.#paintedAt = now;
    this.#isPainted = true;
  }

  /** The prompt of the shell comes on a clean line. A command that does not listen itself ends as it does without us. */
  readonly #onInterrupt = () => {
    this.end();
    if (process.listenerCount('SIGINT') === 0) process.kill(process.pid, 'SIGINT');
  };
}

/** The one that is on the terminal now: a process has one stderr. */
let painted: ProgressLine | undefined;

const STDERR: ProgressScreen = {
  isTerminal: process.stderr.isTTY === true && process.env.TERM !== 'dumb',
  columns: () => process.stderr.columns || COLUMNS_DEFAULT,
  write: (text) => void process.stderr.write(text),
  now: () => performance.now(),
};

function bar(share: number, free: number): string {
  const width = Math.min(BAR_COLUMNS_MAX, free);
  const full = Math.floor(share * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** 1234567 → `1,234,567`. */
function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Seconds for people: `8 s`, `3 min 20 s`, `2 h 5 min`. */
function spanText(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}
