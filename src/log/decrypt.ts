/** Encryption of streams: one with a cipher is written and read with the caller's key, any other as it is. */

import { TailraceError } from '../model/error.ts';
import type { Block } from '../storage/block/block.ts';
import { decryptBlock, ENCRYPTION_KEY_BYTES, type Encryption, keyFault } from '../storage/block/cipher.ts';
import { cipherReady } from '../storage/block/ciphers.ts';
import type { OpenStream } from './stream.ts';

/**
 * Returns the function that makes blocks readable.
 * @throws TailraceError `bad_header` when the stream is encrypted and there is no key; the returned function
 *   `decryption_failed`
 */
export function decrypterFor(stream: OpenStream, key: Uint8Array | undefined): (block: Block) => Block {
  const encryption = encryptionOf(stream, key);
  if (encryption === undefined) return (block) => block;
  return (block) => decryptBlock(block, encryption.key, stream.number);
}

/** The stream when its cipher can be used. @throws TailraceError `overloaded` when there is no memory to load it */
export function withCipher(stream: OpenStream): OpenStream | Promise<OpenStream> {
  return cipherReady(stream.cipher)?.then(() => stream) ?? stream;
}

/** What the records of a stream are encrypted with; undefined for nothing. @throws TailraceError `bad_header` */
export function encryptionOf({ cipher, name }: OpenStream, key: Uint8Array | undefined): Encryption | undefined {
  if (cipher === undefined) return undefined;
  if (key?.length === ENCRYPTION_KEY_BYTES) return { cipher, key };
  throw wrongKey(name, cipher, key);
}

/**
 * The error for a key that is missing, or cannot be one of this stream. `stream` is the name as the caller says it, and
 * the sentence repeats nothing of the key.
 */
export function wrongKey(stream: string, cipher: string | undefined, key: Uint8Array | undefined): TailraceError {
  const fault = key === undefined ? 'Missing header `s2-encryption-key`' : `s2-encryption-key ${keyFault(key) ?? ''}`;
  const wanted = `stream \`${stream}\` is encrypted with ${cipher}: send the base64 of its ${ENCRYPTION_KEY_BYTES} bytes`;
  return new TailraceError('bad_header', `${fault}: ${wanted}`);
}
