/** Asks before something is deleted or changed for good: it names what goes, and for the worst wants its name typed. */

import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { Dialog } from './dialog.tsx';
import { Fault } from './fault.tsx';
import { useSubmit } from './use-submit.ts';

export interface ConfirmProps {
  readonly title: string;
  /** What will be gone, in one or two sentences with names and counts. */
  readonly what: string;
  /** The verb on the button. */
  readonly verb: string;
  /** What must be typed before the button works; undefined for nothing. */
  readonly typed?: string;
  /** Fields that say what exactly is done, above the sentence that names it. */
  readonly children?: ComponentChildren;
  /** False while these fields are not filled in. */
  readonly isReady?: boolean;
  /** Resolves when it is done; what it rejects with is shown. */
  run(): Promise<unknown>;
  onClose(): void;
}

export function Confirm({ title, what, verb, typed, children, isReady = true, run, onClose }: ConfirmProps) {
  const id = useId();
  const [text, setText] = useState('');
  const { error, isBusy, submit } = useSubmit(async () => {
    await run();
    onClose();
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {children}
        <p>{what}</p>
        {error !== undefined && <Fault error={error} />}
        {typed !== undefined && (
          <label class="labelled" for={id}>
            <span>
              Type <code>{typed}</code>
            </span>
            <input
              id={id}
              class="field mono"
              autocomplete="off"
              value={text}
              onInput={({ currentTarget }) => setText(currentTarget.value)}
            />
          </label>
        )}
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button danger"
            disabled={isBusy || !isReady || (typed !== undefined && text !== typed)}
          >
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
