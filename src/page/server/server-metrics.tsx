/** How the server does now, from its own metrics, looked at every two seconds: what it takes, gives, holds, and how fast it commits. */

import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { bytesText, countText, spanText } from '../parts/time.ts';
import { serverMetrics } from '../wire/server-state.ts';
import { Sparkline } from './charts.tsx';
import { type MetricLook, quantileOf, ratesOf, sumOf, sumsBy } from './figures.ts';

const EVERY_MS = 2_000;
/** Two minutes. */
const LOOKS_MAX = 61;

export function ServerMetrics() {
  const looks = useRef<readonly MetricLook[]>([]);
  const { value, error } = usePolled(
    async (signal) => {
      const look = { at: Date.now(), lines: await serverMetrics(signal) };
      looks.current = [...looks.current, look].slice(-LOOKS_MAX);
      return looks.current;
    },
    EVERY_MS,
    [],
  );
  const now = value?.at(-1);
  return (
    <section aria-label="Now" class="server-section">
      {error !== undefined && <Fault error={error} />}
      {value !== undefined && now !== undefined && (
        <>
          <dl class="server-tiles">
            <Traffic looks={value} now={now} />
            <Commits looks={value} now={now} />
            <Holdings now={now} />
            <Process looks={value} now={now} />
          </dl>
          <Otlp now={now} />
        </>
      )}
    </section>
  );
}

interface NowProps {
  readonly now: MetricLook;
}
interface LooksProps extends NowProps {
  readonly looks: readonly MetricLook[];
}

function Traffic({ looks, now }: LooksProps) {
  const records = ratesOf(looks, 'tailrace_appended_records_total');
  const bytes = ratesOf(looks, 'tailrace_appended_bytes_total');
  const given = ratesOf(looks, 'tailrace_read_records_total');
  const readers = sumOf(now, 'tailrace_open_readers') ?? 0;
  const lag = sumOf(now, 'tailrace_reader_lag_records_max') ?? 0;
  return (
    <>
      <Tile
        name="Records in"
        figure={`${countText(lastOf(records))}/s`}
        about={`${countText(sumOf(now, 'tailrace_appended_records_total') ?? 0)} since its start`}
        rates={records}
      />
      <Tile
        name="Bytes in"
        figure={`${bytesText(lastOf(bytes))}/s`}
        about={`${bytesText(sumOf(now, 'tailrace_appended_bytes_total') ?? 0)} since its start`}
        rates={bytes}
      />
      <Tile
        name="Records read"
        figure={`${countText(lastOf(given))}/s`}
        about={readersText(readers, lag)}
        rates={given}
      />
    </>
  );
}

function Commits({ looks, now }: LooksProps) {
  const name = 'tailrace_commit_latency_seconds';
  const recent = quantileOf(now, looks[0] === now ? undefined : looks[0], name, 0.5);
  const [before, span] = recent === undefined ? [undefined, 'since its start'] : [looks[0], 'in the last two minutes'];
  const median = recent ?? quantileOf(now, undefined, name, 0.5);
  const high = quantileOf(now, before === now ? undefined : before, name, 0.99);
  const answer = quantileOf(now, before === now ? undefined : before, 's2_append_ack_latency_seconds', 0.99);
  if (median === undefined || high === undefined) {
    return <Tile name="Commit to disk" figure="–" about="nothing was written since its start" />;
  }
  return (
    <Tile
      name="Commit to disk"
      figure={secondsText(median)}
      about={`half of them; 99 of 100 within ${secondsText(high)}${answer === undefined ? '' : `, acknowledged within ${secondsText(answer)}`}, ${span}`}
    />
  );
}

function Holdings({ now }: NowProps) {
  const held = sumOf(now, 'tailrace_memory_reserved_bytes') ?? 0;
  const limit = sumOf(now, 'tailrace_memory_limit_bytes') ?? 0;
  const used = sumOf(now, 'tailrace_store_used_bytes') ?? 0;
  const free = sumOf(now, 'tailrace_store_free_bytes');
  const file = sumOf(now, 'tailrace_store_file_bytes') ?? 0;
  return (
    <>
      <Tile
        name="Store"
        figure={bytesText(used)}
        about={`in a file of ${bytesText(file)}${free === undefined ? '' : `; ${bytesText(free)} free`}`}
      >
        {free !== undefined && <Share part={used} whole={used + free} label="Used of the space for the store" />}
      </Tile>
      <Tile
        name="Memory of requests"
        figure={bytesText(held)}
        about={`of ${bytesText(limit)}; beyond it requests get 503`}
      >
        <Share part={held} whole={limit} label="Held of the memory for requests" />
      </Tile>
      <Tile
        name="Connections"
        figure={countText(sumOf(now, 'tailrace_open_connections') ?? 0)}
        about={countedText(sumOf(now, 'tailrace_open_streams') ?? 0, 'stream', 'streams', 'in memory')}
      />
    </>
  );
}

function Process({ looks, now }: LooksProps) {
  const processor = lastOf(ratesOf(looks, 'process_cpu_seconds_total'));
  const started = sumOf(now, 'process_start_time_seconds');
  const files = sumOf(now, 'process_open_fds');
  return (
    <Tile
      name="Process"
      figure={bytesText(sumOf(now, 'process_resident_memory_bytes') ?? 0)}
      about={[
        `${Math.round(100 * processor)} % of a processor`,
        ...(files === undefined ? [] : [`${countText(files)} open files`]),
        ...(started === undefined ? [] : [`up ${spanText(now.at - 1_000 * started)}`]),
      ].join(', ')}
    />
  );
}

function Tile(props: {
  readonly name: string;
  readonly figure: string;
  readonly about: string;
  readonly rates?: readonly number[];
  readonly children?: ComponentChildren;
}) {
  const { name, figure, about, rates, children } = props;
  return (
    <div class="server-tile">
      <dt>{name}</dt>
      <dd class="server-figure">{figure}</dd>
      <dd class="muted">{about}</dd>
      {rates !== undefined && (
        <dd>
          <Sparkline values={rates} label={`${name} over the last two minutes, now ${figure}`} />
        </dd>
      )}
      {children !== undefined && <dd>{children}</dd>}
    </div>
  );
}

function Share({ part, whole, label }: { readonly part: number; readonly whole: number; readonly label: string }) {
  return <meter class="server-share" min={0} max={Math.max(1, whole)} value={part} aria-label={label} />;
}

const SIGNALS = ['logs', 'traces', 'metrics'] as const;

/** What senders get: what was taken, and by which reasons it was not. */
function Otlp({ now }: NowProps) {
  const answers = sumsBy(now, 'tailrace_otlp_requests_total', 'status');
  if (answers.length === 0) return null;
  return (
    <table class="table server-table server-otlp">
      <caption>OTLP since its start</caption>
      <thead>
        <tr>
          <th scope="col">Signal</th>
          <th scope="col" class="number">
            Stored
          </th>
          <th scope="col">Rejected</th>
          <th scope="col">Answers</th>
        </tr>
      </thead>
      <tbody>
        {SIGNALS.map((signal) => (
          <tr key={signal}>
            <th scope="row">{signal}</th>
            <td class="number">{countText(sumOf(now, 'tailrace_otlp_accepted_total', { signal }) ?? 0)}</td>
            <td>{pairsText(sumsBy(now, 'tailrace_otlp_rejected_total', 'reason', { signal }))}</td>
            <td>{pairsText(sumsBy(now, 'tailrace_otlp_requests_total', 'status', { signal }))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function pairsText(pairs: readonly (readonly [string, number])[]): string {
  return pairs.length === 0 ? '–' : pairs.map(([key, count]) => `${key}: ${countText(count)}`).join(', ');
}

function readersText(readers: number, lag: number): string {
  if (readers === 0) return 'no reader now';
  return `${countedText(readers, 'reader', 'readers', '')}, ${lag === 0 ? 'level with what comes in' : `the last ${countText(lag)} records behind`}`;
}

function countedText(count: number, one: string, many: string, after: string): string {
  return `${countText(count)} ${count === 1 ? one : many} ${after}`.trim();
}

function secondsText(seconds: number): string {
  return spanText(1_000 * seconds);
}

function lastOf(rates: readonly number[]): number {
  return Number((rates.at(-1) ?? 0).toPrecision(3));
}
