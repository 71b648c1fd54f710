/** What encrypts a record, whichever cipher it is, and the one that node has: AES-256-GCM. */

import { createCipheriv, createDecipheriv } from 'node:crypto';

/** Authenticated encryption with additional data. Keys have `ENCRYPTION_KEY_BYTES`. */
export interface Aead {
  readonly nonceBytes: number;
  readonly tagBytes: number;
  /** Encrypts what the parts are together, and writes tag and ciphertext into `target` from `at` on. */
  seal(parts: readonly Uint8Array[], by: AeadCall, target: Uint8Array, at: number): void;
  /** Returns the plain text of a ciphertext. Throws any error when key, tag or data do not match. */
  open(ciphertext: Uint8Array, tag: Uint8Array, by: AeadCall): Uint8Array;
}

/** What one encryption depends on. */
export interface AeadCall {
  readonly key: Uint8Array;
  /** Never used twice with one key. */
  readonly nonce: Uint8Array;
  readonly additionalData: Uint8Array;
}

const AES = 'aes-256-gcm';
const AES_TAG = { authTagLength: 16 };

export const AES_256_GCM: Aead = {
  nonceBytes: 12,
  tagBytes: AES_TAG.authTagLength,

  seal(parts, { key, nonce, additionalData }, target, at) {
    const cipher = createCipheriv(AES, key, nonce, AES_TAG);
    cipher.setAAD(additionalData);
    let end = at + AES_TAG.authTagLength;
    for (const part of parts) {
      target.set(cipher.update(part), end);
      end += part.length;
    }
    cipher.final();
    target.set(cipher.getAuthTag(), at);
  },

  open(ciphertext, tag, { key, nonce, additionalData }) {
    const decipher = createDecipheriv(AES, key, nonce, AES_TAG);
    decipher.setAAD(additionalData);
    decipher.setAuthTag(tag);
    const plain = decipher.update(ciphertext);
    // Nothing in it is used before this has verified the tag.
    decipher.final();
    return plain;
  },
};
