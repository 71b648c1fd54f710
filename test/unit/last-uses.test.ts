/** When tokens were last used: what counts as a use, what is written when, and what a row that is missing means. */

import { describe, expect, test } from '@jest/globals';
import { Access } from '../../src/access/access.ts';
import { unlimited } from '../../src/access/grant.ts';
import { hashToken } from '../../src/access/tokens/credential.ts';
import { LastUses } from '../../src/access/tokens/last-uses.ts';
import { type CommitRows, tokenStore } from '../../src/access/tokens/stores.ts';
import { TokenTable } from '../../src/access/tokens/token-table.ts';
import { TOKEN_USES_WRITTEN_MAX } from '../../src/model/limits.ts';
import type { TokenRequest } from '../../src/model/token-request.ts';
import type { Write } from '../../src/storage/engine.ts';
import { familyRange, readUsageKey, usageKey, usageRange } from '../../src/storage/keys.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { TestClock, turn } from '../support/log-harness.ts';

const ROOT = unlimited('root');
const MINUTE = 60_000;

function requestOf(id: string, expiresAt?: number): TokenRequest {
  const none = { read: false, write: false };
  const groups = { account: none, basin: none, stream: { read: true, write: true } };
  return {
    id,
    scope: { basins: { prefix: '' }, streams: { prefix: '' }, accessTokens: undefined, groups, operations: [] },
    expiresAt,
    autoPrefixStreams: false,
    stream: undefined,
    resourceAttributes: new Map(),
    limits: { profile: undefined, spansPerMinute: undefined },
    prefix: undefined,
  };
}

async function setUp(engine = openMemoryEngine(), clock = new TestClock()) {
  const commits: (readonly Write[])[] = [];
  let fault: Error | undefined;
  const unwritten: unknown[] = [];
  const commit: CommitRows = async (rows, options) => {
    commits.push(rows);
    if (fault !== undefined) throw fault;
    await engine.commit(rows, options);
  };
  const store = tokenStore(engine, commit);
  const tokens: TokenTable = await TokenTable.load(
    store,
    clock,
    (token) => access.ended(token),
    (error) => unwritten.push(error),
  );
  const access: Access = new Access({ type: 'tokens', rootTokenHash: hashToken('the root token'), tokens }, clock);
  const fail = (error: Error | undefined): void => {
    fault = error;
  };
  const use = (id: string) => tokens.lastUse(tokens.get(id));
  const rows = async () =>
    (await engine.scan({ ...usageRange('tokens'), limit: 100 })).map(({ key }) => readUsageKey(key)[0]);
  return { engine, clock, tokens, access, commits, unwritten, fail, use, rows };
}

describe('the last use of a token', () => {
  test('is never until it is used, then the time of its last use, by any of its secrets', async () => {
    const { clock, tokens, access, use } = await setUp();
    const { secret } = await tokens.issue(ROOT, requestOf('one'));
    await tokens.issue(ROOT, requestOf('other'));
    expect(use('one')).toBeNull();
    access.identify(secret);
    const usedAt = clock.now();
    clock.advance(10);
    expect(use('one')).toBe(usedAt);
    const rotated = await tokens.rotate(ROOT, 'one', () => true);
    expect(use('one')).toBe(usedAt);
    expect(() => access.identify(secret)).toThrow(expect.objectContaining({ code: 'authn' }));
    expect(use('one')).toBe(usedAt);
    access.identify(rotated.secret);
    expect(use('one')).toBe(clock.now());
    expect(use('other')).toBeNull();
  });

  test('is now while something is open by it, and the time of its end afterwards', async () => {
    const { clock, tokens, access, use } = await setUp();
    const { secret } = await tokens.issue(ROOT, requestOf('one'));
    const [first, second] = [
      access.watch(access.identify(secret), () => {}),
      access.watch(access.identify(secret), () => {}),
    ];
    clock.advance(5_000);
    first();
    first();
    clock.advance(5_000);
    expect(use('one')).toBe(clock.now());
    second();
    const endedAt = clock.now();
    clock.advance(5_000);
    expect(use('one')).toBe(endedAt);
  });

  test('counts sessions of the page and tickets that it asked for', async () => {
    const { clock, tokens, access, use } = await setUp();
    const me = access.identify((await tokens.issue(ROOT, requestOf('one'))).secret);
    const session = access.signIn(access.issueLogin(me).secret, { caller: undefined });
    clock.advance(1_000);
    access.identify(session.secret);
    expect(use('one')).toBe(clock.now());
    const ticket = access.tickets.issue(me, { operation: 'read', basin: 'telemetry', streams: { exact: 'web' } });
    clock.advance(1_000);
    access.redeem(ticket.secret);
    expect(use('one')).toBe(clock.now());
  });

  test('is not known of a token without a row, which an older version made, until it is used', async () => {
    const { engine, tokens } = await setUp();
    const { secret, token } = await tokens.issue(ROOT, requestOf('old'));
    await engine.commit([{ type: 'delete', key: usageKey('tokens', token.number, 0) }]);
    const later = await setUp(engine);
    expect(later.use('old')).toBeUndefined();
    later.access.identify(secret);
    expect(later.use('old')).toBe(later.clock.now());
  });
});

describe('what is written', () => {
  test('is written a minute after the first use, once, and is there after a restart', async () => {
    const { engine, clock, tokens, access, commits, use } = await setUp();
    const { secret } = await tokens.issue(ROOT, requestOf('one'));
    const before = commits.length;
    for (let i = 0; i < 100; i++) access.identify(secret);
    clock.advance(MINUTE - 1);
    access.identify(secret);
    expect(commits).toHaveLength(before);
    clock.advance(1);
    await turn();
    expect(commits.slice(before).map((rows) => rows.length)).toEqual([1]);
    expect((await setUp(engine)).use('one')).toBe(use('one'));
    // A server that is idle writes nothing.
    clock.advance(10 * MINUTE);
    await turn();
    expect(commits).toHaveLength(before + 1);
  });

  test('goes on every minute while something is open', async () => {
    const { engine, clock, tokens, access, commits } = await setUp();
    const { secret } = await tokens.issue(ROOT, requestOf('one'));
    const close = access.watch(access.identify(secret), () => {});
    const before = commits.length;
    for (let i = 0; i < 3; i++) {
      clock.advance(MINUTE);
      await turn();
    }
    expect(commits).toHaveLength(before + 3);
    expect((await setUp(engine)).use('one')).toBe(clock.now());
    close();
  });

  test('is tried again when it fails, and is written at the end', async () => {
    const { engine, clock, tokens, access, unwritten, fail } = await setUp();
    const { secret } = await tokens.issue(ROOT, requestOf('one'));
    access.identify(secret);
    const usedAt = clock.now();
    fail(new Error('no space'));
    clock.advance(MINUTE);
    await turn();
    expect(unwritten).toHaveLength(1);
    expect((await setUp(engine)).use('one')).toBeNull();
    await tokens.close();
    expect(unwritten).toHaveLength(2);
    fail(undefined);
    await tokens.close();
    await tokens.close();
    expect((await setUp(engine)).use('one')).toBe(usedAt);
  });

  test('is removed with its token: when that is revoked, and when another takes the place of an expired one', async () => {
    const { engine, clock, tokens, access, rows } = await setUp();
    const [gone, brief] = [
      await tokens.issue(ROOT, requestOf('gone')),
      await tokens.issue(ROOT, requestOf('brief', clock.now() + 10)),
    ];
    access.identify(gone.secret);
    access.identify(brief.secret);
    await tokens.revoke('gone');
    clock.advance(10);
    const again = await tokens.issue(ROOT, requestOf('brief'));
    expect(await rows()).toEqual([again.token.number]);
    await tokens.close();
    expect(await rows()).toEqual([again.token.number]);
    expect((await setUp(engine)).use('brief')).toBeNull();
    // What a store holds besides: nothing else in the family of usage.
    expect(await engine.scan({ ...familyRange(8), limit: 10 })).toHaveLength(1);
  });
});

describe('a token that is used on another node', () => {
  /** A table that follows, and tells the one that leads of uses while it can. */
  async function setUpFollower() {
    const leader = await setUp();
    const { engine, clock, tokens: led } = leader;
    const told: number[] = [];
    let isConnected = true;
    const putUses = async (usedAt: ReadonlyMap<number, number>): Promise<void> => {
      if (!isConnected) throw new Error('no node leads');
      told.push(...usedAt.keys());
      led.noteUses(usedAt);
    };
    const { secret, token } = await led.issue(ROOT, requestOf('one'));
    const follower = await TokenTable.load({ ...tokenStore(engine, async () => {}), putUses }, clock, () => {});
    const connect = (is: boolean): void => {
      isConnected = is;
    };
    return { ...leader, follower, told, connect, hash: hashToken(secret), token };
  }

  test('was used then, as the node that leads knows within a minute, and its store within another one', async () => {
    const { engine, clock, follower, told, hash, token, use } = await setUpFollower();
    follower.find(hash);
    const usedAt = clock.now();
    expect(use('one')).toBeNull();
    clock.advance(MINUTE);
    await turn();
    expect([told, use('one')]).toEqual([[token.number], usedAt]);
    clock.advance(MINUTE);
    await turn();
    expect((await setUp(engine)).use('one')).toBe(usedAt);
    // What was told is not told again.
    clock.advance(10 * MINUTE);
    await turn();
    expect(told).toHaveLength(1);
  });

  test('is told later when no node leads, also of a token that was made meanwhile, and at the end', async () => {
    const { clock, tokens, follower, told, connect, hash, token, use } = await setUpFollower();
    connect(false);
    follower.find(hash);
    clock.advance(MINUTE);
    await turn();
    expect(told).toEqual([]);
    const made = await tokens.issue(ROOT, requestOf('new'));
    follower.follow(hashToken(made.secret), made.token);
    follower.find(hashToken(made.secret));
    connect(true);
    await follower.close();
    expect(told).toEqual([token.number, made.token.number]);
    expect(use('new')).toBe(clock.now());
  });

  test('keeps what is newer, is used at no later time than now, and says nothing of a token that has ended', async () => {
    const { clock, tokens, token, rows, use } = await setUpFollower();
    tokens.used(token);
    const usedAt = clock.now();
    tokens.noteUses(new Map([[token.number, usedAt - 500]]));
    expect(use('one')).toBe(usedAt);
    clock.advance(100);
    tokens.noteUses(new Map([[token.number, clock.now() + 5_000]]));
    expect(use('one')).toBe(clock.now());
    await tokens.revoke('one');
    tokens.noteUses(new Map([[token.number, clock.now() + 1]]));
    await tokens.close();
    expect(await rows()).toEqual([]);
  });
});

test('what is written at once is bounded, and the rest follows a minute later', async () => {
  const clock = new TestClock();
  const written: number[] = [];
  const write = async (rows: ReadonlyMap<number, number>): Promise<void> => void written.push(rows.size);
  const uses = new LastUses({ clock, write }, new Map());
  for (let number = 1; number <= TOKEN_USES_WRITTEN_MAX; number++) uses.used(number);
  await uses.flush();
  expect(written).toEqual([TOKEN_USES_WRITTEN_MAX]);
  for (let number = 0; number <= TOKEN_USES_WRITTEN_MAX; number++) uses.used(number);
  clock.advance(MINUTE);
  await turn();
  expect(written).toEqual([TOKEN_USES_WRITTEN_MAX, TOKEN_USES_WRITTEN_MAX]);
  clock.advance(MINUTE);
  await turn();
  expect(written).toEqual([TOKEN_USES_WRITTEN_MAX, TOKEN_USES_WRITTEN_MAX, 1]);
});
