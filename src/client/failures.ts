/** Turns a server's refusal into a TailraceError: from HTTP statuses, error bodies and close codes. */

import { type ErrorCode, type ErrorDetail, TailraceError } from '../model/error.ts';
import { retryDetail } from './retry-after.ts';

/** The codes in error bodies, S2's and Tailrace's own. For a code that is not here the status decides. */
const BODY_CODES: ReadonlyMap<string, ErrorCode> = new Map(
  Object.entries<ErrorCode>({
    authn: 'authn',
    permission_denied: 'permission_denied',
    quota_exhausted: 'quota_exhausted',
    bad_request: 'bad_request',
    bad_header: 'bad_header',
    bad_path: 'bad_path',
    bad_query: 'bad_query',
    bad_json: 'bad_json',
    bad_proto: 'bad_proto',
    bad_frame: 'bad_frame',
    decryption_failed: 'decryption_failed',
    invalid: 'invalid',
    not_found: 'not_found',
    method_not_allowed: 'method_not_allowed',
    unsupported_encoding: 'unsupported_encoding',
    too_large: 'too_large',
    basin_not_found: 'basin_not_found',
    stream_not_found: 'stream_not_found',
    access_token_not_found: 'access_token_not_found',
    resource_already_exists: 'resource_already_exists',
    transaction_conflict: 'transaction_conflict',
    basin_deletion_pending: 'basin_deletion_pending',
    stream_deletion_pending: 'stream_deletion_pending',
    stream_replaced: 'stream_replaced',
    seq_num_mismatch: 'seq_num_mismatch',
    fencing_token_mismatch: 'fencing_token_mismatch',
    range_not_satisfiable: 'range_not_satisfiable',
    request_timeout: 'request_timeout',
    deadline_exceeded: 'deadline_exceeded',
    rate_limited: 'rate_limited',
    overloaded: 'overloaded',
    draining: 'draining',
    server_draining: 'draining',
    storage_full: 'storage_full',
    storage: 'storage',
    corrupt: 'corrupt',
    unavailable: 'unavailable',
    hot_server: 'overloaded',
    upstream_timeout: 'unavailable',
    other: 'internal',
    fatal: 'internal',
    internal: 'internal',
  }),
);

const STATUS_CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_request',
  401: 'authn',
  403: 'permission_denied',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  409: 'resource_already_exists',
  412: 'seq_num_mismatch',
  413: 'too_large',
  415: 'unsupported_encoding',
  416: 'range_not_satisfiable',
  422: 'invalid',
  429: 'rate_limited',
};

/** Close codes that end a read (`src/socket/README.md`). After 1001, 1006, 1011, 1012 and 1013 it connects again. */
const CLOSE_CODES: Readonly<Record<number, ErrorCode>> = {
  1002: 'bad_request',
  1003: 'bad_request',
  1008: 'permission_denied',
  1009: 'too_large',
  4400: 'bad_request',
  4401: 'authn',
  4403: 'permission_denied',
  4404: 'stream_not_found',
  4409: 'stream_replaced',
  4416: 'range_not_satisfiable',
};

/** Errors after which the same call may be tried again. */
const TEMPORARY: ReadonlySet<ErrorCode> = new Set([
  'unavailable',
  'draining',
  'overloaded',
  'rate_limited',
  'request_timeout',
  'deadline_exceeded',
  'storage',
  'internal',
]);

/** Whether a later attempt may succeed without a change of the request. */
export function isTemporary(error: TailraceError): boolean {
  return TEMPORARY.has(error.code);
}

/** What the body of a refusal says, as far as it could be read. */
export interface ServerRefusal {
  readonly status: number;
  /** The error code in the body, when it has one. */
  readonly bodyCode: string | undefined;
  readonly message: string | undefined;
  readonly detail: ErrorDetail;
}

/** The error for an HTTP response that is not a success. */
export function refusalError(refusal: ServerRefusal, what: string): TailraceError {
  const code = codeOf(refusal);
  const text = refusal.message ?? `the server answered ${refusal.status}`;
  return new TailraceError(code, `${what}: ${text}`, { detail: refusal.detail });
}

/** The error for a close code, or undefined when a reader should connect again. `said` is the error frame before it. */
export function closeError(closeCode: number, said: TailraceError | undefined): TailraceError | undefined {
  const code = CLOSE_CODES[closeCode];
  if (said !== undefined) return code === undefined && isTemporary(said) ? undefined : said;
  if (code === undefined) return undefined;
  return new TailraceError(code, `the server ended the read with close code ${closeCode}`);
}

/** The error that an `error` frame or an S2 error body describes. */
export function describedError(bodyCode: string, message: string, detail: ErrorDetail): TailraceError {
  return new TailraceError(BODY_CODES.get(bodyCode) ?? 'internal', message, { detail });
}

/**
 * Reads an S2 error body, or the body of a 412 or 416, which has no code. From other bodies only the status is kept.
 * `retryAfter` and `date` are headers of the response.
 */
export function readRefusal(
  status: number,
  body: string,
  retryAfter: string | null,
  date: string | null = null,
): ServerRefusal {
  const json = parseObject(body);
  const retry = retryDetail(retryAfter, date);
  const mismatch = status === 412 ? readMismatch(json) : undefined;
  if (mismatch !== undefined) return { status, ...mismatch, detail: { ...retry, ...mismatch.detail } };
  const tail = tailDetail(json.tail);
  const beyond = tail.tail === undefined ? undefined : `the tail of the stream is ${tail.tail.seqNum}`;
  return {
    status,
    bodyCode: typeof json.code === 'string' ? json.code : undefined,
    message: typeof json.message === 'string' ? json.message : beyond,
    detail: { ...retry, ...tail },
  };
}

/** The two bodies of a 412, which say what the condition should have been. */
function readMismatch(json: Readonly<Record<string, unknown>>): Omit<ServerRefusal, 'status'> | undefined {
  const { seq_num_mismatch: seqNum, fencing_token_mismatch: fencingToken } = json;
  if (typeof seqNum === 'number') {
    const message = `the next sequence number of the stream is ${seqNum}`;
    return { bodyCode: 'seq_num_mismatch', message, detail: { seqNum } };
  }
  if (typeof fencingToken !== 'string') return undefined;
  const inForce = fencingToken === '' ? 'none' : JSON.stringify(fencingToken);
  const message = `the fencing token of the stream is ${inForce}`;
  return { bodyCode: 'fencing_token_mismatch', message, detail: { fencingToken } };
}

/** The tail inside an error, when there is one. */
function tailDetail(value: unknown): ErrorDetail {
  if (typeof value !== 'object' || value === null) return {};
  const { seq_num: seqNum, timestamp } = value as Record<string, unknown>;
  if (typeof seqNum !== 'number' || typeof timestamp !== 'number') return {};
  return { tail: { seqNum, timestamp } };
}

function codeOf(refusal: ServerRefusal): ErrorCode {
  const named = refusal.bodyCode === undefined ? undefined : BODY_CODES.get(refusal.bodyCode);
  return named ?? STATUS_CODES[refusal.status] ?? (refusal.status >= 502 ? 'unavailable' : 'internal');
}

function parseObject(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
