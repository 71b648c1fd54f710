/** Why records are rejected that can never be stored, whatever the policy of their basin, and how to cure it. */

import {
  ENCRYPTED_REQUEST_BYTES_MAX,
  NESTING_MAX,
  RECORD_METERED_BYTES_MAX,
  REQUEST_STREAMS_MAX,
} from '../model/limits.ts';
import type { StreamCipher } from '../model/stream-config.ts';
import { ENCRYPTION_KEY_BYTES, keyFault } from '../storage/block/cipher.ts';
import type { Rejection } from './rejections.ts';

export const COMMON_REJECTIONS = {
  noStream: {
    kind: 'no_stream',
    text: 'the stream does not exist and the basin does not make streams on append: create it, or set create_stream_on_append',
  },
  notAllowed: {
    kind: 'not_allowed',
    text: 'the token may not append to the stream: use a token whose scope names it',
  },
  uncuttable: {
    kind: 'too_large',
    text: `the record is larger than the ${RECORD_METERED_BYTES_MAX} metered bytes of S2 and cannot be cut to them for S2's readers, since too little of it is in long strings: send fewer attributes in an item`,
  },
  tooDeep: {
    kind: 'too_deep',
    text: `messages are nested more than ${NESTING_MAX} levels deep, which protobuf decoders refuse: flatten the attributes or the body, or send them as JSON text`,
  },
  noTime: {
    kind: 'no_time',
    text: 'the stream takes only items with a time (timestamping mode client-require): set it in the sender',
  },
  tooMuch: {
    kind: 'too_large',
    text: `one request stores at most ${ENCRYPTED_REQUEST_BYTES_MAX} metered bytes in encrypted streams, where each record has its resource and scope to itself, these are beyond: send fewer records in a request`,
  },
  tooManyStreams: {
    kind: 'too_many_streams',
    text: `one request writes to at most ${REQUEST_STREAMS_MAX} streams, these are beyond: send them in other requests, or route by an attribute with fewer values`,
  },
} as const satisfies Record<string, Rejection>;

/** The record has more metered bytes than the basin stores. */
export function tooLarge(bytesMax: number): Rejection {
  const basin = bytesMax === RECORD_METERED_BYTES_MAX ? '' : ' in this basin (large_items_max)';
  const text = `a record has at most ${bytesMax} metered bytes${basin}, its resource and scope included: send smaller items`;
  return { kind: 'too_large', text };
}

/** Why a stream with a cipher takes nothing with this key, which is not repeated; undefined when it may. */
export function keyRejection(cipher: StreamCipher, key: Uint8Array | undefined): Rejection | undefined {
  const fault = key === undefined ? 'is missing' : keyFault(key);
  if (fault === undefined) return undefined;
  const text = `the stream is encrypted with ${cipher}, and the header S2-Encryption-Key ${fault}: send the base64 of ${ENCRYPTION_KEY_BYTES} bytes (OTEL_EXPORTER_OTLP_HEADERS, or metadata of gRPC), or route to a stream of another basin`;
  return { kind: 'encrypted', text };
}
