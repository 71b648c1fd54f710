/**
 * Reads the responses of any OTLP/HTTP receiver. The two messages have the same shape: Export…ServiceResponse holds a
 * partial_success {1: rejected, 2: message}, and google.rpc.Status is {1: code, 2: message}.
 */

import { readVarint } from '../encoding/varint.ts';

/** The number and the text of a response; undefined when they could not be read. */
export interface CountAndMessage {
  readonly count: number | undefined;
  readonly message: string | undefined;
}

const NOTHING: CountAndMessage = { count: undefined, message: undefined };
const REJECTED_KEYS = ['rejectedLogRecords', 'rejectedSpans', 'rejectedDataPoints'] as const;

/** The `partial_success` of a 200: how many were rejected, and the message; undefined when everything was accepted. */
export function readPartialSuccess(contentType: string, body: Uint8Array): CountAndMessage {
  if (isJson(contentType)) {
    const partial = object(object(parse(body)).partialSuccess);
    const rejected = REJECTED_KEYS.map((key) => partial[key]).find((value) => value !== undefined);
    return {
      count: rejected === undefined ? undefined : Number(rejected),
      message: text(partial.message ?? partial.errorMessage),
    };
  }
  const partial = fields(body).bytes.get(1);
  return partial === undefined ? NOTHING : pair(partial);
}

/** The google.rpc.Status of a refusal, or the first line of a refusal in plain text. */
export function readStatus(contentType: string, body: Uint8Array): CountAndMessage {
  if (isJson(contentType)) {
    const status = object(parse(body));
    return { count: typeof status.code === 'number' ? status.code : undefined, message: text(status.message) };
  }
  if (/protobuf/i.test(contentType)) return pair(body);
  return { count: undefined, message: text(Buffer.from(body).toString('utf8').split('\n', 1)[0]?.slice(0, 500)) };
}

function isJson(contentType: string): boolean {
  return /^application\/json\b/i.test(contentType);
}

function pair(body: Uint8Array): CountAndMessage {
  const { numbers, bytes } = fields(body);
  const message = bytes.get(2);
  return { count: numbers.get(1), message: text(message && Buffer.from(message).toString('utf8')) };
}

/**
 * Top-level varints and length-delimited fields, the last of each number. Stops at the first fault, without an error.
 */
function fields(body: Uint8Array): { numbers: Map<number, number>; bytes: Map<number, Uint8Array> } {
  const numbers = new Map<number, number>();
  const bytes = new Map<number, Uint8Array>();
  let at = 0;
  while (at < body.length) {
    const tag = readVarint(body, at);
    if (tag === undefined) break;
    const [field, wire] = [Math.floor(tag.value / 8), tag.value % 8];
    const head = wire === 0 || wire === 2 ? readVarint(body, tag.end) : undefined;
    if (head === undefined) break;
    if (wire === 0) numbers.set(field, head.value);
    else bytes.set(field, body.subarray(head.end, head.end + head.value));
    at = wire === 0 ? head.end : head.end + head.value;
  }
  return { numbers, bytes };
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
