/** AEGIS-256, which node lacks: by libsodium, as WebAssembly. */

import { TailraceError } from '../../model/error.ts';
import type { Aead } from './aead.ts';

/** Loads libsodium: 50 ms and 30 MB, so only for a stream that is encrypted with it. @throws TailraceError `overloaded` */
export async function loadAegis256(): Promise<Aead> {
  const { default: sodium } = await import('libsodium-wrappers-sumo');
  try {
    await sodium.ready;
  } catch (cause) {
    throw new TailraceError('overloaded', 'there is no memory for the cipher aegis-256: send again later', { cause });
  }
  return {
    nonceBytes: sodium.crypto_aead_aegis256_NPUBBYTES,
    tagBytes: sodium.crypto_aead_aegis256_ABYTES,

    seal(parts, { key, nonce, additionalData }, target, at) {
      const plain = Buffer.concat(parts);
      const sealed = sodium.crypto_aead_aegis256_encrypt_detached(plain, additionalData, null, nonce, key);
      target.set(sealed.mac, at);
      target.set(sealed.ciphertext, at + sealed.mac.length);
    },

    open(ciphertext, tag, { key, nonce, additionalData }) {
      return sodium.crypto_aead_aegis256_decrypt_detached(null, ciphertext, tag, additionalData, nonce, key);
    },
  };
}
