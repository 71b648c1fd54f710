/** Lines on a terminal that are drawn again and again, each time over those before; elsewhere only the last ones are written. */

import type { Output } from './console.ts';

export interface LiveLines {
  /** Shows lines in place of those before. Those that a screen has no place for wait for the end. */
  draw(lines: readonly string[]): Promise<void>;
  /** The last lines, all of them. They stay. */
  end(lines: readonly string[]): Promise<void>;
}

/** A screen that does not say how high it is. */
const ROWS_DEFAULT = 24;
const CLEAR_BELOW = '\u001b[0J';

/** No line may be wider than the terminal. */
export function createLiveLines(output: Output, rows: () => number | undefined = () => process.stdout.rows): LiveLines {
  let drawn = 0;
  const back = () => (drawn === 0 ? '' : `\u001b[${drawn}A\r${CLEAR_BELOW}`);
  return {
    async draw(lines) {
      if (!output.isTty) return;
      const shown = lines.slice(0, Math.max(1, (rows() || ROWS_DEFAULT) - 2));
      await output.write(`${back()}${shown.map((line) => `${line}\n`).join('')}`);
      drawn = shown.length;
    },
    async end(lines) {
      await output.write(`${back()}${lines.map((line) => `${line}\n`).join('')}`);
      drawn = 0;
    },
  };
}
