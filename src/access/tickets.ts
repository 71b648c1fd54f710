/**
 * Tickets for web pages: neither WebSocket nor EventSource can send a header, and a token does not belong in a URL. A
 * ticket opens one read, once, soon after it was issued, as the caller who asked for it.
 */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import { TICKET_TTL_MS, TICKETS_MAX, TICKETS_PER_TOKEN_MAX } from '../model/limits.ts';
import { matches, type ResourceSet } from '../model/scope.ts';
import type { Principal } from './grant.ts';
import { type Issued, SingleUse } from './single-use.ts';

/** What a ticket opens. Names of streams are absolute. */
export interface TicketBounds {
  readonly operation: 'read';
  readonly basin: string;
  readonly streams: ResourceSet;
}

/** A ticket that was issued: to whom, and for what. */
export type Ticket = Issued<TicketBounds>;

const PREFIX = 'tkt';
const OF_PARTITION = new RegExp(`^${PREFIX}(\\d{1,3})_`);

/** What a ticket begins with that is known to the node alone that leads this partition of a cluster. */
export function ticketPrefix(partition: number): string {
  return partition === 0 ? PREFIX : `${PREFIX}${partition}`;
}

/** The partition whose leader knows a ticket. */
export function partitionOfTicket(secret: string): number {
  return Number(OF_PARTITION.exec(secret)?.[1] ?? 0);
}

/** Call `issue` only after checking that the principal may open what the ticket opens. */
export class Tickets extends SingleUse<TicketBounds> {
  constructor(clock: Clock) {
    super(clock, {
      prefix: PREFIX,
      name: 'tickets',
      ttlMs: TICKET_TTL_MS,
      max: TICKETS_MAX,
      perCallerMax: TICKETS_PER_TOKEN_MAX,
    });
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
