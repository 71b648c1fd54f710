/**
 * The one error class of Tailrace: a closed code, a sentence for the user, typed detail, and the cause.
 *
 * Protocols turn a code into an HTTP status, a gRPC status, a close code or an exit code by tables that `satisfies
 * Record<ErrorCode, …>`: a new code does not compile until every table has a row for it.
 */

/** Every way in which a call can be refused or fail. Closed: the table of each protocol covers all of them. */
export type ErrorCode =
  // who is asking
  | 'authn' // no token, or an unknown one
  | 'permission_denied' // known, but not allowed there
  // what was asked
  | 'bad_request' // cannot be decoded, or makes no sense
  | 'bad_header'
  | 'bad_path'
  | 'bad_query'
  | 'bad_json'
  | 'bad_proto'
  | 'bad_frame' // bytes that are not an s2s frame
  | 'invalid' // well-formed, semantically wrong (S2: 422)
  | 'not_found' // no such route
  | 'method_not_allowed'
  | 'unsupported_encoding' // a Content-Encoding that we cannot read
  | 'too_large' // over a size or count limit
  | 'basin_not_found'
  | 'stream_not_found'
  | 'resource_already_exists'
  | 'basin_deletion_pending'
  | 'stream_deletion_pending'
  | 'seq_num_mismatch'
  | 'fencing_token_mismatch'
  | 'range_not_satisfiable' // the read starts beyond the tail (S2: 416)
  | 'transaction_conflict' // a concurrent change won
  | 'decryption_failed' // the key of a read does not fit
  | 'access_token_not_found'
  | 'quota_exhausted'
  | 'stream_replaced' // the stream was deleted and made again since the reader last looked
  // what we cannot do now
  | 'rate_limited'
  | 'overloaded' // no memory left for this request
  | 'draining' // shutting down
  | 'request_timeout' // the body came too slowly
  | 'deadline_exceeded' // the client said how long it waits, and that is over; nothing was written
  | 'storage_full' // no space on the disk, or the cap is reached: nothing was written
  | 'storage' // the store failed; whether something was written is not known
  // what is wrong with the environment
  | 'config' // a setting is wrong, or two contradict each other
  | 'port_taken'
  | 'data_dir_in_use'
  | 'format_too_new' // the store was written by a newer Tailrace
  | 'corrupt' // a checksum does not match, or a block is missing
  | 'unavailable' // the client cannot reach the server
  | 'aborted' // the signal that the caller passed ended the call
  | 'closed' // used after close()
  | 'fatal' // an assertion of ours failed
  | 'internal';

/** Facts for machines, beside the sentence for people. The code decides which ones are present. */
export interface ErrorDetail {
  /** Whole seconds after which a retry makes sense (429, 503). */
  readonly retryAfterSeconds?: number;
  /** The durable tail (`range_not_satisfiable`) or the next assignable position. */
  readonly tail?: { readonly seqNum: number; readonly timestamp: number };
  /** The sequence number that would have matched (`seq_num_mismatch`). */
  readonly seqNum?: number;
  /** The fencing token in force (`fencing_token_mismatch`). */
  readonly fencingToken?: string;
  /** The field of a body or of a configuration that is wrong, as a path with dots (`bad_json`, `invalid`). */
  readonly field?: string;
  /** Methods that the path has (`method_not_allowed`). */
  readonly allow?: readonly string[];
}

/** What Tailrace throws and rejects with. Its message is fit for users and contains no secret. */
export class TailraceError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, options: { detail?: ErrorDetail; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TailraceError';
    this.code = code;
    this.detail = options.detail ?? {};
  }
}

/** Anything thrown, as an error of ours: what we did not throw ourselves is a fault of ours. */
export function asTailraceError(thrown: unknown): TailraceError {
  if (thrown instanceof TailraceError) return thrown;
  return new TailraceError('internal', 'a fault of the server', { cause: thrown });
}

/** Whether data is damaged: that of a stream, or pages of the store, for which a read fails with `storage`. */
export function isDamage({ code, cause }: TailraceError): boolean {
  return code === 'corrupt' || (cause instanceof TailraceError && isDamage(cause));
}

/** What cannot be done at this moment, and may be tried again after a second. The cause says more in the log. */
export function unavailable(message: string, cause?: unknown): TailraceError {
  return new TailraceError('unavailable', message, { cause, detail: { retryAfterSeconds: 1 } });
}

/**
 * States a fact that only a bug of ours can break.
 * @throws TailraceError `fatal`; `serve` ends the process on it, the library closes the store.
 */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new TailraceError('fatal', `assertion failed: ${what}`);
}
