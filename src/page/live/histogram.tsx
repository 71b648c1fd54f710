/** How many records came when, by level: drag over it to see that time. */

import { useRef, useState } from 'preact/hooks';
import { errorText } from '../parts/fault.tsx';
import { countText, timeStyle, timeText } from '../parts/time.ts';
import { change, place } from '../state/place.ts';
import { HISTORY_BARS, type HistoryBar, type LevelHistory, SPANS } from './level-history.ts';
import { useRepaints } from './use-repaints.ts';

const HEIGHT = 40;
/** Of a bar that is not empty. */
const HEIGHT_MIN = 1.5;

export function Histogram({ history }: { readonly history: LevelHistory }) {
  useRepaints(history.version);
  const now = Date.now();
  const bars = history.bars(now);
  const most = Math.max(1, ...bars.map(({ error, warn, other }) => error + warn + other));
  const [drag, setDrag] = useState<readonly [number, number] | undefined>();
  const box = useRef<HTMLDivElement>(null);
  const barAt = (event: PointerEvent): number => {
    const { left = 0, width = 1 } = box.current?.getBoundingClientRect() ?? {};
    return Math.min(HISTORY_BARS - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * HISTORY_BARS)));
  };
  const end = (): void => {
    if (drag === undefined) return;
    setDrag(undefined);
    const [from, to] = [bars[Math.min(...drag)]?.from, bars[Math.max(...drag)]?.to];
    if (from === undefined || to === undefined) return;
    change({ from: iso(from), until: to >= now ? undefined : iso(to), row: undefined, show: undefined });
  };
  const [first, last] = [drag === undefined ? 0 : Math.min(...drag), drag === undefined ? -1 : Math.max(...drag)];
  return (
    <div class="histogram">
      <div
        ref={box}
        class="histogram-bars"
        role="img"
        aria-label={summary(bars, history)}
        title="Drag to see a time"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag([barAt(event), barAt(event)]);
        }}
        onPointerMove={(event) => drag !== undefined && setDrag([drag[0], barAt(event)])}
        onPointerUp={end}
        onPointerCancel={() => setDrag(undefined)}
      >
        <svg viewBox={`0 0 ${HISTORY_BARS} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {bars.map((bar, i) => (
            <Bar key={bar.from} bar={bar} at={i} most={most} />
          ))}
          {drag !== undefined && (
            <rect class="histogram-drag" x={first} y={0} width={last - first + 1} height={HEIGHT} />
          )}
        </svg>
      </div>
      <div class="histogram-foot muted">
        <span>{timeText(bars[0]?.from ?? now, times(), now)}</span>
        <span>
          {history.error === undefined ? headline(bars, history) : `not counted: ${errorText(history.error)}`}
        </span>
        <SpanChoice />
      </div>
    </div>
  );
}

function times() {
  return timeStyle.value === 'utc' ? 'utc' : 'local';
}

function Bar({ bar, at, most }: { readonly bar: HistoryBar; readonly at: number; readonly most: number }) {
  const { error, warn, other } = bar;
  const px = (count: number): number => (count === 0 ? 0 : Math.max(HEIGHT_MIN, (count / most) * HEIGHT));
  const [low, middle, high] = [px(error), px(warn), px(other)];
  const rect = (name: string, height: number, below: number) =>
    height === 0 ? null : <rect class={name} x={at + 0.08} width={0.84} y={HEIGHT - below - height} height={height} />;
  return (
    <>
      {rect('bar-error', low, 0)}
      {rect('bar-warn', middle, low)}
      {rect('bar-other', high, low + middle)}
    </>
  );
}

function SpanChoice() {
  return (
    <select
      class="field"
      aria-label="Time shown"
      value={place.value.query.span ?? '15m'}
      onChange={({ currentTarget }) => change({ span: currentTarget.value }, { isSamePage: true })}
    >
      {Object.keys(SPANS).map((span) => (
        <option key={span} value={span}>
          last {span}
        </option>
      ))}
    </select>
  );
}

function totals(bars: readonly HistoryBar[]): { readonly records: number; readonly errors: number } {
  const errors = bars.reduce((sum, { error }) => sum + error, 0);
  return { records: bars.reduce((sum, { error, warn, other }) => sum + error + warn + other, 0), errors };
}

function headline(bars: readonly HistoryBar[], { uncounted }: LevelHistory): string {
  const { records, errors } = totals(bars);
  const left = uncounted > 0 ? `, ${countText(uncounted)} ${uncounted === 1 ? 'stream' : 'streams'} not counted` : '';
  return `${countText(records)} records, ${countText(errors)} errors${left}`;
}

function summary(bars: readonly HistoryBar[], history: LevelHistory): string {
  return `${headline(bars, history)} in the last ${Math.round(history.spanMs / 60_000)} minutes`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
