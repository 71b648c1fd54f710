/** What a screen asks the server for again and again: only while the page is visible, and never two at once. */

import { useEffect, useRef, useState } from 'preact/hooks';

export interface Polled<T> {
  /** The last one that came. It stays while a later request fails. */
  readonly value: T | undefined;
  /** What the last request failed with; undefined when it came. */
  readonly error: unknown;
  /** Asks at once, such as after a change. */
  reload(): void;
}

/** Asks at once, and again `everyMs` after each answer. Other `deps` are another question: what is there goes. */
export function usePolled<T>(
  load: (signal: AbortSignal) => Promise<T>,
  everyMs: number,
  deps: readonly unknown[],
): Polled<T> {
  const [state, setState] = useState<{ readonly value?: T; readonly error?: unknown }>({});
  const ask = useRef<() => void>(() => {});
  const every = useRef(everyMs);
  every.current = everyMs;
  useEffect(() => {
    setState({});
    const poll = startPolling(load, every, (change) => setState((was) => ({ ...was, ...change })));
    ask.current = poll.ask;
    return poll.stop;
  }, deps);
  return { value: state.value, error: state.error, reload: () => ask.current() };
}

interface Polling {
  ask(): void;
  stop(): void;
}

function startPolling<T>(
  load: (signal: AbortSignal) => Promise<T>,
  everyMs: { readonly current: number },
  tell: (change: { readonly value?: T; readonly error: unknown }) => void,
): Polling {
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  const ask = (): void => {
    clearTimeout(timer);
    // A request that is under way may have left before the change that the caller wants to see.
    abort.abort();
    const mine = new AbortController();
    abort = mine;
    load(mine.signal)
      .then(
        (value) => !mine.signal.aborted && tell({ value, error: undefined }),
        (error: unknown) => !mine.signal.aborted && tell({ error }),
      )
      .finally(() => {
        if (!mine.signal.aborted && !isStopped && everyMs.current > 0) timer = setTimeout(next, everyMs.current);
      });
  };
  /** Hidden, it waits until it is looked at. */
  const next = (): void => {
    if (document.visibilityState === 'visible') ask();
    else timer = undefined;
  };
  const onVisible = (): void => {
    if (document.visibilityState === 'visible' && timer === undefined) ask();
  };
  document.addEventListener('visibilitychange', onVisible);
  ask();
  return {
    ask,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      abort.abort();
      document.removeEventListener('visibilitychange', onVisible);
    },
  };
}
