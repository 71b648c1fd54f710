/** Downloads a backup from a running server, chunk by chunk. */

import { expectAbortSignal, optional } from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import { abortedCall, expectSuccess, identityHeaders, unreachable } from './calls.ts';
import { onAbort } from './on-abort.ts';
import type { RequestOptions, ServerTarget } from './request.ts';

/** A server that sends nothing for this long is taken for lost. */
const SILENCE_MAX_MS = 60_000;

/**
 * The bytes of a backup, to be read once. It is complete when the generator ends; leaving the loop ends the download.
 * @throws TailraceError `permission_denied`, `rate_limited` while another backup is under way, `storage_full`,
 *   `unavailable` when the connection is lost, `aborted` by the signal
 */
export async function* downloadBackup(
  target: ServerTarget,
  { signal }: RequestOptions = {},
): AsyncGenerator<Uint8Array> {
  optional(expectAbortSignal)(signal, 'signal');
  const url = `${target.endpoint}/v1/backup`;
  const controller = new AbortController();
  const stop = onAbort(signal, () => controller.abort(abortedCall(url)));
  const silence = setTimeout(() => controller.abort(gone()), SILENCE_MAX_MS);
  try {
    const response = await fetch(url, {
      headers: identityHeaders(target, undefined),
      redirect: 'manual',
      signal: controller.signal,
    });
    if (response.status !== 200 || response.body === null) {
      const body = new Uint8Array(await response.arrayBuffer());
      expectSuccess({ status: response.status, headers: response.headers, body }, 'GET /v1/backup');
      throw new TailraceError('internal', `GET /v1/backup was answered ${response.status}: is this a Tailrace?`);
    }
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      silence.refresh();
      yield chunk;
      silence.refresh();
    }
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : unreachable(url, error);
  } finally {
    stop();
    clearTimeout(silence);
    controller.abort();
  }
}

function gone(): TailraceError {
  return new TailraceError('unavailable', `the server sent nothing of the backup for ${SILENCE_MAX_MS / 1_000} s`);
}
