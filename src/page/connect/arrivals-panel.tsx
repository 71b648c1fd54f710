/** What comes in, looked at every second: the last request first, with what was wrong with it and what to do. */

import { useRef } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { timeStyle, timeText } from '../parts/time.ts';
import { hrefOf } from '../state/place.ts';
import { basin, may, who } from '../state/session.ts';
import type { SendersPage } from '../wire/senders.ts';
import { lastSenders } from '../wire/server-state.ts';
import { type Arrival, ageText, arrivalsOf, type Baseline, baselineOf } from './arrivals.ts';

const EVERY_MS = 1_000;
const SHOWN = 8;

export function ArrivalsPanel({ stream, endpoint }: { readonly stream: string; readonly endpoint: string }) {
  const seesAll = may('account-metrics');
  return (
    <aside class="connect-arrivals" aria-label="What comes in">
      <h2>
        <span class="connect-pulse" aria-hidden="true" /> What comes in
      </h2>
      {seesAll || may('basin-metrics') ? (
        <Arrivals seesAll={seesAll} stream={stream} endpoint={endpoint} />
      ) : (
        <p>
          Your token <strong>{who.value?.id}</strong> may not see who sends. Ask for one with{' '}
          <code>--ops basin-metrics</code>, or see what arrives <LiveLink stream={stream}>in Live</LiveLink>.
        </p>
      )}
    </aside>
  );
}

function Arrivals(props: { readonly seesAll: boolean; readonly stream: string; readonly endpoint: string }) {
  const { seesAll, stream, endpoint } = props;
  const { value, error } = usePolled((signal) => lastSenders(seesAll ? undefined : basin.value, signal), EVERY_MS, [
    seesAll,
    basin.value,
  ]);
  const baseline = useBaseline(value);
  if (value === undefined) return error === undefined ? <p class="muted">…</p> : <Fault error={error} />;
  const now = Date.parse(value.now);
  const here = { ...value, senders: value.senders.filter((one) => one.basin === null || one.basin === basin.value) };
  const arrivals = arrivalsOf(here, baseline);
  const [last, ...others] = arrivals;
  const success = arrivals.find(({ type, isNew }) => type === 'stored' && isNew);
  return (
    <>
      {error !== undefined && <Fault error={error} />}
      {success !== undefined && <Success arrival={success} stream={stream} now={now} />}
      {last === undefined ? (
        <Waiting endpoint={endpoint} since={value.since} />
      ) : (
        <ol class="connect-list">
          {(last === success ? others : arrivals).slice(0, SHOWN).map((arrival) => (
            <ArrivalRow
              key={arrival.key}
              arrival={arrival}
              isLast={arrival === last}
              isPast={!arrival.isNew || arrival.at < (success?.at ?? 0)}
              now={now}
            />
          ))}
        </ol>
      )}
      {arrivals.length > SHOWN + 1 && (
        <p class="muted">
          {arrivals.length - SHOWN - 1} more in <a href={hrefOf('senders', { basin: basin.value })}>Senders</a>
        </p>
      )}
      {!seesAll && (
        <p class="muted">
          Requests without a valid token are not shown to your token: they belong to no basin. That needs
          account-metrics.
        </p>
      )}
      <NothingArrives />
    </>
  );
}

/** What was there when the screen was opened; a server that was started again counts anew. */
function useBaseline(page: SendersPage | undefined): Baseline {
  const kept = useRef<{ readonly since: string; readonly counts: Baseline } | undefined>(undefined);
  if (page !== undefined && kept.current?.since !== page.since) {
    kept.current = { since: page.since, counts: kept.current === undefined ? baselineOf(page) : new Map() };
  }
  return kept.current?.counts ?? new Map();
}

function Success({
  arrival,
  stream,
  now,
}: {
  readonly arrival: Arrival;
  readonly stream: string;
  readonly now: number;
}) {
  const { streams } = arrival;
  const isElsewhere = streams.length > 0 && !streams.includes(stream);
  return (
    <div class="connect-success">
      <p role="status">
        <span class="connect-tick" aria-hidden="true">
          ✓
        </span>
        <strong>It works.</strong> {arrival.title}.
      </p>
      {isElsewhere && (
        <p>Not in {stream}: a stream is named by the resource attribute s2.stream, and without it by service.name.</p>
      )}
      <div class="buttons">
        <LiveLink stream={isElsewhere ? (streams[0] ?? stream) : stream} isButton>
          See it live
        </LiveLink>
        <span class="muted">{ageText(now - arrival.at)}</span>
      </div>
    </div>
  );
}

interface ArrivalRowProps {
  readonly arrival: Arrival;
  readonly isLast: boolean;
  /** It needs nothing any more: data has come since, or it is older than the visit. */
  readonly isPast: boolean;
  readonly now: number;
}

const MARKS = { stored: '✓', rejected: '!', refused: '✕' } as const;

function ArrivalRow({ arrival, isLast, isPast, now }: ArrivalRowProps) {
  const { type, title, message, fix, at, isNew } = arrival;
  return (
    <li class={`connect-arrival ${type} ${isPast ? 'past' : 'now'}`}>
      <span class="connect-mark" aria-hidden="true">
        {MARKS[type]}
      </span>
      <div>
        <p>
          {isLast && 'Last request: '}
          <strong>{title}</strong>
          {', '}
          <time dateTime={new Date(at).toISOString()} title={timeText(at, timeStyle.value, now)}>
            {ageText(now - at)}
          </time>
          {!isNew && <span class="muted"> (before you came)</span>}
        </p>
        {message !== undefined && (
          <p class="connect-message" role={!isPast && isLast ? 'status' : undefined}>
            {message}
          </p>
        )}
        {fix !== undefined && !isPast && <p class="connect-fix">{fix}</p>}
      </div>
    </li>
  );
}

function Waiting({ endpoint, since }: { readonly endpoint: string; readonly since: string }) {
  return (
    <p role="status">
      Nothing yet: no request to <code>{endpoint}</code> since {timeText(since, timeStyle.value, Date.parse(since))}. It
      shows here within a second, also when it is refused.
    </p>
  );
}

function LiveLink(props: { readonly stream: string; readonly children: string; readonly isButton?: boolean }) {
  const href = hrefOf('live', { basin: basin.value, streams: props.stream });
  return (
    <a class={props.isButton === true ? 'button primary' : undefined} href={href}>
      {props.children}
    </a>
  );
}

function NothingArrives() {
  return (
    <details class="connect-help">
      <summary>Nothing arrives?</summary>
      <ul>
        <li>
          <strong>The program has ended.</strong> SDKs send in batches: it must call <code>shutdown()</code> before it
          ends.
        </li>
        <li>
          <strong>Other variables.</strong> They count in the shell in which they were set, and for programs that are
          started after that.
        </li>
        <li>
          <strong>gRPC.</strong> SDKs of Java and .NET use it unless <code>OTEL_EXPORTER_OTLP_PROTOCOL</code> says
          http/protobuf. It has a port of its own.
        </li>
        <li>
          <strong>Another machine or a container.</strong> There, 127.0.0.1 is another one.
        </li>
        <li>
          <code>npx tailrace doctor</code> checks address, token and clock from where the program runs.
        </li>
      </ul>
    </details>
  );
}
