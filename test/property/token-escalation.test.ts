/** A token can never issue a child that may do more than the token itself. */

import { expect, test } from '@jest/globals';
import { type Principal, principalOf, type Token, unlimited } from '../../src/access/grant.ts';
import { Sessions } from '../../src/access/logins.ts';
import { hashToken } from '../../src/access/tokens/credential.ts';
import { checkIssue, holdsAllOf, tokenFor } from '../../src/access/tokens/issue.ts';
import { GRANTED_OPERATIONS } from '../../src/model/operation.ts';
import type { ResourceSet } from '../../src/model/scope.ts';
import type { TokenRequest } from '../../src/model/token-request.ts';
import fc from '../support/fast-check.ts';
import { shareOf } from '../support/share-of.ts';
import { ManualClock } from '../support/socket-clock.ts';

const NOW = 1_000_000;

/** Few letters, so that names and prefixes overlap often. */
const name = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 4 });

/** Mostly sets within one another, so that many requests are granted. */
const set: fc.Arbitrary<ResourceSet | undefined> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom({ prefix: '' }, { prefix: 'a' }, { prefix: 'ab' }, { prefix: 'aba' }) },
  { weight: 1, arbitrary: name.map((exact) => ({ exact })) },
  { weight: 1, arbitrary: name.map((prefix) => ({ prefix })) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);

const NONE = { read: false, write: false };
const group = fc.oneof(
  { weight: 12, arbitrary: fc.constant(NONE) },
  { weight: 1, arbitrary: fc.record({ read: fc.boolean(), write: fc.boolean() }) },
);
const operations = fc.oneof(
  fc.subarray(['issue-access-token', 'read', 'append'] as const, { minLength: 1 }),
  fc.subarray([...GRANTED_OPERATIONS]),
);

const request: fc.Arbitrary<TokenRequest> = fc.record({
  id: name.map((id) => `aba${id}`),
  scope: fc.record({
    basins: set,
    streams: set,
    accessTokens: set,
    groups: fc.record({ account: group, basin: group, stream: group }),
    operations,
  }),
  expiresAt: fc.option(fc.integer({ min: NOW - 1, max: NOW + 20 }), { nil: undefined, freq: 2 }),
  autoPrefixStreams: fc.boolean(),
  stream: fc.option(
    name.filter((stream) => stream !== ''),
    { nil: undefined },
  ),
  resourceAttributes: fc
    .dictionary(fc.constantFrom('k1', 'k2'), fc.constantFrom('x', 'y'))
    .map((o) => new Map(Object.entries(o))),
  limits: fc.record({
    profile: fc.constant(undefined),
    spansPerMinute: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  }),
  prefix: fc.option(fc.constantFrom('trk', 'acme'), { nil: undefined }),
});

/** A token that a holder of a chain of tokens can obtain, and the token it came from. */
const ALL = { read: true, write: true };
const everything = {
  basins: { prefix: '' },
  streams: { prefix: '' },
  accessTokens: { prefix: '' },
  groups: { account: ALL, basin: ALL, stream: ALL },
  operations: [],
};

/** Mostly the chain begins with a token that may do everything. */
const first = fc.oneof({ weight: 3, arbitrary: request.map((asked) => ({ ...asked, scope: everything })) }, request);

const chains = fc.tuple(first, fc.array(request, { minLength: 1, maxLength: 3 })).map(([wide, others]) => {
  const tokens: Token[] = [];
  for (const [number, asked] of [wide, ...others].entries()) {
    const issuer = tokens.at(-1);
    try {
      const principal = issuer === undefined ? unlimited('root') : principalOf(issuer);
      checkIssue(principal, asked, NOW);
      tokens.push(tokenFor(principal, asked, { number, rotation: 0, createdAt: NOW }));
    } catch {
      // Refused: no token was issued.
    }
  }
  return tokens;
});

test('a child reaches no name, holds no operation and lives no longer than its issuer allows', () => {
  let children = 0;
  fc.assert(
    fc.property(chains, name, name, (tokens, stream, basin) => {
      for (const [i, child] of tokens.entries()) {
        const parent = tokens[i - 1];
        if (parent === undefined) continue;
        children++;
        const [above, below] = [principalOf(parent), principalOf(child)];
        for (const operation of GRANTED_OPERATIONS) {
          // Both use the same name, which means a name of their own for each; and both mean the same stream.
          const kept = below.absolute(stream);
          if (below.allows(operation, basin, kept, stream)) {
            expect(above.allows(operation, basin, kept, stream)).toBe(true);
          }
        }
        expect(child.expiresAt ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(
          parent.expiresAt ?? Number.POSITIVE_INFINITY,
        );
      }
    }),
    { numRuns: shareOf(8_000) },
  );
  expect(children).toBeGreaterThan(shareOf(300));
});

test('a child is bound to everything that binds its issuer', () => {
  fc.assert(
    fc.property(chains, (tokens) => {
      for (const [i, child] of tokens.entries()) {
        const parent = tokens[i - 1];
        if (parent === undefined) continue;
        for (const [key, value] of parent.resourceAttributes) expect(child.resourceAttributes.get(key)).toBe(value);
        if (parent.stream !== undefined) expect(child.stream).toBe(parent.stream);
        expect(child.autoPrefix.startsWith(parent.autoPrefix)).toBe(true);
        const most = parent.limits.spansPerMinute ?? Number.POSITIVE_INFINITY;
        expect(child.limits.spansPerMinute ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(most);
        expect(holdsAllOf(principalOf(parent), child)).toBe(true);
      }
    }),
    { numRuns: shareOf(6_000) },
  );
});

/** The time at which the tokens are issued. */
class ClockOfTokens extends ManualClock {
  override now(): number {
    return NOW;
  }
}

test('a session of the page issues what its token issues, and nothing else', () => {
  const sessions = new Sessions(new ClockOfTokens());
  let granted = 0;
  fc.assert(
    fc.property(chains, request, (tokens, asked) => {
      const token = tokens.at(-1);
      if (token === undefined) return;
      const holder = principalOf(token);
      const session = sessions.find(hashToken(sessions.begin(holder).secret));
      if (session?.session === undefined) throw new Error('there is no session');
      const issuedBy = (issuer: Principal): unknown => {
        try {
          checkIssue(issuer, asked, NOW);
          return tokenFor(issuer, asked, { number: 9, rotation: 0, createdAt: NOW });
        } catch (error) {
          return error;
        }
      };
      const byToken = issuedBy(holder);
      expect(issuedBy(session)).toEqual(byToken);
      if (!(byToken instanceof Error)) granted++;
      for (const operation of GRANTED_OPERATIONS) expect(session.allows(operation)).toBe(holder.allows(operation));
      sessions.end(session.session);
    }),
    { numRuns: shareOf(4_000) },
  );
  expect(granted).toBeGreaterThan(shareOf(100));
  expect(sessions.size).toBe(0);
});

test('a token may not rotate a token that may do more', () => {
  fc.assert(
    fc.property(chains, chains, (mine, others) => {
      const [holder, target] = [mine.at(-1), others.at(-1)];
      if (holder === undefined || target === undefined || !holdsAllOf(principalOf(holder), target)) return;
      const [above, below] = [principalOf(holder), principalOf(target)];
      for (const operation of GRANTED_OPERATIONS) {
        if (below.allows(operation)) expect(above.allows(operation)).toBe(true);
      }
      for (const [key, value] of holder.resourceAttributes) expect(target.resourceAttributes.get(key)).toBe(value);
    }),
    { numRuns: shareOf(6_000) },
  );
});
