/** Posts OTLP bytes to any OTLP/HTTP endpoint, Tailrace or not. */

import type { ErrorDetail } from '../model/error.ts';
import { exchange } from './calls.ts';
import { type Refusal, refusalError, retryDetail } from './failures.ts';
import { readPartialSuccess, readStatus } from './otlp-answer.ts';

/** A request that is ready to go. */
export interface OtlpPost {
  readonly url: string;
  readonly body: Uint8Array;
  readonly contentType: 'application/x-protobuf' | 'application/json';
  /** `gzip` when the body is compressed already. */
  readonly contentEncoding?: 'gzip';
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** What the endpoint made of it. */
export interface OtlpResponse {
  readonly status: number;
  /** Records (data points for metrics) that were not taken although the status is 200. */
  readonly rejected: number;
  /** What the endpoint said: reasons of a partial success, a warning, or why it refused. */
  readonly message: string | undefined;
  readonly correlationId: string | undefined;
  readonly detail: ErrorDetail;
}

/**
 * Posts once, never again: whether to repeat is the caller's choice. Answers for every status.
 * @throws TailraceError `unavailable` when nobody answers.
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
    detail: retryDetail(answer.headers.get('retry-after')),
  };
}

/** The error for an answer that refused everything; nothing for one that took it, if only in part. */
export function otlpRefusal(answer: OtlpResponse, what: string) {
  if (isAccepted(answer.status)) return undefined;
  const refusal: Refusal = {
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
