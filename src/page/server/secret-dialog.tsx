/** Shows a new secret once. With the dialog it is gone from the page. */

import { CopyButton } from '../parts/copy-button.tsx';
import { Dialog } from '../parts/dialog.tsx';

export interface IssuedSecret {
  readonly id: string;
  readonly secret: string;
  readonly verb: 'issued' | 'rotated';
}

export function SecretDialog({ issued, onClose }: { readonly issued: IssuedSecret; onClose(): void }) {
  const { id, secret, verb } = issued;
  return (
    <Dialog title={`${id} is ${verb}`} onClose={onClose}>
      <form method="dialog" class="server-shown">
        <p>This is its secret. It is shown only now: the server keeps none, so copy it to where it is needed.</p>
        <p class="server-secret">
          <code>{secret}</code>
          <CopyButton text={secret} />
        </p>
        <p class="muted">
          It goes into the header <code>Authorization: Bearer …</code>; in <code>OTEL_EXPORTER_OTLP_HEADERS</code> as{' '}
          <code>Authorization=Bearer%20…</code>
        </p>
        <div class="buttons end">
          <button type="submit" class="button primary">
            I have it
          </button>
        </div>
      </form>
    </Dialog>
  );
}
