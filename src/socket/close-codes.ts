/** What a reader's WebSocket is closed with, for each way in which a read can end. */

import type { ErrorCode } from '../model/error.ts';

/** A bound was reached, or the tail by a read that does not wait. */
export const CLOSE_DONE = 1000;
/** The token was valid and is not any more. */
export const CLOSE_NOT_ALLOWED = 1008;

/** 1011, 1012 and 1013 invite the client to come back and resume; codes from 4400 on do not. */
export const CLOSE_CODES = {
  authn: 4401,
  permission_denied: 4403,
  bad_request: 4400,
  bad_header: 4400,
  bad_path: 4400,
  bad_query: 4400,
  bad_json: 4400,
  bad_proto: 4400,
  bad_frame: 4400,
  invalid: 4400,
  not_found: 4404,
  method_not_allowed: 4400,
  unsupported_encoding: 4400,
  too_large: 1009,
  basin_not_found: 4404,
  stream_not_found: 4404,
  resource_already_exists: 4409,
  basin_deletion_pending: 4409,
  stream_deletion_pending: 4409,
  seq_num_mismatch: 4400,
  fencing_token_mismatch: 4400,
  range_not_satisfiable: 4416,
  transaction_conflict: 4409,
  decryption_failed: 4400,
  access_token_not_found: 4404,
  quota_exhausted: 4403,
  stream_replaced: 4409,
  rate_limited: 1013,
  overloaded: 1013,
  draining: 1012,
  request_timeout: 4408,
  deadline_exceeded: 1013,
  storage_full: 1011,
  storage: 1011,
  config: 1011,
  port_taken: 1011,
  data_dir_in_use: 1011,
  format_too_new: 1011,
  corrupt: 1011,
  unavailable: 1013,
  aborted: 1011,
  closed: 1012,
  fatal: 1011,
  internal: 1011,
} as const satisfies Readonly<Record<ErrorCode, number>>;
