/** The header S2-Encryption-Key, as calls over HTTP, readers on WebSockets and senders of OTLP data send it. */

import { TailraceError } from '../model/error.ts';
import { STREAM_CIPHERS } from '../model/stream-config.ts';

const CHARS_MAX = 44;

/** The bytes of a key, none when it is not base64 in its usual form. A key is a secret: no message repeats it. */
export function decodeEncryptionKey(header: string): Uint8Array {
  const text = header.trim();
  const key = Buffer.from(text, 'base64');
  return key.toString('base64') === text ? key : new Uint8Array(0);
}

/**
 * The key that a header holds, empty where that is no base64: it is not judged unless the stream is encrypted.
 * @throws TailraceError `bad_header` for one that is empty or too long for any key
 */
export function parseEncryptionKey(header: string | undefined): Uint8Array | undefined {
  if (header === undefined) return undefined;
  const { length } = header.trim();
  if (length === 0 || length > CHARS_MAX) throw new TailraceError('bad_header', WRONG_KEY);
  return decodeEncryptionKey(header);
}

const WRONG_KEY = `s2-encryption-key must be the base64 of 32 bytes, a key for ${STREAM_CIPHERS.join(' or ')}`;
