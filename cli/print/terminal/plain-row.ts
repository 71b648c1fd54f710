/** A record that is not OpenTelemetry: what was appended through S2, with its headers; and the commands of S2. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import { counted } from '../format.ts';
import { addPairs } from './attributes.ts';
import { listOf, printable, printableLines, type ShownPair, someText } from './printable.ts';
import type { TerminalEntry } from './terminal-entry.ts';

const TRIM_BYTES = 8;

export function layOutPlain(row: MessageRow, entry: TerminalEntry): void {
  const { main, colors, options } = entry;
  const headers = listOf(row.headers).map(
    (header): ShownPair => [String(listOf(header)[0] ?? ''), listOf(header)[1] ?? ''],
  );
  const command = commandText(row, headers);
  if (command !== undefined) {
    main.say(command, { paint: colors.magenta });
    return;
  }
  const body = someText(row.body) ?? '';
  if (row.encoding === 'base64') {
    main.put(counted(Buffer.from(body, 'base64').length, 'byte'), { paint: colors.dim });
    main.say(printable(body));
  } else {
    const [headline = '', ...rest] = printableLines(body);
    main.say(headline);
    entry.quote(rest);
  }
  if (options.attributes === 'none') return;
  addPairs(main, headers, options, colors);
}

/** `FENCE writer-1`, `TRIM before 2`: a record with one header without a name is a command. */
function commandText(row: MessageRow, headers: readonly ShownPair[]): string | undefined {
  const [[name, word] = ['-', ''], ...others] = headers;
  if (name !== '' || others.length > 0) return undefined;
  const encoding = row.encoding === 'base64' ? 'base64' : 'utf8';
  const bytes = Buffer.from(String(row.body ?? ''), encoding);
  switch (Buffer.from(String(word), encoding).toString('utf8')) {
    case 'fence':
      return bytes.length === 0 ? 'FENCE removed' : `FENCE ${printable(bytes.toString('utf8'))}`;
    case 'trim':
      return bytes.length === TRIM_BYTES ? `TRIM before ${bytes.readBigUInt64BE()}` : undefined;
    default:
      return undefined;
  }
}
