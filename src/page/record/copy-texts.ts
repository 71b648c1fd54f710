/** What leads to a record from elsewhere: a link, curl, the command line. No secret is in any of them. */

import { hrefOf } from '../state/place.ts';
import { addressText, type RowAddress } from '../wire/rows.ts';

export interface CopyContext {
  readonly basin: string;
  /** The address of the page without a fragment. */
  readonly origin: string;
  /** Whether the server asks for a token. */
  readonly hasToken: boolean;
}

export function linkText(address: RowAddress, { basin, origin }: CopyContext): string {
  return `${origin}/${hrefOf('record', { basin, row: addressText(address) })}`;
}

/** The token is that of the shell's variable, in double quotes so that the shell puts it in. */
export function curlText({ stream, seqNum }: RowAddress, { basin, origin, hasToken }: CopyContext): string {
  const url = `${origin}/v1/streams/${encodeURIComponent(stream)}/records?seq_num=${seqNum}&count=1&view=message`;
  const token = hasToken ? ' -H "Authorization: Bearer $TAILRACE_TOKEN"' : '';
  return `curl -sS${token} -H ${shellWord(`S2-Basin: ${basin}`)} ${shellWord(url)}`;
}

export function commandText({ stream, seqNum }: RowAddress, { basin, origin }: CopyContext): string {
  const uri = shellWord(`s2://${basin}/${stream}`);
  return `tailrace read ${uri} --seq-num ${seqNum} --count 1 --view message --endpoint ${shellWord(origin)}`;
}

/** One word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
