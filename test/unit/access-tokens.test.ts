/** The token table: who is authenticated and from when on, what ends together with a token, and the stored rows. */

import { describe, expect, test } from '@jest/globals';
import { Access } from '../../src/access/access.ts';
import { type Token, unlimited } from '../../src/access/grant.ts';
import { hashToken } from '../../src/access/tokens/credential.ts';
import { rootTokenStore, tokenStore } from '../../src/access/tokens/stores.ts';
import { TokenTable } from '../../src/access/tokens/token-table.ts';
import type { TailraceError } from '../../src/model/error.ts';
import { GRANTED_OPERATIONS } from '../../src/model/operation.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { decodeToken, encodeToken, type TokenRow } from '../../src/storage/token-rows.ts';
import fc from '../support/fast-check.ts';
import { TestClock, turn } from '../support/log-harness.ts';
import { MemoryTokenStore, requestOf } from '../support/no-tokens.ts';

const ROOT = unlimited('root');
const NONE = { read: false, write: false };

async function setUp(store = new MemoryTokenStore(), clock = new TestClock()) {
  const tokens: TokenTable = await TokenTable.load(store, clock, (token) => access.ended(token));
  const access: Access = new Access({ type: 'tokens', rootTokenHash: hashToken('the root token'), tokens }, clock);
  return { store, clock, tokens, access };
}

describe('tokens', () => {
  test('authenticate their holder as soon as they are durable, and after a restart', async () => {
    const { store, clock, tokens, access } = await setUp();
    let durable = (): void => {};
    const put = store.put.bind(store);
    store.put = async (...row) => {
      await new Promise<void>((resolve) => {
        durable = resolve;
      });
      await put(...row);
    };
    const issuing = tokens.issue(ROOT, requestOf('one', { prefix: 'acme' }));
    await turn();
    expect(tokens.list(ROOT, '', '', 10).tokens).toEqual([]);
    await expect(tokens.issue(ROOT, requestOf('one'))).rejects.toMatchObject({ code: 'resource_already_exists' });
    durable();
    const { secret } = await issuing;
    expect(secret).toMatch(/^acme_[0-9a-f]{48}$/);
    expect(access.identify(secret).id).toBe('one');
    expect((await setUp(store, clock)).access.identify(secret).id).toBe('one');
    expect(JSON.stringify([...store.rows])).not.toContain(secret);
  });

  test('get a new secret by rotation, end by revocation, and a new token under the same id is a different token', async () => {
    const { tokens, access } = await setUp();
    const first = await tokens.issue(ROOT, requestOf('one'));
    const second = await tokens.rotate(ROOT, 'one', () => true);
    expect(() => access.identify(first.secret)).toThrow(expect.objectContaining({ code: 'authn' }));
    expect(access.identify(second.secret).token).toMatchObject({ number: first.token.number, rotation: 1 });
    await tokens.revoke('one');
    expect(() => access.identify(second.secret)).toThrow(expect.objectContaining({ code: 'authn' }));
    await expect(tokens.revoke('one')).rejects.toMatchObject({ code: 'access_token_not_found' });
    await expect(tokens.rotate(ROOT, 'one', () => true)).rejects.toMatchObject({ code: 'access_token_not_found' });
    const third = await tokens.issue(ROOT, requestOf('one'));
    expect(third.token.number).not.toBe(first.token.number);
  });

  test('are not valid when their write fails, and the id stays free', async () => {
    const { store, tokens } = await setUp();
    const put = store.put.bind(store);
    store.put = () => Promise.reject(new Error('no space'));
    await expect(tokens.issue(ROOT, requestOf('one'))).rejects.toThrow('no space');
    store.put = put;
    expect((await tokens.issue(ROOT, requestOf('one'))).token.id).toBe('one');
  });
});

describe('watching and listing tokens', () => {
  test('what a token opened ends when the token is revoked, rotated or expires, and nothing else ends', async () => {
    const { clock, tokens, access } = await setUp();
    const open = async (id: string, expiresAt?: number) => {
      const { secret } = await tokens.issue(ROOT, requestOf(id, { expiresAt }));
      const ends: TailraceError[] = [];
      const unwatch = access.watch(access.identify(secret), (error) => ends.push(error));
      return { ends, unwatch };
    };
    const [revoked, rotated, expiring, other, left] = [
      await open('revoked'),
      await open('rotated'),
      await open('expiring', clock.wallMs + 5_000),
      await open('other', clock.wallMs + 500_000),
      await open('left'),
    ];
    left.unwatch();
    await tokens.revoke('revoked');
    await tokens.revoke('left');
    await tokens.rotate(ROOT, 'rotated', () => true);
    for (let i = 0; i < 4; i++) clock.advance(1_000);
    expect(expiring.ends).toEqual([]);
    clock.advance(1_000);
    for (const { ends } of [revoked, rotated, expiring]) expect(ends).toMatchObject([{ code: 'authn' }]);
    for (const { ends } of [other, left]) expect(ends).toEqual([]);
  });

  test('lists are ordered by the bytes of the ids, page by page, without expired tokens', async () => {
    const { clock, tokens } = await setUp();
    const ids = ['a', 'a/1', 'b', '\uffee', '\u{10000}'];
    for (const id of [...ids].reverse()) await tokens.issue(ROOT, requestOf(id));
    await tokens.issue(ROOT, requestOf('a/0', { expiresAt: clock.wallMs + 1 }));
    clock.advance(1);
    const list = (prefix: string, after: string, limit: number) => {
      const page = tokens.list(ROOT, prefix, after, limit);
      return [page.tokens.map(({ id }) => id), page.hasMore];
    };
    expect(list('', '', 10)).toEqual([ids, false]);
    expect(list('', 'a', 2)).toEqual([['a/1', 'b'], true]);
    expect(list('a', '', 10)).toEqual([['a', 'a/1'], false]);
    expect((await tokens.issue(ROOT, requestOf('a/0'))).token.id).toBe('a/0');
  });
});

describe('issuing a token', () => {
  test.each([
    [
      'no operation',
      { scope: { ...requestOf('x').scope, groups: { account: NONE, basin: NONE, stream: NONE } } },
      'invalid',
    ],
    ['a time that is over', { expiresAt: 5 }, 'invalid'],
    [
      'a prefix of no streams',
      { autoPrefixStreams: true, scope: { ...requestOf('x').scope, streams: undefined } },
      'invalid',
    ],
    [
      'a prefix of one',
      { autoPrefixStreams: true, scope: { ...requestOf('x').scope, streams: { exact: 'a' } } },
      'invalid',
    ],
  ])('is refused with %s', async (_, more, code) => {
    const { tokens } = await setUp();
    await expect(tokens.issue(ROOT, requestOf('x', more))).rejects.toMatchObject({ code });
  });
});

/** One row of each form that a token has had; never written anew. */
const FROZEN: readonly { readonly what: string; readonly bytes: string; readonly change: Partial<TokenRow> }[] = [
  {
    what: 'scopes',
    bytes:
      '029da874656e616e742d310702cb427a0c4506818000c0939201a09200a161c096c2c2c2c2c3c391a472656164a0a1619192aa70726f6a656374' +
      '2e6964a2703192ad6672616d657461696c2d70726fcd2710a374726b',
    change: {},
  },
  {
    what: 'an expiry of nanoseconds',
    bytes:
      '039ea874656e616e742d310702cb427a0c4506818000cb427a3185c4c93000939201a09200a161c096c2c2c2c2c3c391a472656164a0a16191' +
      '92aa70726f6a6563742e6964a2703192ad6672616d657461696c2d70726fcd2710a374726ba9313233343536373839',
    change: { expiresAt: 1_799_999_999_123, expiresFraction: '123456789' },
  },
  {
    what: 'a limit of bytes',
    bytes:
      '049ea874656e616e742d310702cb427a0c4506818000c0939201a09200a161c096c2c2c2c2c3c391a472656164a0a1619192aa70726f6a6563' +
      '742e6964a2703194c03cce000f4240c0a374726bc0',
    change: {
      limits: { profile: undefined, spansPerMinute: 60, bytesPerSecond: 1_000_000, burstBytes: undefined },
    },
  },
];

describe('rows of tokens', () => {
  const sets = fc.oneof(
    fc.string({ unit: 'grapheme' }).map((exact) => ({ exact })),
    fc.string({ unit: 'grapheme' }).map((prefix) => ({ prefix })),
    fc.constant(undefined),
  );
  const group = fc.record({ read: fc.boolean(), write: fc.boolean() });
  const optional = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
  const rows: fc.Arbitrary<TokenRow> = fc.record({
    id: fc.string({ unit: 'grapheme', minLength: 1 }),
    number: fc.maxSafeNat(),
    rotation: fc.nat(),
    createdAt: fc.maxSafeNat(),
    expiresAt: optional(fc.maxSafeNat()),
    expiresFraction: optional(fc.stringMatching(/^\d{0,9}$/)),
    scope: fc.record({
      basins: sets,
      streams: sets,
      accessTokens: sets,
      groups: fc.record({ account: group, basin: group, stream: group }),
      operations: fc.subarray([...GRANTED_OPERATIONS]),
    }),
    autoPrefix: fc.string({ unit: 'grapheme' }),
    stream: optional(fc.string({ unit: 'grapheme' })),
    resourceAttributes: fc.array(fc.tuple(fc.constantFrom('__proto__', 'k', 'é'), fc.string({ unit: 'grapheme' }))),
    limits: fc.record({
      profile: optional(fc.string()),
      spansPerMinute: optional(fc.nat()),
      bytesPerSecond: optional(fc.nat()),
      burstBytes: optional(fc.nat()),
    }),
    prefix: fc.constantFrom('trk', 'acme'),
  });

  test('come back as they were written', () => {
    fc.assert(fc.property(rows, (row) => expect(decodeToken(encodeToken(row))).toEqual(row)));
  });

  test.each(FROZEN)('are read as the first build with $what wrote them, and written the same', ({ bytes, change }) => {
    const groups = { account: NONE, basin: NONE, stream: { read: true, write: true } };
    const row: TokenRow = {
      id: 'tenant-1',
      number: 7,
      rotation: 2,
      createdAt: 1_789_999_999_000,
      expiresAt: undefined,
      scope: { basins: { prefix: '' }, streams: { exact: 'a' }, accessTokens: undefined, groups, operations: ['read'] },
      autoPrefix: '',
      stream: 'a',
      resourceAttributes: [['project.id', 'p1']],
      limits: { profile: 'frametail-pro', spansPerMinute: 10_000 },
      prefix: 'trk',
      ...change,
    };
    expect(Buffer.from(encodeToken(row)).toString('hex')).toBe(bytes);
    expect(decodeToken(Buffer.from(bytes, 'hex'))).toEqual(row);
  });

  test('are corrupt when they have another shape', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(1, 2, 3), (garbage, version) => {
        const value = Buffer.concat([Buffer.of(version), garbage]);
        let read: TokenRow | 'root' | string | undefined;
        try {
          read = decodeToken(value);
        } catch (error) {
          read = (error as TailraceError).code;
        }
        expect(['corrupt', 'root']).toContain(typeof read === 'string' ? read : 'corrupt');
      }),
    );
  });
});

/** The table returns exactly what it stores of a token. */
test('the store receives tokens without their secrets', async () => {
  const { store, tokens } = await setUp();
  const { token, secret } = await tokens.issue(ROOT, requestOf('one', { resourceAttributes: new Map([['k', 'v']]) }));
  const kept: readonly Token[] = [...store.rows.values()];
  expect(kept).toEqual([token]);
  expect([...store.rows.keys()]).toEqual([hashToken(secret)]);
});

test('a row of another token under the id of the root token is not taken for the root token', async () => {
  const engine = openMemoryEngine();
  const clock = new TestClock();
  const root = rootTokenStore(engine, clock);
  const { tokens } = await setUp();
  const { token } = await tokens.issue(ROOT, requestOf('another'));
  await root.putRootTokenHash(hashToken('the root token'), false);
  expect(await root.rootTokenHash()).toBe(hashToken('the root token'));
  await tokenStore(engine, (rows) => engine.commit(rows)).put(hashToken('another one'), { ...token, id: 'root' }, 2);
  expect(await root.rootTokenHash()).toBeUndefined();
});
