/** Encryption of streams: one with a cipher is written and read with the caller's key, any other as it is. */

import { TailraceError } from '../model/error.ts';
import type { Block } from '../storage/block/block.ts';
import { decryptBlock, ENCRYPTION_KEY_BYTES, type Encryption } from '../storage/block/cipher.ts';
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
  throw new TailraceError(
    'bad_header',
    `stream \`${name}\` is encrypted with ${cipher}: send its 32-byte key in base64 as \`s2-encryption-key\``,
  );
}
