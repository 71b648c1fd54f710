/** What the filter of the URL wants of a trace, asked of the server anew when the filter or the streams change. */

import { useEffect, useState } from 'preact/hooks';
import { basin } from '../state/session.ts';
import { MatchFeed, type TraceFeed } from './trace-feed.ts';

/** Filters are sent when one stops to type. */
const TYPED_MS = 250;

/** Undefined without a filter, and until the trace is there. */
export function useMatches(feed: TraceFeed, traceId: string, filter: string): MatchFeed | undefined {
  const [matches, setMatches] = useState<MatchFeed | undefined>();
  const { isComplete } = feed.status.value;
  const streams = feed.firsts.size;
  const wanted = filter.trim();
  useEffect(() => {
    if (wanted === '' || !isComplete || streams === 0) {
      setMatches(undefined);
      return;
    }
    let opened: MatchFeed | undefined;
    const timer = setTimeout(() => {
      opened = new MatchFeed(basin.peek(), traceId, wanted, feed.firsts);
      const { matched, isComplete: isWhole, error } = opened;
      const fresh = opened;
      // The last filter stands until the new one has said something.
      const stop = matched.subscribe((keys) => {
        if (keys.size > 0) show();
      });
      const stopWhole = isWhole.subscribe((is) => is && show());
      const stopError = error.subscribe((is) => is !== undefined && show());
      function show(): void {
        setMatches(fresh);
      }
      closers = [stop, stopWhole, stopError];
    }, TYPED_MS);
    let closers: readonly (() => void)[] = [];
    return () => {
      clearTimeout(timer);
      for (const close of closers) close();
      opened?.close();
    };
  }, [feed, traceId, wanted, isComplete, streams]);
  return matches;
}
