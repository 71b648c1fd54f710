/** What a protobuf body that cannot be read looks like: the hint for its sender. Only error paths come here. */

import { TailraceError } from '../model/error.ts';

const GRPC_LEAD_BYTES = 5;

/** What the first bytes of other formats are, and what to do about it. */
const LOOKS: readonly (readonly [lead: readonly number[], hint: string])[] = [
  [[0x1f, 0x8b], "the body is gzip: send the header 'Content-Encoding: gzip' with it"],
  [[0x28, 0xb5, 0x2f, 0xfd], "the body is zstd: send the header 'Content-Encoding: zstd' with it"],
  [[0x78, 0x01], "the body is zlib: send the header 'Content-Encoding: deflate' with it"],
  [[0x78, 0x9c], "the body is zlib: send the header 'Content-Encoding: deflate' with it"],
  [[0x78, 0xda], "the body is zlib: send the header 'Content-Encoding: deflate' with it"],
];
/** More than a bracket: the tag of a resource is a line feed, and its length may be any character. */
const JSON_START = /^(\xef\xbb\xbf)?\s*(\[\s*)?(\{\s*"[ !#-~]*"\s*:|\{\s*\}\s*$)/;
const JSON_START_BYTES = 128;

/** The error for a body that is in another format; undefined when it does not look like one. */
export function otherFormat(body: Uint8Array): TailraceError | undefined {
  const look = LOOKS.find(([lead]) => lead.every((byte, at) => body[at] === byte));
  if (look !== undefined) return hint(look[1]);
  if (isGrpcFrame(body)) {
    return hint(
      'the body is a gRPC frame, and gRPC has a port of its own: for this one set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf',
    );
  }
  const start = Buffer.from(body.subarray(0, JSON_START_BYTES)).toString('latin1');
  if (JSON_START.test(start)) return hint("the body is JSON: send it with 'Content-Type: application/json'");
  return undefined;
}

/** A flag and the length of what follows (gRPC over HTTP/2, Length-Prefixed-Message). */
function isGrpcFrame(body: Uint8Array): boolean {
  if (body.length < GRPC_LEAD_BYTES || (body[0] !== 0 && body[0] !== 1)) return false;
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  return length > 0 && length <= body.length - GRPC_LEAD_BYTES;
}

function hint(what: string): TailraceError {
  return new TailraceError('bad_proto', `the body is not an OTLP protobuf message: ${what}`);
}
