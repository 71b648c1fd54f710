/** Asks where to go: a position or a time. */

import { useId, useState } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { Fault } from '../parts/fault.tsx';
import type { LiveView } from './live-view.ts';

export function GoToDialog({ view, onClose }: { readonly view: LiveView; onClose(): void }) {
  const id = useId();
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState<string | undefined>();
  const submit = (event: Event): void => {
    event.preventDefault();
    const said = view.jumps.goTo(text);
    if (said === undefined) onClose();
    else setWrong(said);
  };
  return (
    <Dialog title="Go to" onClose={onClose}>
      <form onSubmit={submit}>
        {wrong !== undefined && <Fault message={wrong} />}
        <label class="labelled" for={id}>
          <span>A position such as 4211 or shop #4211, or a time such as 14:03 or 2026-11-29 14:03:07</span>
          <input
            id={id}
            class="field mono"
            autocomplete="off"
            required
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary">
            Go
          </button>
        </div>
      </form>
    </Dialog>
  );
}
