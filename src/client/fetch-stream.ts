/** A GET whose response comes piece by piece: as it comes, within no time in all, but not in silence for ever. */

import { expectAbortSignal, optional } from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import { abortedCall, boundedBody, expectSuccess, unreachable } from './calls.ts';
import { httpCall } from './http-call.ts';
import { onAbort } from './on-abort.ts';
import type { RequestOptions, ServerTarget } from './request.ts';

/** A server that sends nothing for this long is taken for lost. */
const SILENCE_MAX_MS = 60_000;

/** What is fetched, and what an error calls it. */
export interface StreamedCall {
  readonly path: string;
  readonly query?: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly what: string;
  readonly signal?: RequestOptions['signal'];
}

/**
 * The bytes of a response, to be read once; leaving the loop ends the call.
 * @throws TailraceError by the status and the body of a refusal; `unavailable` when the connection is lost, `aborted` by
 *   the signal
 */
export async function* fetchStream({ endpoint }: ServerTarget, call: StreamedCall): AsyncGenerator<Uint8Array> {
  const { path, query, headers, what, signal } = call;
  optional(expectAbortSignal)(signal, 'signal');
  const url = `${endpoint}${path}${query === undefined ? '' : `?${query}`}`;
  const controller = new AbortController();
  const stop = onAbort(signal, () => controller.abort(abortedCall(url)));
  const silence = setTimeout(() => controller.abort(gone(what)), SILENCE_MAX_MS);
  try {
    const response = await httpCall({ method: 'GET', url, headers, signal: controller.signal });
    if (response.status !== 200) {
      expectSuccess({ ...response, body: await boundedBody(response.body) }, `GET ${path}`);
      throw new TailraceError('internal', `GET ${path} was answered ${response.status}: is this a Tailrace?`);
    }
    for await (const chunk of response.body) {
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

function gone(what: string): TailraceError {
  return new TailraceError('unavailable', `the server sent nothing of ${what} for ${SILENCE_MAX_MS / 1_000} s`);
}
