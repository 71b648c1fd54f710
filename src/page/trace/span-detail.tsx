/** The chosen span beside the waterfall: what it means for the trace, its logs and events, and its whole record. */

import { useEffect, useState } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { LevelMark } from '../parts/level.tsx';
import { countText, spanText } from '../parts/time.ts';
import { RecordDetail } from '../record/record-detail.tsx';
import { place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { WireError } from '../wire/call.ts';
import { readRows } from '../wire/read.ts';
import type { Row } from '../wire/rows.ts';
import { select } from './navigation.ts';
import type { SpanNode, SpanTree } from './span-tree.ts';

const LOGS_MAX = 200;

export function SpanDetail({ node, tree }: { readonly node: SpanNode; readonly tree: SpanTree }) {
  const log = node.logs.find(({ key }) => key === place.value.query.row);
  const shown = log ?? node;
  return (
    <aside class="trace-detail" aria-label="The chosen span" tabIndex={-1}>
      <div class="trace-detail-head">
        <SpanFacts node={node} tree={tree} />
        <button type="button" class="button quiet" aria-label="Close" onClick={() => select(undefined)}>
          ✕
        </button>
      </div>
      <Moments node={node} tree={tree} chosen={log?.key} />
      <FetchedRecord key={shown.key} stream={shown.stream} seqNum={shown.seqNum} />
    </aside>
  );
}

function SpanFacts({ node, tree }: { readonly node: SpanNode; readonly tree: SpanTree }) {
  if (node.type === 'log') return <p>A log of the trace that names no span in it.</p>;
  const total = tree.endMs - tree.startMs;
  const length = (node.endMs ?? tree.endMs) - node.startMs;
  const waited = node.critical.reduce((sum, [from, to]) => sum + to - from, 0);
  const facts: readonly (readonly [string, string])[] = [
    ['began', `+${spanText(node.startMs - tree.startMs)}`],
    ['took', node.endMs === undefined ? `open, ${spanText(length)} so far` : spanText(length)],
    ['of its own', `${spanText(node.selfMs)}${length > 0 ? ` (${Math.round((node.selfMs / length) * 100)} %)` : ''}`],
    [
      'trace waited for it',
      total > 0 ? `${spanText(waited)} (${Math.round((waited / total) * 100)} %)` : spanText(waited),
    ],
    ['spans below', countText(node.children.length)],
  ];
  return (
    <dl class="trace-facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt class="muted">{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      {node.earlyMs > 0 && (
        <div>
          <dt class="muted">clocks</dt>
          <dd>
            began {spanText(node.earlyMs)} before its parent: the clocks of the two machines differ by at least that
          </dd>
        </div>
      )}
    </dl>
  );
}

/** Logs as buttons that show them, events as text: they stand in the record below. */
function Moments(props: { readonly node: SpanNode; readonly tree: SpanTree; readonly chosen: string | undefined }) {
  const { node, tree, chosen } = props;
  if (node.logs.length === 0) return null;
  return (
    <section class="trace-moments" aria-label="Logs of the span">
      <h3>Logs ({countText(node.logs.length)})</h3>
      <ul>
        {node.logs.slice(0, LOGS_MAX).map((log) => (
          <li key={log.key}>
            <button
              type="button"
              class="trace-log"
              aria-pressed={log.key === chosen}
              onClick={() => select(log.key === chosen ? node : log)}
            >
              <span class="muted mono">+{spanText(log.startMs - tree.startMs)}</span>
              <LevelMark level={log.level} />
              <span>{log.name}</span>
            </button>
          </li>
        ))}
      </ul>
      {node.logs.length > LOGS_MAX && <p class="muted">and {countText(node.logs.length - LOGS_MAX)} more</p>}
    </section>
  );
}

/** Rows of a large trace are not kept: the chosen one is read again. */
function FetchedRecord({ stream, seqNum }: { readonly stream: string; readonly seqNum: number }) {
  const [row, setRow] = useState<Row | undefined>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const abort = new AbortController();
    readRows(basin.peek(), stream, { seq_num: seqNum, count: 1 }, { signal: abort.signal }).then(
      ({ rows }) => {
        const found = rows.find((each) => each.seqNum === seqNum);
        if (found === undefined)
          setError(new WireError('not_found', `${stream} #${seqNum} was trimmed meanwhile`, 404));
        setRow(found);
      },
      (thrown: unknown) => abort.signal.aborted || setError(thrown),
    );
    return () => abort.abort();
  }, [stream, seqNum]);
  if (error !== undefined) return <Fault error={error} />;
  return row === undefined ? <p class="muted">Reading…</p> : <RecordDetail stream={stream} row={row} />;
}
