/** A dialog with fields that makes or changes something; what the server refuses is said in it. */

import type { ComponentChildren } from 'preact';
import { Dialog } from '../parts/dialog.tsx';
import { Fault } from '../parts/fault.tsx';
import { useSubmit } from '../parts/use-submit.ts';
import { WireError } from '../wire/call.ts';
import { isIn, RefusedField } from './refused-field.ts';

export function FormDialog(props: {
  readonly title: string;
  readonly verb: string;
  readonly isReady: boolean;
  /** It is closed by the user, who may go on with another. */
  readonly staysOpen?: boolean;
  /** Its fields by the names that the server has for them: what is wrong with one of them is said beside it. */
  readonly names?: readonly string[];
  readonly children: ComponentChildren;
  run(): Promise<unknown>;
  onClose(): void;
}) {
  const { title, verb, isReady, staysOpen = false, names = [], children, run, onClose } = props;
  const { error, isBusy, submit } = useSubmit(async () => {
    await run();
    if (!staysOpen) onClose();
  });
  const refused = error instanceof WireError && names.some((name) => isIn(error.field, name)) ? error : undefined;
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {error !== undefined && refused === undefined && <Fault error={error} />}
        <RefusedField.Provider value={refused}>{children}</RefusedField.Provider>
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            {staysOpen ? 'Close' : 'Cancel'}
          </button>
          <button type="submit" class="button primary" disabled={isBusy || !isReady}>
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
