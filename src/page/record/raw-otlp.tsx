/** The record as OTLP/JSON, fetched when it is asked for. */

import { useEffect, useState } from 'preact/hooks';
import { CopyButton } from '../parts/copy-button.tsx';
import { Fault } from '../parts/fault.tsx';
import { basin } from '../state/session.ts';
import { readOtlpJson } from '../wire/one-record.ts';
import type { RowAddress } from '../wire/rows.ts';
import { JsonTree } from './json-tree.tsx';

/** Down to the fields of the record. */
const RAW_OPEN_DEPTH = 7;

type Fetched = { readonly json: object | undefined } | { readonly error: unknown };

export function RawOtlp({ address }: { readonly address: RowAddress }) {
  const [isOpen, setOpen] = useState(false);
  const [fetched, setFetched] = useState<Fetched | undefined>();
  const { stream, seqNum } = address;
  useEffect(() => {
    if (!isOpen) return;
    const abort = new AbortController();
    setFetched(undefined);
    readOtlpJson(basin.peek(), { stream, seqNum }, abort.signal).then(
      (json) => setFetched({ json: json as object | undefined }),
      (error: unknown) => abort.signal.aborted || setFetched({ error }),
    );
    return () => abort.abort();
  }, [isOpen, stream, seqNum]);
  return (
    <details class="record-part" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <h3>Raw OTLP</h3>
      </summary>
      {isOpen && <Content fetched={fetched} />}
    </details>
  );
}

function Content({ fetched }: { readonly fetched: Fetched | undefined }) {
  if (fetched === undefined) return <p class="muted">Reading…</p>;
  if ('error' in fetched) return <Fault error={fetched.error} />;
  const { json } = fetched;
  if (json === undefined) return <p class="muted">This record is not OTLP: it was appended as it is.</p>;
  return (
    <div class="record-raw">
      <CopyButton text={() => JSON.stringify(json, null, 2)} label="Copy OTLP/JSON" />
      <JsonTree value={json} openDepth={RAW_OPEN_DEPTH} />
    </div>
  );
}
