/** Posts OTLP bytes to any OTLP/HTTP endpoint, of Tailrace or another server. */

import type { AbortSignalLike } from '../model/abort-signal.ts';
import type { ErrorDetail } from '../model/error.ts';
import { exchange } from './calls.ts';
import { refusalError, type ServerRefusal } from './failures.ts';
import { readPartialSuccess, readStatus } from './otlp-response.ts';
import { retryDetail } from './retry-after.ts';

/** An encoded request. */
export interface OtlpPost {
  readonly url: string;
  readonly body: Uint8Array;
  readonly contentType: 'application/x-protobuf' | 'application/json';
  /** `gzip` when the body is compressed already. */
  readonly contentEncoding?: 'gzip';
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignalLike | undefined;
}

/** What the endpoint responded. */
export interface OtlpResponse {
  readonly status: number;
  /** How many records (of metrics: data points) were rejected although the status is 200. */
  readonly rejected: number;
  /** The text of the endpoint: reasons of a partial success, a warning, or why it refused. */
  readonly message: string | undefined;
  readonly correlationId: string | undefined;
  readonly detail: ErrorDetail;
}

/**
 * Posts once: the caller decides whether to try again. Resolves for every status.
 * @throws TailraceError `unavailable` when there is no response.
 */
export async function postOtlp(post: OtlpPost): Promise<OtlpResponse> {
  const headers: Record<string, string> = { ...post.headers, 'content-type': post.contentType };
  if (post.contentEncoding !== undefined) headers['content-encoding'] = post.contentEncoding;
  const answer = await exchange({ method: 'POST', url: post.url, headers, body: post.body, signal: post.signal });
  const contentType = answer.headers.get('content-type') ?? '';
  const accepted = isAccepted(answer.status);
  const said = accepted ? readPartialSuccess(contentType, answer.body) : readStatus(contentType, answer.body);
  return {
    status: answer.status,
    rejected: accepted ? (said.count ?? 0) : 0,
    message: said.message,
    correlationId: answer.headers.get('x-correlation-id') ?? undefined,
    detail: retryDetail(answer.headers.get('retry-after'), answer.headers.get('date')),
  };
}

/** The error for a response that refused everything; undefined when the request was taken, even if only in part. */
export function otlpRefusal(answer: OtlpResponse, what: string) {
  if (isAccepted(answer.status)) return undefined;
  const refusal: ServerRefusal = {
    status: answer.status,
    bodyCode: undefined,
    message: answer.message,
    detail: answer.detail,
  };
  return refusalError(refusal, what);
}

function isAccepted(status: number): boolean {
  return status >= 200 && status < 300;
}
