/** One record alone, as a link brings it: `#/record?row=shop:4211`, with the way to those beside it. */

import { useEffect, useState } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { useKeys } from '../state/keys.ts';
import { go, hrefOf, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { WireError } from '../wire/call.ts';
import { readBeside } from '../wire/one-record.ts';
import { addressText, parseAddress, type Row, type RowAddress } from '../wire/rows.ts';
import { RecordDetail } from './record-detail.tsx';

interface Found {
  readonly row: Row;
  readonly before: number | undefined;
  readonly after: number | undefined;
}

type State = { readonly found: Found } | { readonly error: unknown } | undefined;

export function RecordScreen() {
  const address = parseAddress(place.value.query.row);
  if (address === undefined) {
    return (
      <div class="state">
        <h1>No record</h1>
        <Fault
          message={`“${place.value.query.row ?? ''}” names no record`}
          fix="A link to a record ends with row= and the stream, a colon and its number, such as row=shop:4211. Open it from Live to get one."
        />
      </div>
    );
  }
  return <AddressedRecord address={address} />;
}

function AddressedRecord({ address }: { readonly address: RowAddress }) {
  const { stream, seqNum } = address;
  const [state, setState] = useState<State>();
  useEffect(() => {
    const abort = new AbortController();
    readBeside(basin.peek(), { stream, seqNum }, abort.signal).then(
      ({ rows }) => setState(stateOf(rows, { stream, seqNum })),
      (error: unknown) => abort.signal.aborted || setState({ error }),
    );
    return () => abort.abort();
  }, [stream, seqNum]);
  const found = state !== undefined && 'found' in state ? state.found : undefined;
  const to = (next: number | undefined): void => {
    if (next !== undefined) go('record', { basin: basin.peek(), row: addressText({ stream, seqNum: next }) });
  };
  useKeys(
    [
      { key: 'j', does: 'next record', run: () => to(found?.after) },
      { key: 'k', does: 'previous record', run: () => to(found?.before) },
    ],
    [found],
  );
  return (
    <div class="screen record-screen">
      <h1 class="unseen">
        Record {stream} #{seqNum}
      </h1>
      <div class="record-beside">
        <Beside stream={stream} seqNum={found?.before} label="← previous" />
        <Beside stream={stream} seqNum={found?.after} label="next →" />
        <a href={hrefOf('live', { basin: basin.value, streams: stream, row: addressText(address) })}>in Live</a>
      </div>
      {state !== undefined && 'error' in state && <Absent error={state.error} address={address} />}
      {found !== undefined && <RecordDetail stream={stream} row={found.row} />}
    </div>
  );
}

function stateOf(rows: readonly Row[], { stream, seqNum }: RowAddress): State {
  const row = rows.find((each) => each.seqNum === seqNum);
  if (row === undefined) return { error: new WireError('not_found', `${stream} has no record #${seqNum}`, 404) };
  const has = (number: number) => (rows.some((each) => each.seqNum === number) ? number : undefined);
  return { found: { row, before: has(seqNum - 1), after: has(seqNum + 1) } };
}

function Beside(props: { readonly stream: string; readonly seqNum: number | undefined; readonly label: string }) {
  const { stream, seqNum, label } = props;
  if (seqNum === undefined) return <span class="muted">{label}</span>;
  return <a href={hrefOf('record', { basin: basin.value, row: addressText({ stream, seqNum }) })}>{label}</a>;
}

function Absent({ error, address: { stream, seqNum } }: { readonly error: unknown; readonly address: RowAddress }) {
  const status = error instanceof WireError ? error.status : 0;
  const fix =
    status === 416
      ? `#${seqNum} is not written yet: the next record of ${stream} has a smaller number.`
      : status === 404
        ? 'It was trimmed away, or the stream is not in this basin. The basin is chosen above.'
        : undefined;
  return <Fault error={error} fix={fix} />;
}
