/** Decryption for readers: a stream with a cipher is read with the reader's key, any other stream as it is. */

import { TailraceError } from '../model/error.ts';
import type { Block } from '../storage/block/block.ts';
import { decryptBlock, ENCRYPTION_KEY_BYTES } from '../storage/block/cipher.ts';
import type { OpenStream } from './stream.ts';

/**
 * Returns the function that makes blocks readable.
 * @throws TailraceError `bad_header` when the stream is encrypted and there is no key; the returned function
 *   `decryption_failed`
 */
export function decrypterFor(stream: OpenStream, key: Uint8Array | undefined): (block: Block) => Block {
  if (stream.cipher === undefined) return (block) => block;
  const good = expectKey(stream, key);
  return (block) => decryptBlock(block, good, stream.number);
}

/** @throws TailraceError `bad_header` */
export function expectKey(stream: OpenStream, key: Uint8Array | undefined): Uint8Array {
  if (key?.length === ENCRYPTION_KEY_BYTES) return key;
  throw wrongKey(stream.name, stream.cipher, key);
}

/**
 * The error for a key that is missing, or cannot be one of this stream. `stream` is the name as the caller says it, and
 * the sentence repeats nothing of the key.
 */
export function wrongKey(stream: string, cipher: string | undefined, key: Uint8Array | undefined): TailraceError {
  const fault = key === undefined ? 'Missing header `s2-encryption-key`' : `s2-encryption-key ${lengthFault(key)}`;
  const wanted = `stream \`${stream}\` is encrypted with ${cipher}: send the base64 of its ${ENCRYPTION_KEY_BYTES} bytes`;
  return new TailraceError('bad_header', `${fault}: ${wanted}`);
}

function lengthFault({ length }: Uint8Array): string {
  return length === 0 ? 'is not base64' : `has ${length} bytes`;
}
