/** The keys of the page: screens register what theirs do while they are shown, and `?` lists them. */

import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

export interface KeyAction {
  /** As `KeyboardEvent.key` has it, such as `j`, `G` or `Enter`. */
  readonly key: string;
  /** What it does, in a few words: shown by `?`. */
  readonly does: string;
  /** Returns false to let the browser and others have the key. */
  run(event: KeyboardEvent): unknown;
}

/** All that are registered now, the newest first: it wins where two take one key. */
export const keyActions = signal<readonly KeyAction[]>([]);

/** Registers keys while a component is mounted. `deps` as for an effect. */
export function useKeys(actions: readonly KeyAction[], deps: readonly unknown[] = []): void {
  useEffect(() => {
    keyActions.value = [...actions, ...keyActions.peek()];
    return () => {
      keyActions.value = keyActions.peek().filter((action) => !actions.includes(action));
    };
  }, deps);
}

/** Call it once. Keys typed into a field, or with a modifier, are left to the browser; Escape leaves the field. */
export function listenForKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target;
    if (isTyping(target)) {
      if (event.key === 'Escape') target.blur();
      return;
    }
    if (document.querySelector('dialog[open]') !== null && event.key !== '?') return;
    // Enter and space belong to a focused button or link.
    if ((event.key === 'Enter' || event.key === ' ') && target instanceof Element && target.matches('a,button,summary'))
      return;
    for (const action of keyActions.peek()) {
      if (action.key === event.key && action.run(event) !== false) {
        event.preventDefault();
        return;
      }
    }
  });
}

function isTyping(target: EventTarget | null): target is HTMLElement {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches('textarea,select,input:not([type=checkbox]):not([type=radio])'))
  );
}
