/** What went wrong, in the server's words, and what to do about it. */

import { WireError } from '../wire/call.ts';

/** `error` may be anything that was thrown. */
export function Fault(props: {
  readonly error?: unknown;
  readonly message?: string;
  readonly fix?: string | undefined;
}) {
  const { error, message = errorText(error), fix = fixOf(error) } = props;
  return (
    <div class="fault" role="alert">
      <strong>{sentence(message)}</strong>
      {fix !== undefined && <span>{fix}</span>}
    </div>
  );
}

/** Of anything that was thrown, for a line of its own. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fixOf(error: unknown): string | undefined {
  if (!(error instanceof WireError)) return undefined;
  if (error.code === 'permission_denied') return 'Sign in with a token that may do this, or ask who issued this one.';
  if (error.code === 'unreachable')
    return 'See whether `tailrace serve` runs and this machine reaches it, then try again.';
  if (error.isTemporary) return 'The server is busy: try again in a moment.';
  return undefined;
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
