/** The list of keys that work on the screen, opened and closed by `?`. */

import { useState } from 'preact/hooks';
import { keyActions, useKeys } from '../state/keys.ts';
import { Dialog } from './dialog.tsx';

export function KeysDialog() {
  const [isOpen, setOpen] = useState(false);
  useKeys([{ key: '?', does: 'these keys', run: () => setOpen((was) => !was) }]);
  if (!isOpen) return null;
  const seen = new Set<string>();
  const actions = keyActions.value.filter(({ key }) => !seen.has(key) && seen.add(key));
  return (
    <Dialog title="Keys" onClose={() => setOpen(false)}>
      <dl class="keys-list">
        {actions.map(({ key, does }) => [
          <dt key={key}>
            <kbd>{key}</kbd>
          </dt>,
          <dd key={`${key} does`}>{does}</dd>,
        ])}
      </dl>
      <form method="dialog" class="buttons end">
        <button type="submit" class="button">
          Close
        </button>
      </form>
    </Dialog>
  );
}
