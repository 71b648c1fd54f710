/** Tickets: valid once, for a short time, for one purpose, as their issuer; and limited in number. */

import { expect, test } from '@jest/globals';
import { Access } from '../../src/access/access.ts';
import { unlimited } from '../../src/access/grant.ts';
import { holderOf, type TicketBounds, Tickets } from '../../src/access/tickets.ts';
import { TICKETS_PER_TOKEN_MAX } from '../../src/model/limits.ts';
import { noTokens } from '../support/no-tokens.ts';
import { ManualClock } from '../support/socket-clock.ts';

const ONE: TicketBounds = { operation: 'read', basin: 'telemetry', streams: { exact: 'app' } };
const SOME: TicketBounds = { operation: 'read', basin: 'telemetry', streams: { prefix: 'app/' } };
const MINUTE = 60_000;

test('a ticket is valid once, for a minute', () => {
  const clock = new ManualClock();
  const tickets = new Tickets(clock);
  const [one, two, late] = [0, 1, 2].map(() => tickets.issue(unlimited('me'), ONE));
  expect(one?.expiresAt).toBe(clock.now() + MINUTE);
  expect(one?.secret).toMatch(/^tkt_[0-9a-f]{48}$/);
  expect(one?.secret).not.toBe(two?.secret);
  expect(tickets.take(one?.secret ?? '')?.principal.id).toBe('me');
  expect(tickets.take(one?.secret ?? '')).toBeUndefined();
  clock.advance(MINUTE - 1);
  expect(tickets.take(two?.secret ?? '')).toMatchObject(ONE);
  clock.advance(1);
  expect(tickets.take(late?.secret ?? '')).toBeUndefined();
  expect(tickets.take('')).toBeUndefined();
  expect(tickets.size).toBe(0);
});

test('a caller has a limited number of tickets, and can get more when they are used or expire', () => {
  const clock = new ManualClock();
  const tickets = new Tickets(clock);
  const issue = (id = 'me') => tickets.issue(unlimited(id), ONE).secret;
  const first = issue();
  for (let i = 1; i < TICKETS_PER_TOKEN_MAX; i++) issue();
  expect(() => issue()).toThrow(/too many tickets/);
  issue('another');
  tickets.take(first);
  issue();
  expect(() => issue()).toThrow(/too many tickets/);
  clock.advance(MINUTE);
  issue();
  expect(tickets.size).toBe(1);
});

test('a ticket opens only its basin and streams', () => {
  const tickets = new Tickets(new ManualClock());
  const ticket = (bounds: TicketBounds) => tickets.take(tickets.issue(unlimited('me'), bounds).secret);
  const opens = (bounds: TicketBounds, basin: string, stream: string): boolean => {
    const it = ticket(bounds);
    if (it === undefined) throw new Error('no ticket');
    try {
      return holderOf(it, basin, stream).id === 'me';
    } catch (error) {
      expect(error).toMatchObject({ code: 'authn' });
      return false;
    }
  };
  expect(opens(ONE, 'telemetry', 'app')).toBe(true);
  expect(opens(ONE, 'telemetry', 'app/x')).toBe(false);
  expect(opens(ONE, 'elsewhere', 'app')).toBe(false);
  expect(opens(SOME, 'telemetry', 'app/x')).toBe(true);
  expect(opens(SOME, 'telemetry', 'app')).toBe(false);
});

test('tickets also work without authentication, and unknown ones do not', async () => {
  const clock = new ManualClock();
  const modes = [{ type: 'open' }, { type: 'tokens', rootTokenHash: '', tokens: await noTokens(clock) }] as const;
  for (const mode of modes) {
    const access = new Access(mode, clock);
    const { secret } = access.tickets.issue(unlimited('root'), ONE);
    expect(access.redeem(secret).principal.id).toBe('root');
    for (const unknown of [secret, '', 'tkt_0']) expect(() => access.redeem(unknown)).toThrow(/ask for a new one/);
  }
});
