/** What a trace is in two lines: what it began with, how long it took, how much there is, what is odd about it. */

import { useMemo } from 'preact/hooks';
import { CopyButton } from '../parts/copy-button.tsx';
import { hueOf } from '../parts/hue.ts';
import { countText, dayText, spanText, timeStyle, timeText } from '../parts/time.ts';
import { conditionText } from '../record/condition.ts';
import { change, hrefOf, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { select } from './navigation.ts';
import type { SpanTree } from './span-tree.ts';
import { type FeedStatus, RECORDS_MAX } from './trace-feed.ts';

const SERVICES_MAX = 12;

export interface TraceHeadProps {
  readonly tree: SpanTree;
  readonly status: FeedStatus;
  readonly traceId: string;
}

export function TraceHead({ tree, status, traceId }: TraceHeadProps) {
  const first = tree.top.find(({ type }) => type === 'span') ?? tree.top[0];
  const style = timeStyle.value === 'relative' ? 'local' : timeStyle.value;
  const hasModel = useMemo(() => tree.all.some(({ spanType }) => spanType !== undefined), [tree]);
  const here = { basin: basin.value, trace: traceId };
  return (
    <header class="trace-head">
      <div class="trace-line">
        <h1>
          <span style={{ color: hueOf(first?.service ?? '') }}>{first?.service}</span> {first?.name}
        </h1>
        <strong>{spanText(tree.endMs - tree.startMs)}</strong>
        <span class="muted">
          {dayText(tree.startMs, style)} {timeText(tree.startMs, style, 0)}
        </span>
        <span>{counts(tree)}</span>
        {tree.errors > 0 && <span class="level-error">✗ {plural(tree.errors, 'error')}</span>}
        <FeedState status={status} />
        <span class="trace-links">
          {hasModel && (
            <a class="button" href={hrefOf('conversation', here)}>
              Conversation
            </a>
          )}
          <a
            class="button"
            href={hrefOf('live', {
              basin: basin.value,
              filter: `trace_id=${traceId}`,
              from: new Date(tree.startMs).toISOString(),
            })}
          >
            In Live
          </a>
          <CopyButton text={traceId} label="Copy id" />
        </span>
      </div>
      <Services tree={tree} />
      <Oddities tree={tree} status={status} />
    </header>
  );
}

function counts({ spans, logs, services }: SpanTree): string {
  return `${plural(spans, 'span')}, ${plural(logs, 'log')}, ${plural(services.length, 'service')}`;
}

function plural(count: number, word: string): string {
  return `${countText(count)} ${word}${count === 1 ? '' : 's'}`;
}

function FeedState({ status }: { readonly status: FeedStatus }) {
  const text =
    status.lost !== undefined
      ? 'reconnecting…'
      : status.isFull
        ? `the first ${countText(RECORDS_MAX)} records`
        : status.isComplete
          ? 'following'
          : `reading… ${countText(status.records)}`;
  return (
    <span class="muted" role="status">
      {text}
    </span>
  );
}

/** By the time they took themselves; a click filters. */
function Services({ tree }: { readonly tree: SpanTree }) {
  const filter = place.value.query.filter ?? '';
  const self = tree.services.reduce((sum, { selfMs }) => sum + selfMs, 0);
  return (
    <ul class="trace-services" aria-label="Services">
      {tree.services.slice(0, SERVICES_MAX).map(({ name, spans, selfMs }) => {
        const text = conditionText({ field: 'service', value: name });
        const isOn = filter === text;
        return (
          <li key={name}>
            <button
              type="button"
              class="chip"
              aria-pressed={isOn}
              title={`${name}: ${plural(spans, 'span')}, ${spanText(selfMs)} of its own. Click to show only these.`}
              onClick={() => change({ filter: isOn ? undefined : text }, { isSamePage: true })}
            >
              <span class="trace-swatch" style={{ background: hueOf(name) }} />
              {name === '' ? 'no service' : name}
              <span class="muted">{self > 0 ? `${Math.round((selfMs / self) * 100)} %` : countText(spans)}</span>
            </button>
          </li>
        );
      })}
      {tree.services.length > SERVICES_MAX && (
        <li class="muted">and {countText(tree.services.length - SERVICES_MAX)} more</li>
      )}
    </ul>
  );
}

/** Each with what it means, and the way to the first. */
function Oddities({ tree, status }: { readonly tree: SpanTree; readonly status: FeedStatus }) {
  const { openSpans, orphans, early } = tree;
  if (openSpans + orphans + early + status.unread.length === 0) return null;
  const to = (find: (node: SpanTree['all'][number]) => boolean) => () => select(tree.all.find(find));
  return (
    <ul class="trace-oddities">
      {openSpans > 0 && (
        <li>
          <button
            type="button"
            class="record-more"
            onClick={to((node) => node.type === 'span' && node.endMs === undefined)}
          >
            {plural(openSpans, 'span')} still open
          </button>
        </li>
      )}
      {orphans > 0 && (
        <li>
          <button type="button" class="record-more" onClick={to(({ top }) => top === 'orphan')}>
            {plural(orphans, 'span')} without {orphans === 1 ? 'its parent' : 'their parents'}
          </button>
          <span class="muted"> not sent yet, not sampled, or sent to another basin</span>
        </li>
      )}
      {early > 0 && (
        <li>
          <button type="button" class="record-more" onClick={to(({ earlyMs }) => earlyMs > 0)}>
            {plural(early, 'span')} before {early === 1 ? 'its parent' : 'their parents'}
          </button>
          <span class="muted"> the clocks of the machines differ</span>
        </li>
      )}
      {status.unread.map(({ stream, message }) => (
        <li key={stream} class="level-warn">
          {stream} was not read: {message}
        </li>
      ))}
    </ul>
  );
}
