/** The picture of README.md: what `tail` prints on a terminal for the last ten records of a shop. */

import { layOut, rowAt } from '../../test/support/terminal-rows.ts';
import { drawTerminal } from './draw-terminal.ts';

/** Where it is stored, from the root of the repository. */
export const PICTURE_FILE = 'scripts/examples/terminal.svg';

const COLUMNS = 100;
/** As many as `tail` prints, and some of every kind. */
const RECORDS = [0, 2, 3, 5, 7, 11, 12, 13, 14, 17];

export function terminalPicture(): string {
  return drawTerminal({
    title:
      'tailrace tail on a terminal: log records, spans and metrics, one below the other, with levels and services in colour, a stack below its error, durations, statuses and units',
    command: 'npx tailrace tail shop',
    lines: layOut(RECORDS.map(rowAt), { columns: COLUMNS, colors: true }),
    columns: COLUMNS,
  });
}
