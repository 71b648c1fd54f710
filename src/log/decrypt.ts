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
  throw new TailraceError(
    'bad_header',
    `stream \`${stream.name}\` is encrypted with ${stream.cipher}: send its 32-byte key in base64 as \`s2-encryption-key\``,
  );
}
