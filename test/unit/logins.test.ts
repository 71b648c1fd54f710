/** Logins and sessions of the page: how many there may be, and whom those of others leave out. */

import { expect, test } from '@jest/globals';
import { type Principal, principalOf, unlimited } from '../../src/access/grant.ts';
import { Logins, Sessions } from '../../src/access/logins.ts';
import { hashToken } from '../../src/access/tokens/credential.ts';
import { LOGINS_MAX, LOGINS_PER_TOKEN_MAX, SESSIONS_MAX, SESSIONS_PER_TOKEN_MAX } from '../../src/model/limits.ts';
import { ManualClock } from '../support/socket-clock.ts';

const ROOT = unlimited('root');
const NONE = { read: false, write: false };
const MINUTE_MS = 60_000;

function holder(id: string): Principal {
  const scope = { groups: { account: NONE, basin: NONE, stream: NONE }, operations: ['read'] } as const;
  const sets = { basins: undefined, streams: undefined, accessTokens: undefined };
  const bounds = {
    autoPrefix: '',
    stream: undefined,
    resourceAttributes: new Map<string, string>(),
    limits: { profile: undefined, spansPerMinute: undefined },
  };
  const identity = { id, number: 1, rotation: 0, createdAt: 0, expiresAt: undefined, prefix: 'trk' } as const;
  return principalOf({ ...identity, ...bounds, scope: { ...scope, ...sets } });
}

test('there are a limited number of logins, and those of tokens leave the share of the root token to it', () => {
  const clock = new ManualClock();
  const logins = new Logins(clock);
  for (let i = 0; i < LOGINS_MAX; i++) logins.issue(holder(`t-${Math.floor(i / LOGINS_PER_TOKEN_MAX)}`), {});
  expect(() => logins.issue(holder('one more'), {})).toThrow(/too many logins/);
  for (let i = 0; i < LOGINS_PER_TOKEN_MAX; i++) logins.issue(ROOT, {});
  expect(() => logins.issue(ROOT, {})).toThrow(/too many logins/);
  clock.advance(MINUTE_MS);
  logins.issue(holder('one more'), {});
  expect(logins.size).toBe(1);
});

test('there are a limited number of sessions, and those of tokens push out none of the root token', () => {
  const sessions = new Sessions(new ManualClock());
  const begin = (caller: Principal) => hashToken(sessions.begin(caller).secret);
  const ofRoot = begin(ROOT);
  const first = begin(holder('t-0'));
  for (let i = 2; i < SESSIONS_MAX; i++) begin(holder(`t-${Math.floor(i / SESSIONS_PER_TOKEN_MAX)}`));
  begin(holder('one more'));
  expect(sessions.size).toBe(SESSIONS_MAX);
  expect([sessions.find(ofRoot)?.id, sessions.find(first)]).toEqual(['root', undefined]);
  for (let i = 1; i < SESSIONS_PER_TOKEN_MAX; i++) begin(ROOT);
  expect(sessions.find(ofRoot)?.id).toBe('root');
  begin(ROOT);
  expect(sessions.size).toBe(SESSIONS_MAX + SESSIONS_PER_TOKEN_MAX - 1);
});

test('a session with something open does not make way for another one, and its caller is told', () => {
  const sessions = new Sessions(new ManualClock());
  const begin = () => sessions.find(hashToken(sessions.begin(holder('me')).secret));
  const ended: string[] = [];
  const cancels = Array.from({ length: SESSIONS_PER_TOKEN_MAX }, () => {
    const { session } = begin() ?? {};
    return session === undefined ? undefined : sessions.watch(session, ({ message }) => void ended.push(message));
  });
  expect(() => begin()).toThrow(/all are in use: sign out/);
  cancels[7]?.();
  begin();
  expect(() => begin()).not.toThrow();
  expect(ended).toEqual([]);
});

test('what is watched of a session that has ended ends at once', () => {
  const sessions = new Sessions(new ManualClock());
  const { session } = sessions.find(hashToken(sessions.begin(ROOT).secret)) ?? {};
  if (session === undefined) throw new Error('there is no session');
  const ended: string[] = [];
  sessions.watch(session, () => void ended.push('before'));
  sessions.watch(session, () => void ended.push('cancelled'))();
  sessions.end(session);
  sessions.watch(session, ({ code }) => void ended.push(code))();
  expect(ended).toEqual(['before', 'authn']);
  expect([sessions.isAlive(session), sessions.size]).toEqual([false, 0]);
});
