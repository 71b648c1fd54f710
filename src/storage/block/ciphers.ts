/** The ciphers of streams by their names. One that is costly to load is loaded when a stream first needs it. */

import { assert, TailraceError } from '../../model/error.ts';
import type { StreamCipher } from '../../model/stream-config.ts';
import { AES_256_GCM, type Aead } from './aead.ts';

const loaded: Record<StreamCipher, Aead | undefined> = { 'aes-256-gcm': AES_256_GCM, 'aegis-256': undefined };
let loading: Promise<void> | undefined;

/**
 * Undefined when the cipher can be used, else a promise that resolves when it can.
 * @throws TailraceError (by the promise) `overloaded`; the next call tries again
 */
export function cipherReady(cipher: StreamCipher | undefined): Promise<void> | undefined {
  if (cipher === undefined || loaded[cipher] !== undefined) return undefined;
  loading ??= load().finally(() => {
    loading = undefined;
  });
  return loading;
}

/** A cipher that is ready. */
export function aeadOf(cipher: StreamCipher): Aead {
  const aead = loaded[cipher];
  assert(aead !== undefined, 'a cipher is ready before a stream is used with it');
  return aead;
}

async function load(): Promise<void> {
  loaded['aegis-256'] = await loadAegis256();
}

/**
 * AEGIS-256 by libsodium, as WebAssembly: Node has none. Loading it takes 50 ms and 30 MB, so only a stream that is
 * encrypted with it loads it.
 * @throws TailraceError `overloaded`
 */
async function loadAegis256(): Promise<Aead> {
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
