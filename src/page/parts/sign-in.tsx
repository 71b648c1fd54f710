/** Asks for a token where the server needs one. */

import { useId, useState } from 'preact/hooks';
import { signIn } from '../state/session.ts';
import { Fault } from './fault.tsx';
import { useSubmit } from './use-submit.ts';

export function SignIn({ reason }: { readonly reason: string | undefined }) {
  const id = useId();
  const [token, setToken] = useState('');
  const { error, isBusy, submit } = useSubmit(() => signIn(token.trim()));
  return (
    <main class="sign-in">
      <h1>Tailrace</h1>
      {reason !== undefined && error === undefined && <Fault message={reason} />}
      {error !== undefined && <Fault error={error} />}
      <form onSubmit={submit}>
        <label class="labelled" for={id}>
          <span>Access token</span>
          <input
            id={id}
            class="field mono"
            type="password"
            autocomplete="off"
            spellcheck={false}
            required
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <div class="buttons">
          <button type="submit" class="button primary" disabled={isBusy}>
            Sign in
          </button>
        </div>
      </form>
      <p class="muted">
        On the machine of the server <code>npx tailrace open</code> opens this page without typing a token. The root
        token is in <code>root-token</code> in the data directory. This tab keeps the token until it is closed.
      </p>
    </main>
  );
}
