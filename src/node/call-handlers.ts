/** What the node that leads a partition does for other nodes: see `http/cluster-calls.ts`. */

import type { Access } from '../access/access.ts';
import { ticketPrefix } from '../access/tickets.ts';
import type { PlaceWriter } from '../cluster/place-writer.ts';
import type { ConfirmedPlace, Places } from '../cluster/places.ts';
import { type ClusterCall, type ClusterCallOf, callerRefOf } from '../http/cluster-calls.ts';
import { makeForNode } from '../http/routes/basins.ts';
import type { Log } from '../log/log.ts';
import { TailraceError } from '../model/error.ts';
import type { Entry } from '../storage/engine.ts';
import { ADOPTED, type BasinMover } from './basin-mover.ts';
import { type CallHandlers, noLeader } from './leader-calls.ts';
import type { RemoteSessions } from './remote-sessions.ts';

export interface CallHandlersDeps {
  /** Of the partitions that hold no tokens. @throws TailraceError `unavailable` */
  access(): Access;
  sessions(): RemoteSessions | undefined;
  /** As this node has followed them. */
  readonly places: Places;
  /** Applies all that partition 0 holds now; where this node leads it, confirms that. @throws TailraceError `unavailable` */
  catchUp(): Promise<void>;
  /** Asks the leader of a partition. */
  call(call: ClusterCall): Promise<unknown>;
  /** Undefined where this node does not lead partition 0. */
  writer(): PlaceWriter | undefined;
  /** Of a partition that this node leads. */
  mover(partition: number): BasinMover | undefined;
  /** The rows of a basin that moves, from the node that leads its partition. */
  rows(from: number, basin: string, id: string): AsyncIterable<readonly Entry[]>;
}

export function callHandlers(deps: CallHandlersDeps): CallHandlers {
  return {
    'make-basin': async ({ partition, mode, basin, config, token }, { log }) => {
      // A call that comes late must not make it where it was before it moved.
      if ((await placeOf(basin, deps)).partition !== partition) throw noLeader(partition);
      return makeForNode({ mode, basin, config, token }, log);
    },
    'issue-ticket': async ({ partition, caller, bounds }) => {
      const access = deps.access();
      // The token may be new.
      await deps.catchUp();
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
    place: async (call) => {
      await place(call, deps);
      // What changed nothing was not confirmed by a commit.
      await deps.catchUp();
    },
    'place-of': async ({ basin }): Promise<ConfirmedPlace> => {
      await deps.catchUp();
      const { partition, move } = deps.places.rowOf(basin) ?? { partition: 0 };
      return { partition, ...(move === undefined ? {} : { move }) };
    },
    'take-basin': ({ basin, id, from }, { log }) => log.moves.take(basin, { id, from }, deps.rows(from, basin, id)),
    'adopt-basin': async ({ basin, id }, { log }) => void (await log.moves.adopt(basin, id)),
    'forget-basin': (call, { log }) => forgetBasin(call, log, deps),
    moves: async ({ partition }) => deps.mover(partition)?.moves ?? [],
  };
}

/**
 * Removes what was taken of a basin. One that was adopted stays where its place is here, or where a move to here is under way;
 * else it is left over from a move that was given up, and no request was ever sent to it.
 */
async function forgetBasin(
  { partition, basin, id }: ClusterCallOf<'forget-basin'>,
  log: Pick<Log, 'basin' | 'moves'>,
  deps: CallHandlersDeps,
): Promise<typeof ADOPTED | null> {
  // Behind it all that was accepted before is durable, also an adoption.
  await log.moves.forget(basin, id);
  if (log.basin(basin) === undefined) return null;
  const { partition: placed, move } = await placeOf(basin, deps);
  if (placed === partition || move?.to === partition) return ADOPTED;
  await log.moves.seal(basin, { id, to: placed });
  await log.moves.drop(basin, id);
  return null;
}

/** As the leader of partition 0 confirms it: what this node has followed may be old. */
async function placeOf(basin: string, { call }: CallHandlersDeps): Promise<ConfirmedPlace> {
  return (await call({ call: 'place-of', partition: 0, basin })) as ConfirmedPlace;
}

async function place({ act, basin, id, from, to }: ClusterCallOf<'place'>, deps: CallHandlersDeps): Promise<void> {
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
