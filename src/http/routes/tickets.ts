/** Tickets for web pages, which cannot send headers where they open a WebSocket or an EventSource. */

import { z } from 'zod';
import type { Principal } from '../../access/grant.ts';
import type { IssuedSecret } from '../../access/single-use.ts';
import type { TicketBounds } from '../../access/tickets.ts';
import { TailraceError } from '../../model/error.ts';
import { STREAM_NAME_BYTES_MAX } from '../../model/limits.ts';
import { basinNameFault, streamNameFault } from '../../model/names.ts';
import { isWithin } from '../../model/scope.ts';
import { nameShape, readJson, shaped } from '../body/json-body.ts';
import { authorize, type ControlRouteDeps, identify } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { NO_STORE, replyJson } from '../reply.ts';
import type { Route } from '../router.ts';

export const request = z.object({
  basin: nameShape(basinNameFault),
  stream: nameShape(streamNameFault).optional(),
  prefix: nameShape(prefixFault).optional(),
  operation: z.literal('read'),
});

type TicketRequest = z.output<typeof request>;

export interface TicketRouteDeps extends ControlRouteDeps {
  /** Issues a ticket for a basin that another server has; undefined for one of this server. */
  readonly issueElsewhere?:
    | ((principal: Principal, bounds: TicketBounds) => Promise<IssuedSecret> | undefined)
    | undefined;
}

export function ticketRoutes(deps: TicketRouteDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/tickets',
      call: 'issue-ticket',
      action: 'issue-ticket',
      handle: (exchange) => issueTicket(exchange, deps),
    },
  ];
}

async function issueTicket(exchange: Exchange, deps: TicketRouteDeps): Promise<void> {
  // Identified first: a stranger learns nothing about what is wrong with the body.
  identify(exchange, deps);
  const asked = shaped(request, await readJson(exchange, deps));
  const { basin, stream, operation } = asked;
  const principal = authorize(exchange, deps, { operation, basin, stream });
  const bounds = boundsOf(asked, principal);
  const elsewhere = await deps.issueElsewhere?.(principal, bounds);
  const { secret, expiresAt } = elsewhere ?? deps.access.tickets.issue(principal, bounds);
  const issued = { ticket: secret, expires_at: new Date(expiresAt).toISOString() };
  replyJson(exchange, 201, issued, deps, NO_STORE);
}

/** @throws TailraceError `invalid`, and `permission_denied` for a prefix that reaches beyond the token */
function boundsOf({ basin, stream, prefix, operation }: TicketRequest, principal: Principal): TicketBounds {
  if ((stream === undefined) === (prefix === undefined)) {
    throw new TailraceError('invalid', 'a ticket is for one `stream`, or for all with a `prefix`: name one of the two');
  }
  if (stream !== undefined) return { operation, basin, streams: { exact: principal.absolute(stream) } };
  const streams = { prefix: principal.absolute(prefix ?? '') };
  if (principal.token === undefined || isWithin(streams, principal.token.scope.streams)) {
    return { operation, basin, streams };
  }
  const where = `the streams with the prefix \`${prefix}\` in basin \`${basin}\``;
  throw new TailraceError('permission_denied', `the token \`${principal.id}\` may not ${operation} all ${where}`);
}

/** The empty prefix is that of all streams. */
function prefixFault(prefix: string): string | undefined {
  if (Buffer.byteLength(prefix) <= STREAM_NAME_BYTES_MAX) return undefined;
  return `a prefix has at most ${STREAM_NAME_BYTES_MAX} bytes`;
}
