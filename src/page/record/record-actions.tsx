/** What one can do with a record: copy it in several forms, and go to its trace, its conversation and itself. */

import { CopyButton } from '../parts/copy-button.tsx';
import { hrefOf } from '../state/place.ts';
import { basin, who } from '../state/session.ts';
import { addressText, type Row, type RowAddress } from '../wire/rows.ts';
import { type CopyContext, commandText, curlText, linkText } from './copy-texts.ts';

/** Spans and logs that are about a language model. */
export function isAboutModel({ spanType, model, input, output }: Row): boolean {
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
