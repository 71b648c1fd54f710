/** Who may read on a node that follows: what another node stores of tokens counts as soon as it is written there. */

import { expect, test } from '@jest/globals';
import { unlimited } from '../../src/access/grant.ts';
import { hashToken } from '../../src/access/tokens/credential.ts';
import { rootTokenStore, tokenStore } from '../../src/access/tokens/stores.ts';
import { TokenTable } from '../../src/access/tokens/token-table.ts';
import { parseConfig } from '../../src/config.ts';
import { NodeAccess, type NodeAccessDeps } from '../../src/node/node-access.ts';
import type { Engine, Write } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { readOnly } from '../../src/storage/replicated/replica.ts';
import { TestClock } from '../support/log-harness.ts';
import { requestOf } from '../support/no-tokens.ts';

const ROOT = unlimited('root');
/** What another node stores, and what follows it. */
async function open(rootToken?: string) {
  const clock = new TestClock();
  const store = openMemoryEngine();
  const deps: NodeAccessDeps = {
    ...{ config: parseConfig(rootToken === undefined ? {} : { rootToken }), clock },
    ...{ warnings: { warn: () => {} }, basins: () => [], putUses: async () => {} },
  };
  const load = (): Promise<NodeAccess> => NodeAccess.load(readOnly(store), deps);
  const followed = await load();
  const commit = async (writes: readonly Write[]): Promise<void> => {
    await store.commit(writes);
    await followed.follow(writes);
  };
  const engine: Engine = { ...readOnly(store), commit };
  const table = await TokenTable.load(tokenStore(engine, commit), clock, () => {});
  return { table, engine, clock, followed, load };
}

/** Who a secret belongs to there, or why to none. */
function holderIn({ access }: Pick<NodeAccess, 'access'>, secret: string): string {
  try {
    return access.identify(secret).id;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('a token counts when it is stored, and a rotation or a revocation ends it with all that it has opened', async () => {
  const { table, followed, load } = await open();
  const ended: string[] = [];
  const watch = (secret: string, name: string): void => {
    followed.access.watch(followed.access.identify(secret), () => ended.push(name));
  };
  const first = await table.issue(ROOT, requestOf('one'));
  expect([holderIn(followed, first.secret), holderIn(followed, 'another')]).toEqual(['one', 'authn']);
  watch(first.secret, 'first');
  await table.issue(ROOT, requestOf('two'));
  expect(ended).toEqual([]);
  const second = await table.rotate(ROOT, 'one', () => true);
  expect([holderIn(followed, first.secret), holderIn(followed, second.secret)]).toEqual(['authn', 'one']);
  watch(second.secret, 'second');
  expect(holderIn(await load(), second.secret)).toBe('one');
  await table.revoke('one');
  expect([holderIn(followed, second.secret), ...ended]).toEqual(['authn', 'first', 'second']);
  expect(holderIn(await load(), second.secret)).toBe('authn');
});

test('the root token counts that another node makes, and one that is set counts alone', async () => {
  const [made, set] = [await open(), await open('a-root-token-of-more-than-thirty-two-characters')];
  for (const { engine, clock } of [made, set]) {
    await rootTokenStore(engine, clock).putRootTokenHash(hashToken('made later'), false);
  }
  expect([holderIn(made.followed, 'made later'), holderIn(await made.load(), 'made later')]).toEqual(['root', 'root']);
  expect(holderIn(set.followed, 'made later')).toBe('authn');
  expect(holderIn(set.followed, 'a-root-token-of-more-than-thirty-two-characters')).toBe('root');
});
