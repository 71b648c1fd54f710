/** What a reader's key is asked for: a stream with a cipher is read through it, any other one as it is (S2 API §4.7). */

import { TailraceError } from '../model/error.ts';
import type { Block } from '../storage/block/block.ts';
import { decryptBlock, ENCRYPTION_KEY_BYTES } from '../storage/block/cipher.ts';
import type { OpenStream } from './stream.ts';

/** @throws TailraceError `bad_header` when the stream is encrypted and there is no key; the answer `decryption_failed` */
export function plainBlocks(stream: OpenStream, key: Uint8Array | undefined): (block: Block) => Block {
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
