/**
 * The whole screen of a terminal, which is given back as it was whatever ends the process: the alternate screen, no
 * cursor, and keys as they are pressed. A frame is one write, of the lines that changed.
 */

import type { TopSize } from './view.ts';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J';
const LEAVE = '\u001b[?25h\u001b[?1049l';
/** Of a terminal that does not say. */
const ROWS_DEFAULT = 24;
const COLUMNS_DEFAULT = 80;
const ROWS_MIN = 6;
const COLUMNS_MIN = 20;

export class FullScreen {
  #lines: readonly string[] = [];
  #isEntered = false;
  #wanted: readonly string[] | undefined;

  constructor() {
    // What is not caught is reported by the runtime: on the screen that stays.
    process.on('uncaughtExceptionMonitor', () => this.leave());
    process.on('exit', () => this.leave());
  }

  get size(): TopSize {
    const { rows, columns } = process.stdout;
    return {
      rows: Math.max(ROWS_MIN, rows || ROWS_DEFAULT),
      columns: Math.max(COLUMNS_MIN, columns || Number(process.env.COLUMNS) || COLUMNS_DEFAULT),
    };
  }

  enter(): void {
    if (this.#isEntered) return;
    this.#isEntered = true;
    this.#lines = [];
    process.stdin.setRawMode(true);
    process.stdout.write(ENTER);
  }

  /** Gives the screen back. Keys still come as they are pressed, when they are asked for. */
  leave({ keepsKeys = false } = {}): void {
    if (!keepsKeys) setRaw(false);
    if (!this.#isEntered) return;
    this.#isEntered = false;
    process.stdout.write(LEAVE);
  }

  /** The size has changed: nothing on the screen is known any more. */
  forget(): void {
    this.#lines = [];
    if (this.#isEntered) process.stdout.write('\u001b[2J');
  }

  /** Shows the lines; the newest ones later while a slow line has not taken the last ones. */
  draw(lines: readonly string[]): void {
    if (!this.#isEntered) return;
    if (process.stdout.writableNeedDrain) {
      if (this.#wanted === undefined) process.stdout.once('drain', () => this.#drawWanted());
      this.#wanted = lines;
      return;
    }
    const changed = lines.flatMap((line, row) =>
      line === this.#lines[row] ? [] : [`\u001b[${row + 1};1H${line}\u001b[K`],
    );
    this.#lines = lines;
    if (changed.length > 0) process.stdout.write(changed.join(''));
  }

  #drawWanted(): void {
    const lines = this.#wanted;
    this.#wanted = undefined;
    if (lines !== undefined) this.draw(lines);
  }
}

/** Not possible any more when the terminal is gone. */
function setRaw(isRaw: boolean): void {
  try {
    if (process.stdin.isTTY) process.stdin.setRawMode(isRaw);
  } catch {}
}
