/** What the node that leads a partition does for other nodes: see `http/cluster-calls.ts`. */

import type { Access } from '../access/access.ts';
import { ticketPrefix } from '../access/tickets.ts';
import type { PlaceWriter } from '../cluster/place-writer.ts';
import { type ClusterCall, callerRefOf } from '../http/cluster-calls.ts';
import { makeForNode } from '../http/routes/basins.ts';
import { TailraceError } from '../model/error.ts';
import type { Entry } from '../storage/engine.ts';
import { ADOPTED, type BasinMover } from './basin-mover.ts';
import type { BorrowedSessions } from './borrowed-sessions.ts';
import { type CallHandlers, noLeader } from './leader-calls.ts';

export interface CallHandlersDeps {
  /** Of the partitions that hold no tokens. @throws TailraceError `unavailable` */
  access(): Access;
  sessions(): BorrowedSessions | undefined;
  /** Undefined where this node does not lead partition 0. */
  writer(): PlaceWriter | undefined;
  /** Of a partition that this node leads. */
  mover(partition: number): BasinMover | undefined;
  /** The rows of a basin that moves, from the node that leads its partition. */
  rows(from: number, basin: string, id: string): AsyncIterable<readonly Entry[]>;
}

export function callHandlers(deps: CallHandlersDeps): CallHandlers {
  return {
    'make-basin': ({ mode, basin, config, token }, { log }) => makeForNode({ mode, basin, config, token }, log),
    'issue-ticket': async ({ partition, caller, bounds }) => {
      const access = deps.access();
      if (caller.session !== undefined) await deps.sessions()?.ask(caller.session);
      const principal = caller.session === undefined ? access.holderNamed(caller.token) : access.find(caller.session);
      if (principal === undefined) throw new TailraceError('authn', 'the token was revoked, rotated, or has expired');
      return access.tickets.issue(principal, bounds, ticketPrefix(partition));
    },
    'find-session': async ({ hash }, { access }) => {
      const principal = access.find(hash);
      return principal?.session === undefined ? null : callerRefOf(principal);
    },
    usage: ({ query }, { account }) => account.usage(query),
    senders: async (_call, { account }) => account.senders(),
    audit: async ({ most }, { account }) => account.audit(most),
    'note-uses': async ({ uses }, { access }) => access.tokens?.noteUses(new Map(uses)),
    'begin-move': async ({ partition, basin, id, to }) => deps.mover(partition)?.begin({ basin, id, to }),
    place: (call) => place(call, deps),
    'take-basin': ({ basin, id, from }, { log }) => log.moves.take(basin, { id, from }, deps.rows(from, basin, id)),
    'adopt-basin': async ({ basin, id }, { log }) => void (await log.moves.adopt(basin, id)),
    'forget-basin': async ({ basin, id }, { log }) => {
      // Its place is elsewhere: it can be here only by this move.
      if (log.basin(basin) !== undefined) return ADOPTED;
      await log.moves.forget(basin, id);
      return null;
    },
    moves: async ({ partition }) => deps.mover(partition)?.moves ?? [],
  };
}

async function place(
  { act, basin, id, from, to }: Extract<ClusterCall, { call: 'place' }>,
  deps: CallHandlersDeps,
): Promise<void> {
  const places = deps.writer();
  if (places === undefined) throw noLeader(0);
  switch (act) {
    case 'begin':
      return places.beginMove(basin, from, to, id);
    case 'finish':
      return places.finishMove(basin, id);
    case 'abort':
      return places.abortMove(basin, id);
  }
}
