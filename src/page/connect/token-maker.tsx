/** Makes a token that may only append to this basin. Its secret is shown until it is put away or the screen is left. */

import { useId, useState } from 'preact/hooks';
import { CopyButton } from '../parts/copy-button.tsx';
import { Fault } from '../parts/fault.tsx';
import { useSubmit } from '../parts/use-submit.ts';
import { basin, may, who } from '../state/session.ts';
import { issueToken } from '../wire/tokens.ts';

export interface MadeToken {
  readonly id: string;
  readonly secret: string;
}

export function TokenMaker(props: {
  /** The server asks for no token. */
  readonly isOpen: boolean;
  readonly stream: string;
  readonly made: MadeToken | undefined;
  onMade(token: MadeToken | undefined): void;
}) {
  const { isOpen, stream, made, onMade } = props;
  return (
    <div class="connect-token">
      <h2>Token</h2>
      {isOpen ? (
        <p class="muted">This server asks for none (--no-auth): everything on this machine may read and write.</p>
      ) : made !== undefined ? (
        <MadeNote made={made} onHide={() => onMade(undefined)} />
      ) : may('issue-access-token') ? (
        <MakeForm key={stream} stream={stream} onMade={onMade} />
      ) : (
        <WithoutPermission stream={stream} />
      )}
    </div>
  );
}

function MadeNote({ made, onHide }: { readonly made: MadeToken; onHide(): void }) {
  return (
    <>
      <p role="status">
        <span class="connect-check" aria-hidden="true">
          ✓
        </span>{' '}
        <strong>{made.id}</strong> may append to {basin.value}, and nothing else. Its secret is in the snippets now, and
        is shown only once: copy it before you leave.
      </p>
      <div class="buttons">
        <CopyButton text={made.secret} label="Copy the secret" />
        <button type="button" class="button" onClick={onHide}>
          Put it away
        </button>
      </div>
    </>
  );
}

function MakeForm({ stream, onMade }: { readonly stream: string; onMade(token: MadeToken): void }) {
  const id = useId();
  const [name, setName] = useState(() => `${stream.slice(0, 80)}-${randomText()}`);
  const [prefix, setPrefix] = useState('');
  const { error, isBusy, submit } = useSubmit(async () => {
    const scope = { basins: { exact: basin.value }, streams: { prefix: prefix.trim() }, ops: ['append'] };
    onMade({ id: name.trim(), secret: await issueToken({ id: name.trim(), scope }) });
  });
  const outside = prefix !== '' && !stream.startsWith(prefix);
  return (
    <form onSubmit={submit}>
      <p class="muted">The sender needs one. This makes a token that may append to {basin.value}, and nothing else.</p>
      <details>
        <summary>Its name, and which streams</summary>
        <div class="connect-fields">
          <label class="labelled" for={`${id}-name`}>
            <span>Name of the token</span>
            <input
              id={`${id}-name`}
              class="field mono"
              autocomplete="off"
              value={name}
              onInput={({ currentTarget }) => setName(currentTarget.value)}
            />
          </label>
          <label class="labelled" for={`${id}-prefix`}>
            <span>Only streams that begin with (empty: all)</span>
            <input
              id={`${id}-prefix`}
              class="field mono"
              autocomplete="off"
              value={prefix}
              onInput={({ currentTarget }) => setPrefix(currentTarget.value)}
            />
          </label>
        </div>
      </details>
      {outside && (
        <p class="connect-fault">
          The stream {stream} does not begin with {prefix}: the token could not send to it.
        </p>
      )}
      {error !== undefined && <Fault error={error} />}
      <div class="buttons">
        <button type="submit" class="button primary" disabled={isBusy || name.trim() === ''}>
          Make a token
        </button>
      </div>
    </form>
  );
}

function WithoutPermission({ stream }: { readonly stream: string }) {
  const command = `tailrace tokens issue ${stream}-sender --basins-exact ${basin.value} --streams-prefix "" --ops append`;
  const id = who.value?.id ?? '';
  return (
    <>
      <p>
        Your token <strong>{id}</strong> may not issue tokens
        {may('append') ? ', but it may append itself: put it where the snippets say $TAILRACE_TOKEN.' : ' or append.'}{' '}
        For a token of its own, ask who runs the server for
      </p>
      <div class="connect-command">
        <code>{command}</code>
        <CopyButton text={command} />
      </div>
    </>
  );
}

/** Ids of tokens are unique. */
function randomText(): string {
  const [bits = 0] = crypto.getRandomValues(new Uint32Array(1));
  return (bits % 0x10000).toString(16).padStart(4, '0');
}
