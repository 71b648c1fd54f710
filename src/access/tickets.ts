/**
 * Tickets for web pages: neither WebSocket nor EventSource can send a header, and a token does not belong in a URL. A
 * ticket opens one read, once, soon after it was issued, as the caller who asked for it. Tickets are kept in memory
 * only.
 */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import { TICKET_TTL_MS, TICKETS_MAX, TICKETS_PER_TOKEN_MAX } from '../model/limits.ts';
import { matches, type ResourceSet } from '../model/scope.ts';
import type { Principal } from './grant.ts';
import { hashToken, makeToken } from './tokens/credential.ts';

/** What a ticket opens. Names of streams are absolute. */
export interface TicketBounds {
  readonly operation: 'read';
  readonly basin: string;
  readonly streams: ResourceSet;
}

/** A ticket that was issued: to whom, and for what. */
export interface Ticket extends TicketBounds {
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface IssuedTicket {
  /** Shown once; only its hash is kept. */
  readonly secret: string;
  readonly expiresAt: number;
}

const PREFIX = 'tkt';
const RETRY_SECONDS = 5;

export class Tickets {
  readonly #clock: Clock;
  /** By the hash of the secret, oldest first: all live equally long. */
  readonly #byHash = new Map<string, Ticket>();
  /** How many tickets each caller has. */
  readonly #held = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tickets that are kept now. */
  get size(): number {
    return this.#byHash.size;
  }

  /**
   * Call it only after checking that the principal may open what the ticket opens.
   * @throws TailraceError `rate_limited`
   */
  issue(principal: Principal, bounds: TicketBounds): IssuedTicket {
    const now = this.#clock.now();
    this.#sweep(now);
    const held = this.#held.get(principal.id) ?? 0;
    if (held >= TICKETS_PER_TOKEN_MAX || this.#byHash.size >= TICKETS_MAX) throw tooMany();
    const secret = makeToken(PREFIX);
    const expiresAt = now + TICKET_TTL_MS;
    this.#byHash.set(hashToken(secret), { ...bounds, principal, expiresAt });
    this.#held.set(principal.id, held + 1);
    return { secret, expiresAt };
  }

  /** Takes a ticket, which cannot be taken again. Undefined for one that is not known, or has expired. */
  take(secret: string): Ticket | undefined {
    const hash = hashToken(secret);
    const ticket = this.#byHash.get(hash);
    if (ticket === undefined) return undefined;
    this.#drop(hash, ticket);
    return ticket.expiresAt > this.#clock.now() ? ticket : undefined;
  }

  #sweep(now: number): void {
    for (const [hash, ticket] of this.#byHash) {
      if (ticket.expiresAt > now) return;
      this.#drop(hash, ticket);
    }
  }

  #drop(hash: string, { principal: { id } }: Ticket): void {
    this.#byHash.delete(hash);
    const held = (this.#held.get(id) ?? 1) - 1;
    if (held === 0) this.#held.delete(id);
    else this.#held.set(id, held);
  }
}

/** The caller with a ticket, if the ticket is for that stream. @throws TailraceError `authn` */
export function holderOf(ticket: Ticket, basin: string, stream: string): Principal {
  const { principal, streams } = ticket;
  if (basin !== ticket.basin || !matches(streams, principal.absolute(stream))) {
    throw new TailraceError('authn', 'the ticket is for another stream: ask for one for this');
  }
  return principal;
}

/** The caller with a ticket, who has of the basin's streams only those of the ticket. @throws TailraceError `authn` */
export function holderAmong(ticket: Ticket, basin: string): Principal {
  const { principal, streams } = ticket;
  if (basin !== ticket.basin) throw new TailraceError('authn', 'the ticket is for another basin: ask for one for this');
  return {
    ...principal,
    allows: (operation, ofBasin, stream, tokenId) =>
      principal.allows(operation, ofBasin, stream, tokenId) && (stream === undefined || matches(streams, stream)),
  };
}

function tooMany(): TailraceError {
  return new TailraceError('rate_limited', 'too many tickets were asked for and not used: wait until some expire', {
    detail: { retryAfterSeconds: RETRY_SECONDS },
  });
}
