/** Renders a component again when one of some signals changes, also where it reads what is behind them and not the signals. */

import type { ReadonlySignal } from '@preact/signals';
import { useEffect, useReducer } from 'preact/hooks';

export function useRepaints(...signals: readonly ReadonlySignal<unknown>[]): void {
  const [, repaint] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let isFirst = true;
    const stops = signals.map((each) => each.subscribe(() => isFirst || repaint(undefined)));
    isFirst = false;
    // What changed between rendering and here.
    repaint(undefined);
    return () => {
      for (const stop of stops) stop();
    };
  }, signals);
}
