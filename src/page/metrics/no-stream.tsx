/** A stream that does not exist yet, which a link or a name that was typed may lead to: how its metrics will come. */

import { useState } from 'preact/hooks';
import { usePolled } from '../parts/polled.ts';
import { hrefOf, place } from '../state/place.ts';
import { WireError } from '../wire/call.ts';
import { newestMetrics } from '../wire/metrics.ts';

const LOOK_MS = 2_000;

/** Whether there is such a stream; undefined until that is known. While there is none, it looks again by itself. */
export function useIsThere(basin: string, stream: string | undefined): boolean | undefined {
  const [found, setFound] = useState<string | undefined>();
  const key = `${basin} ${stream}`;
  const { value } = usePolled(
    async (signal) => {
      const isThere = stream === undefined || (await isReadable(basin, stream, signal));
      if (isThere) setFound(key);
      return { key, isThere };
    },
    found === key ? 0 : LOOK_MS,
    [basin, stream],
  );
  return value?.key === key ? value.isThere : undefined;
}

/** What else is wrong with it, those say who read it. */
async function isReadable(basin: string, stream: string, signal: AbortSignal): Promise<boolean> {
  try {
    await newestMetrics(basin, stream, 1, signal);
    return true;
  } catch (thrown) {
    return !(thrown instanceof WireError && thrown.code === 'stream_not_found');
  }
}

export function NoStream({ basin, stream }: { readonly basin: string; readonly stream: string }) {
  return (
    <div class="metrics-main metrics-none" role="status">
      <h2>{basin} has no stream with this name yet</h2>
      <p>
        <span class="mono">{stream}</span> begins with the first data that is sent to it. An SDK sends metrics with{' '}
        <code>OTEL_METRICS_EXPORTER=otlp</code>, by default once a minute, and they show here as soon as they come.
      </p>
      <p>
        <a href={hrefOf('connect', { basin: place.value.query.basin, stream })}>Connect</a> has what to set for this
        stream. If the name is wrong, choose another one.
      </p>
    </div>
  );
}
