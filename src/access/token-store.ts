/** Where tokens are kept: the hash of a secret leads to its row, an id leads to the hash. No secret is ever in it. */

import type { Clock } from '../model/clock.ts';
import type { Engine } from '../storage/engine.ts';
import { tokenHashKey, tokenIdKey } from '../storage/keys.ts';
import { encodeToken } from '../storage/values.ts';
import type { RootTokenStore } from './root-token.ts';

const ROOT_ID = 'root';

/** The root token's place in a store. */
export function rootTokenStore(engine: Engine, clock: Clock): RootTokenStore {
  return {
    rootTokenHash: async () => {
      const hash = await engine.get(tokenIdKey(ROOT_ID));
      return hash === undefined ? undefined : Buffer.from(hash).toString('hex');
    },
    putRootTokenHash: (hex) => {
      const hash = Buffer.from(hex, 'hex');
      const row = encodeToken({ id: ROOT_ID, scope: 'root', createdAt: clock.now() });
      return engine.commit([
        { type: 'put', key: tokenHashKey(hash), value: row },
        { type: 'put', key: tokenIdKey(ROOT_ID), value: hash },
      ]);
    },
  };
}
