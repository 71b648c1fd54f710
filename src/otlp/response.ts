/** Responses to OTLP exporters: `Export…ServiceResponse` and `google.rpc.Status`, in both encodings. */

import { varint } from '../encoding/varint.ts';
import type { ErrorCode } from '../model/error.ts';
import { ANSWER_MESSAGE_CHARS_MAX } from '../model/limits.ts';
import type { Signal } from '../model/record.ts';

export type OtlpEncoding = 'protobuf' | 'json';

/** The exact Content-Type of responses: some exporters compare the string, so nothing may be added to it. */
export const OTLP_CONTENT_TYPE: Readonly<Record<OtlpEncoding, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

// Status codes of gRPC.
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
export const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/**
 * The gRPC code of each error of OTLP requests. Errors that a retry may cure are UNAVAILABLE, which exporters retry;
 * they give up at the others (OTLP specification, OTLP/gRPC Response).
 */
export const OTLP_GRPC_CODE = {
  authn: UNAUTHENTICATED,
  permission_denied: PERMISSION_DENIED,
  bad_request: INVALID_ARGUMENT,
  bad_header: INVALID_ARGUMENT,
  bad_path: INVALID_ARGUMENT,
  bad_query: INVALID_ARGUMENT,
  bad_json: INVALID_ARGUMENT,
  bad_proto: INVALID_ARGUMENT,
  bad_frame: INVALID_ARGUMENT,
  invalid: INVALID_ARGUMENT,
  not_found: NOT_FOUND,
  method_not_allowed: UNIMPLEMENTED,
  unsupported_encoding: UNIMPLEMENTED,
  too_large: RESOURCE_EXHAUSTED,
  basin_not_found: NOT_FOUND,
  stream_not_found: NOT_FOUND,
  resource_already_exists: UNAVAILABLE,
  basin_deletion_pending: UNAVAILABLE,
  stream_deletion_pending: UNAVAILABLE,
  seq_num_mismatch: UNAVAILABLE,
  fencing_token_mismatch: UNAVAILABLE,
  range_not_satisfiable: INVALID_ARGUMENT,
  transaction_conflict: UNAVAILABLE,
  decryption_failed: INVALID_ARGUMENT,
  access_token_not_found: NOT_FOUND,
  quota_exhausted: PERMISSION_DENIED,
  stream_replaced: UNAVAILABLE,
  rate_limited: UNAVAILABLE,
  overloaded: UNAVAILABLE,
  draining: UNAVAILABLE,
  request_timeout: UNAVAILABLE,
  deadline_exceeded: DEADLINE_EXCEEDED,
  storage_full: UNAVAILABLE,
  storage: UNAVAILABLE,
  config: INTERNAL,
  port_taken: INTERNAL,
  data_dir_in_use: INTERNAL,
  format_too_new: INTERNAL,
  corrupt: INTERNAL,
  unavailable: UNAVAILABLE,
  aborted: INTERNAL,
  closed: UNAVAILABLE,
  fatal: INTERNAL,
  internal: INTERNAL,
} as const satisfies Record<ErrorCode, number>;

const REJECTED_NAMES: Readonly<Record<Signal, string>> = {
  logs: 'rejectedLogRecords',
  traces: 'rejectedSpans',
  metrics: 'rejectedDataPoints',
};

const NOTHING = new Uint8Array(0);
/** The type of a detail of a Status. */
const RETRY_INFO: Uint8Array = Buffer.from('type.googleapis.com/google.rpc.RetryInfo');
const EMPTY_OBJECT: Uint8Array = Buffer.from('{}');

/**
 * The body of a 200. When everything was accepted and there is no message it is empty, or `{}`. Otherwise it holds
 * `partial_success` with the number of rejected records (of metrics: data points; 0 makes it a warning) and the
 * message.
 */
export function exportResponse(
  signal: Signal,
  encoding: OtlpEncoding,
  result: { readonly rejected: number; readonly message: string | undefined },
): Uint8Array {
  if (result.rejected === 0 && result.message === undefined) return encoding === 'json' ? EMPTY_OBJECT : NOTHING;
  const message = shortened(result.message ?? '');
  if (encoding === 'protobuf') return field(1, [...numberField(1, result.rejected), ...field(2, Buffer.from(message))]);
  const rejected = result.rejected === 0 ? {} : { [REJECTED_NAMES[signal]]: String(result.rejected) };
  return Buffer.from(JSON.stringify({ partialSuccess: { ...rejected, errorMessage: message } }));
}

/** The body of an error: a `google.rpc.Status` with a gRPC code. */
export function statusResponse(encoding: OtlpEncoding, code: number, message: string): Uint8Array {
  const text = shortened(message);
  if (encoding === 'json') return Buffer.from(JSON.stringify({ code, message: text }));
  return Uint8Array.from([...numberField(1, code), ...field(2, Buffer.from(text))]);
}

/**
 * A `google.rpc.Status` whose detail says when to send again, in whole seconds: exporters of gRPC wait so long (OTLP
 * specification, OTLP/gRPC Throttling).
 */
export function retryStatus(code: number, message: string, seconds: number): Uint8Array {
  const duration = numberField(1, seconds);
  const retryInfo = [...field(1, RETRY_INFO), ...field(2, field(1, duration))];
  const text = field(2, Buffer.from(shortened(message)));
  return Uint8Array.from([...numberField(1, code), ...text, ...field(3, retryInfo)]);
}

/** Cut to what a response may hold, never in the middle of a character. */
function shortened(message: string): string {
  if (message.length <= ANSWER_MESSAGE_CHARS_MAX) return message;
  const cut = message.slice(0, ANSWER_MESSAGE_CHARS_MAX - 1);
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

function numberField(number: number, value: number): readonly number[] {
  return value === 0 ? [] : [number << 3, ...varint(value)];
}

function field(number: number, content: Uint8Array | readonly number[]): Uint8Array {
  if (content.length === 0) return NOTHING;
  return Uint8Array.from([(number << 3) | 2, ...varint(content.length), ...content]);
}
