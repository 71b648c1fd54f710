/** The header S2-Encryption-Key, as calls over HTTP and readers on WebSockets send it. */

import { TailraceError } from '../model/error.ts';
import { STREAM_CIPHERS } from '../model/stream-config.ts';

const CHARS_MAX = 44;

/**
 * The key that a header holds, empty where that is no base64: it is not judged unless the stream is encrypted. A key is a
 * secret: no message repeats it.
 * @throws TailraceError `bad_header` for one that is empty or too long for any key
 */
export function parseEncryptionKey(header: string | undefined): Uint8Array | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (text.length === 0 || text.length > CHARS_MAX) throw new TailraceError('bad_header', WRONG_KEY);
  const key = Buffer.from(text, 'base64');
  return key.toString('base64') === text ? key : Buffer.alloc(0);
}

const WRONG_KEY = `s2-encryption-key must be the base64 of 32 bytes, a key for ${STREAM_CIPHERS.join(' or ')}`;
