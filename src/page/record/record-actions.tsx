/** What one can do with a record: copy it in several forms, and go to its trace, its conversation and itself. */

import { CopyButton } from '../parts/copy-button.tsx';
import { hrefOf } from '../state/place.ts';
import { basin, who } from '../state/session.ts';
import { addressText, type Row, type RowAddress } from '../wire/rows.ts';

interface CopyContext {
  readonly basin: string;
  /** The address of the page without a fragment. */
  readonly origin: string;
  /** Whether the server asks for a token. */
  readonly hasToken: boolean;
}

/** Spans and logs that are about a language model. */
function isAboutModel({ spanType, model, input, output }: Row): boolean {
  return spanType !== undefined || model !== undefined || input !== undefined || output !== undefined;
}

export function RecordActions({ address, row }: { readonly address: RowAddress; readonly row: Row }) {
  const context: CopyContext = {
    basin: basin.value,
    origin: location.origin,
    hasToken: who.value !== undefined && who.value.id !== 'anyone',
  };
  const { traceId, spanId } = row;
  const trace = { basin: basin.value, trace: traceId, span: spanId };
  return (
    <div class="record-actions">
      {traceId !== undefined && (
        <a class="button" href={hrefOf('trace', trace)}>
          Trace
        </a>
      )}
      {traceId !== undefined && isAboutModel(row) && (
        <a class="button" href={hrefOf('conversation', trace)}>
          Conversation
        </a>
      )}
      <a class="button" href={hrefOf('record', { basin: basin.value, row: addressText(address) })}>
        Alone
      </a>
      <span class="record-copy">
        <CopyButton text={() => linkText(address, context)} label="Copy link" />
        <CopyButton text={() => JSON.stringify(row, null, 2)} label="JSON" />
        <CopyButton text={() => curlText(address, context)} label="curl" />
        <CopyButton text={() => commandText(address, context)} label="tailrace read" />
      </span>
    </div>
  );
}

function linkText(address: RowAddress, { basin, origin }: CopyContext): string {
  return `${origin}/${hrefOf('record', { basin, row: addressText(address) })}`;
}

/** The token is that of the shell's variable, in double quotes so that the shell puts it in. */
function curlText({ stream, seqNum }: RowAddress, { basin, origin, hasToken }: CopyContext): string {
  const url = `${origin}/v1/streams/${encodeURIComponent(stream)}/records?seq_num=${seqNum}&count=1&view=message`;
  const token = hasToken ? ' -H "Authorization: Bearer $TAILRACE_TOKEN"' : '';
  return `curl -sS${token} -H ${shellWord(`S2-Basin: ${basin}`)} ${shellWord(url)}`;
}

function commandText({ stream, seqNum }: RowAddress, { basin, origin }: CopyContext): string {
  const uri = shellWord(`s2://${basin}/${stream}`);
  return `tailrace read ${uri} --seq-num ${seqNum} --count 1 --view message --endpoint ${shellWord(origin)}`;
}

/** One word of a POSIX shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
