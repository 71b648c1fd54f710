/** Downloads a backup from a running server, chunk by chunk. */

import { TailraceError } from '../model/error.ts';
import { expectSuccess, identityHeaders, type RequestOptions, type ServerTarget, unreachable } from './calls.ts';

/** A server that sends nothing for this long is taken for lost. */
const SILENCE_MAX_MS = 60_000;

/**
 * The bytes of a backup, to be read once. It is complete when the generator ends; leaving the loop ends the download.
 * @throws TailraceError `permission_denied`, `rate_limited` while another backup is under way, `storage_full`,
 *   `unavailable` when the connection is lost
 */
export async function* downloadBackup(
  target: ServerTarget,
  { signal }: RequestOptions = {},
): AsyncGenerator<Uint8Array> {
  const url = `${target.endpoint}/v1/backup`;
  const controller = new AbortController();
  const signals = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
  const silence = setTimeout(() => controller.abort(gone()), SILENCE_MAX_MS);
  try {
    const response = await fetch(url, {
      headers: identityHeaders(target, undefined),
      redirect: 'manual',
      signal: signals,
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
    throw unreachable(url, error);
  } finally {
    clearTimeout(silence);
    controller.abort();
  }
}

function gone(): TailraceError {
  return new TailraceError('unavailable', `the server sent nothing of the backup for ${SILENCE_MAX_MS / 1_000} s`);
}
