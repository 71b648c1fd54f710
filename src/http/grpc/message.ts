/**
 * Messages of gRPC on the wire: a flag, a length, and the bytes. A call of one message is a body like any other, so it is
 * received with the same limits, memory budget and watch on its speed.
 */

import { TailraceError } from '../../model/error.ts';
import type { ContentEncoding } from '../body/inflate.ts';
import { type BodyReading, type RequestBody, receiveBody, type Unwrapped } from '../body/read-body.ts';
import type { Exchange } from '../exchange.ts';

/** What messages may be compressed with, for clients that ask. */
export const ACCEPTED_ENCODINGS = 'identity,gzip,deflate,zstd';

const PREFIX_BYTES = 5;
const ENCODINGS: ReadonlyMap<string, ContentEncoding | undefined> = new Map([
  ['identity', undefined],
  ['gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['zstd', 'zstd'],
]);

/**
 * Reads the one message of a call, decompressed.
 * @throws TailraceError as `readBody`, and `bad_frame` for anything but one whole message
 */
export async function readMessage(exchange: Exchange, reading: BodyReading): Promise<RequestBody> {
  const encoding = encodingIn(exchange.request.headers['grpc-encoding']);
  return receiveBody(
    exchange,
    { ...reading, prefixBytes: PREFIX_BYTES },
    { isEncoded: encoding !== undefined, unwrap: (received) => unwrap(received, encoding) },
  );
}

/** A message as it goes over the wire. */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(PREFIX_BYTES + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

function encodingIn(header: string | readonly string[] | undefined): ContentEncoding | undefined {
  const name = String(header ?? 'identity');
  if (ENCODINGS.has(name)) return ENCODINGS.get(name);
  const given = JSON.stringify(name.slice(0, 64));
  throw new TailraceError('unsupported_encoding', `grpc-encoding ${given} is not supported: ${ACCEPTED_ENCODINGS} are`);
}

/** Each message says itself whether it is compressed: small ones often are not. */
function unwrap(received: Uint8Array, encoding: ContentEncoding | undefined): Unwrapped {
  if (received.length === 0) throw new TailraceError('bad_frame', 'the call holds no message, and takes one');
  const [flag] = received;
  const length = received.length < PREFIX_BYTES ? undefined : lengthIn(received);
  if (length === undefined || received.length < PREFIX_BYTES + length) {
    throw new TailraceError('bad_frame', 'the call ends in the middle of its message');
  }
  const bytes = received.subarray(PREFIX_BYTES);
  if (bytes.length > length) {
    throw new TailraceError('bad_frame', 'the call holds more than its message: one call takes one message');
  }
  if (flag === 0) return { bytes, encoding: undefined };
  if (flag !== 1) throw new TailraceError('bad_frame', `a message begins with 0 or 1, not ${flag}`);
  if (encoding === undefined) {
    throw new TailraceError('bad_frame', 'the message is compressed, and no header grpc-encoding says how');
  }
  return { bytes, encoding };
}

function lengthIn(prefix: Uint8Array): number {
  return new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES).getUint32(1);
}
