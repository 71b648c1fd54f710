/** A trace: all its spans and logs of all streams as a waterfall, filled in live: `#/trace?trace=<32 hex digits>`. */

import { useEffect, useId, useState } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { change, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import './trace.css';
import { TraceFeed } from './trace-feed.ts';
import { TraceView } from './trace-view.tsx';

export function TraceScreen() {
  const given = place.value.query.trace ?? '';
  const traceId = given.replaceAll('-', '').toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(traceId)) return <TraceChoice given={given} />;
  return <FollowedTrace key={traceId} traceId={traceId} />;
}

function FollowedTrace({ traceId }: { readonly traceId: string }) {
  const [feed, setFeed] = useState<TraceFeed | undefined>();
  const name = basin.value;
  useEffect(() => {
    const opened = new TraceFeed(name, traceId);
    setFeed(opened);
    return () => opened.close();
  }, [name, traceId]);
  return feed === undefined ? null : <TraceView feed={feed} traceId={traceId} />;
}

/** Without an id one can be typed; what is no id is said so. */
function TraceChoice({ given }: { readonly given: string }) {
  const id = useId();
  const [text, setText] = useState(given);
  const submit = (event: Event): void => {
    event.preventDefault();
    change({ trace: text.trim() });
  };
  return (
    <div class="state">
      <h1>Trace</h1>
      {given !== '' && (
        <Fault
          message={`“${given.slice(0, 80)}” is no trace id`}
          fix="A trace id has 32 hex digits, such as 5b8aa5a2d2c872e8321cf37308d69df2. Copy it from a record, or open one in Live and press t."
        />
      )}
      <p>
        A trace is what one request did in all services. Open one from a span or a log in Live with <kbd>t</kbd>, or
        paste its id.
      </p>
      <form class="trace-choice" onSubmit={submit}>
        <label class="labelled" for={id}>
          <span>Trace id</span>
          <input
            id={id}
            class="field mono"
            spellcheck={false}
            autocomplete="off"
            size={36}
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <button type="submit" class="button primary">
          Show
        </button>
      </form>
    </div>
  );
}
