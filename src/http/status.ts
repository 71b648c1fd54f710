/**
 * The HTTP status of each error. Two tables, because OTLP and S2 disagree: OTLP exporters retry only 429, 502, 503 and
 * 504 (OTLP specification, Retryable Response Codes), so whatever a retry may cure is one of these there; S2 clients
 * look at the code in the body and have their own statuses. Both need every code: a new one does not compile without a
 * row.
 */

import type { ErrorCode, TailraceError } from '../model/error.ts';

/** Status of an error on OTLP routes. */
export const OTLP_STATUS = {
  authn: 401,
  permission_denied: 403,
  bad_request: 400,
  bad_header: 400,
  bad_path: 400,
  bad_query: 400,
  bad_json: 400,
  bad_proto: 400,
  bad_frame: 400,
  invalid: 400,
  not_found: 404,
  method_not_allowed: 405,
  unsupported_encoding: 415,
  too_large: 413,
  basin_not_found: 404,
  stream_not_found: 404,
  resource_already_exists: 503,
  basin_deletion_pending: 503,
  stream_deletion_pending: 503,
  seq_num_mismatch: 503,
  fencing_token_mismatch: 503,
  range_not_satisfiable: 400,
  transaction_conflict: 503,
  decryption_failed: 400,
  access_token_not_found: 404,
  quota_exhausted: 403,
  stream_replaced: 503,
  rate_limited: 429,
  overloaded: 503,
  draining: 503,
  request_timeout: 503,
  deadline_exceeded: 504,
  storage_full: 503,
  storage: 503,
  config: 500,
  port_taken: 500,
  data_dir_in_use: 500,
  format_too_new: 500,
  corrupt: 500,
  unavailable: 503,
  aborted: 500,
  closed: 503,
  fatal: 500,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** Status and `code` of an error on S2 routes, and on those of our own. */
export const S2_STATUS = {
  authn: [401, 'authn'],
  permission_denied: [403, 'permission_denied'],
  bad_request: [400, 'bad_json'],
  bad_header: [400, 'bad_header'],
  bad_path: [400, 'bad_path'],
  bad_query: [400, 'bad_query'],
  bad_json: [400, 'bad_json'],
  bad_proto: [400, 'bad_proto'],
  bad_frame: [400, 'bad_frame'],
  invalid: [422, 'invalid'],
  not_found: [404, 'not_found'],
  method_not_allowed: [405, 'method_not_allowed'],
  unsupported_encoding: [415, 'unsupported_encoding'],
  too_large: [400, 'bad_json'],
  basin_not_found: [404, 'basin_not_found'],
  stream_not_found: [404, 'stream_not_found'],
  resource_already_exists: [409, 'resource_already_exists'],
  basin_deletion_pending: [409, 'basin_deletion_pending'],
  stream_deletion_pending: [409, 'stream_deletion_pending'],
  seq_num_mismatch: [412, 'seq_num_mismatch'],
  fencing_token_mismatch: [412, 'fencing_token_mismatch'],
  range_not_satisfiable: [416, 'range_not_satisfiable'],
  transaction_conflict: [409, 'transaction_conflict'],
  decryption_failed: [400, 'decryption_failed'],
  access_token_not_found: [404, 'access_token_not_found'],
  quota_exhausted: [403, 'quota_exhausted'],
  stream_replaced: [409, 'stream_deletion_pending'],
  rate_limited: [429, 'rate_limited'],
  overloaded: [502, 'hot_server'],
  draining: [503, 'server_draining'],
  request_timeout: [408, 'request_timeout'],
  deadline_exceeded: [504, 'upstream_timeout'],
  storage_full: [500, 'storage'],
  storage: [500, 'storage'],
  config: [500, 'other'],
  port_taken: [500, 'other'],
  data_dir_in_use: [500, 'other'],
  format_too_new: [500, 'other'],
  corrupt: [500, 'storage'],
  unavailable: [503, 'unavailable'],
  aborted: [500, 'other'],
  closed: [503, 'unavailable'],
  fatal: [500, 'other'],
  internal: [500, 'other'],
} as const satisfies Record<ErrorCode, readonly [status: number, code: string]>;

const RETRY_SECONDS_MIN = 1;
const RETRY_SECONDS_MAX = 5;

/** Whole seconds for `Retry-After` with a 429 or 503, from 1 to 5. A full or failing store takes longer to recover. */
export function retryAfterSeconds(error: TailraceError): number {
  const slow = error.code === 'storage_full' || error.code === 'storage' || error.code === 'draining';
  const seconds = Math.ceil(error.detail.retryAfterSeconds ?? (slow ? RETRY_SECONDS_MAX : RETRY_SECONDS_MIN));
  return Math.min(RETRY_SECONDS_MAX, Math.max(RETRY_SECONDS_MIN, seconds));
}
