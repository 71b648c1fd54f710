/** The ciphers of streams by their names. One that is costly to load is loaded when a stream first needs it. */

import { assert } from '../../model/error.ts';
import type { StreamCipher } from '../../model/stream-config.ts';
import { AES_256_GCM, type Aead } from './aead.ts';
import { loadAegis256 } from './aegis.ts';

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
