/** Everything in one record: what it is, when, its body, its attributes; shown alone and beside lists. */

import { useEffect, useId, useState } from 'preact/hooks';
import { hueOf } from '../parts/hue.ts';
import { LevelMark } from '../parts/level.tsx';
import { agoText, bytesText, countText, dayText, millisOf, spanText, timeStyle, timeText } from '../parts/time.ts';
import { basin } from '../state/session.ts';
import { readStoredFacts, type StoredFacts } from '../wire/one-record.ts';
import type { Json, Row, RowAddress } from '../wire/rows.ts';
import { holds, PairList } from './pair-list.tsx';
import { oneLine } from './printable.ts';
import { RawOtlp } from './raw-otlp.tsx';
import { RecordActions } from './record-actions.tsx';
import { factsOf, partsOf, type ShownPart } from './record-parts.ts';
import './record.css';
import { ValueView } from './value-view.tsx';

/** Who goes through rows with a key held down asks for none of those in between. */
const STORED_DELAY_MS = 150;
/** Records with fewer values need no field to search in. */
const FIND_PAIRS_MIN = 8;

export function RecordDetail({ stream, row }: { readonly stream: string; readonly row: Row }) {
  const [find, setFind] = useState('');
  const findId = useId();
  const address = { stream, seqNum: row.seqNum };
  const facts: ShownPart = { title: 'Record', pairs: factsOf(row), isOpen: true };
  const parts = partsOf(row);
  const count = parts.reduce((sum, { pairs }) => sum + pairs.length, facts.pairs.length);
  const needle = find.trim();
  return (
    <article class="record" aria-label={`Record ${stream} #${row.seqNum}`}>
      <Head stream={stream} row={row} />
      <RecordActions address={address} row={row} />
      {count >= FIND_PAIRS_MIN && (
        <div class="record-find">
          <label class="unseen" for={findId}>
            Find in this record
          </label>
          <input
            id={findId}
            class="field"
            type="search"
            placeholder="Find in this record"
            value={find}
            onInput={({ currentTarget }) => setFind(currentTarget.value)}
          />
        </div>
      )}
      <Content title="Body" value={row.body} find={needle} />
      <Content title="Input" value={row.input} find={needle} />
      <Content title="Output" value={row.output} find={needle} />
      {[facts, ...parts].map((part) => (
        <Part key={part.title} part={part} find={needle} />
      ))}
      {needle !== '' && <FindOutcome row={row} parts={[facts, ...parts]} find={needle} />}
      {row.signal !== null && <RawOtlp address={address} />}
    </article>
  );
}

function Head({ stream, row }: { readonly stream: string; readonly row: Row }) {
  const stored = useStoredFacts({ stream, seqNum: row.seqNum });
  const style = timeStyle.value === 'relative' ? 'local' : timeStyle.value;
  const at = millisOf(row.timestamp);
  return (
    <header class="record-head">
      <h2>
        <Kind row={row} />
        {row.serviceName !== undefined && (
          <span style={{ color: hueOf(row.serviceName) }}>{oneLine(row.serviceName)}</span>
        )}
        <span class="record-title">{titleOf(row)}</span>
      </h2>
      <p>
        <strong class="mono">
          {stream} #{row.seqNum}
        </strong>
        <time dateTime={row.timestamp} title={row.timestamp}>
          {dayText(row.timestamp, style)} {timeText(row.timestamp, style, 0)}
        </time>
        <span class="muted">{agoText(Date.now() - at)}</span>
        {row.durationMs !== undefined && <span>took {spanText(row.durationMs)}</span>}
      </p>
      <p class="muted" role="status">
        {stored === undefined ? '\u00a0' : storedText(row, stored)}
      </p>
    </header>
  );
}

function Kind({ row }: { readonly row: Row }) {
  if (row.signal === 'traces') {
    const isFailed = row.status?.code === 'error';
    return <span class={isFailed ? 'level level-error' : 'level'}>{isFailed ? 'SPAN ✗' : 'SPAN'}</span>;
  }
  if (row.signal === 'metrics') return <span class="level">METRIC</span>;
  return row.signal === null ? <span class="level">RECORD</span> : <LevelMark level={row.level} />;
}

function titleOf({ type, body, signal }: Row): string {
  if (type !== undefined && signal !== 'logs') return oneLine(type);
  const text = typeof body === 'string' ? body : JSON.stringify(body ?? type ?? '');
  const line = oneLine(text.slice(0, 400));
  return line.length > 160 ? `${line.slice(0, 160)}…` : line;
}

/** `stored 3 ms after it was observed, 412 B`. A clock that is wrong is said so. */
function storedText({ observedTimestamp, endTimestamp, timestamp }: Row, { storedMs, bodyBytes }: StoredFacts): string {
  const what =
    observedTimestamp !== undefined ? 'it was observed' : endTimestamp !== undefined ? 'its end' : 'its time';
  const late = storedMs - millisOf(observedTimestamp ?? endTimestamp ?? timestamp);
  const size = bytesText(bodyBytes);
  if (!Number.isFinite(late)) return `stored, ${size}`;
  return late < -1
    ? `stored ${spanText(-late)} before ${what}: the clock of the sender is ahead; ${size}`
    : `stored ${late < 1 ? 'within 1 ms' : spanText(late)} after ${what}, ${size}`;
}

function useStoredFacts({ stream, seqNum }: RowAddress): StoredFacts | undefined {
  const [facts, setFacts] = useState<StoredFacts | undefined>();
  useEffect(() => {
    const abort = new AbortController();
    setFacts(undefined);
    const timer = setTimeout(() => {
      // Only a line more or less: what is wrong with the server is told elsewhere.
      readStoredFacts(basin.peek(), { stream, seqNum }, abort.signal).then(setFacts, () => {});
    }, STORED_DELAY_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [stream, seqNum]);
  return facts;
}

function Content(props: { readonly title: string; readonly value: Json | undefined; readonly find: string }) {
  const { title, value, find } = props;
  if (value === undefined || value === null || value === '') return null;
  return (
    <section class="record-part" aria-label={title}>
      <h3>{title}</h3>
      <div class="record-body">
        <ValueView value={value} find={find} />
      </div>
    </section>
  );
}

function Part({ part, find }: { readonly part: ShownPart; readonly find: string }) {
  const pairs = find === '' ? part.pairs : part.pairs.filter((pair) => holds(pair, find));
  if (pairs.length === 0) return null;
  return (
    <details class="record-part" open={part.isOpen || find !== ''}>
      <summary>
        <h3>{part.title}</h3>
        <span class="muted">{countText(pairs.length)}</span>
      </summary>
      <PairList pairs={pairs} find={find} />
    </details>
  );
}

function FindOutcome(props: { readonly row: Row; readonly parts: readonly ShownPart[]; readonly find: string }) {
  const { row, parts, find } = props;
  const all = parts.flatMap(({ pairs }) => pairs);
  const count = all.filter((pair) => holds(pair, find)).length;
  const content = JSON.stringify([row.body, row.input, row.output]).toLowerCase();
  if (count === 0 && !content.includes(find.toLowerCase())) {
    return (
      <p class="muted" role="status">
        Nothing in this record holds “{find}”.
      </p>
    );
  }
  return (
    <p class="muted" role="status">
      {countText(count)} of {countText(all.length)} values hold “{find}”.
    </p>
  );
}
