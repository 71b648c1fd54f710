/** Who reads a stream live, where they are, and how far behind. What is known of them is in `readers/readings.ts`. */

import type { Principal } from '../../access/grant.ts';
import type { QueryNames } from '../../encoding/known-names.ts';
import { existingBasin } from '../../log/basins.ts';
import type { Position } from '../../model/position.ts';
import type { SeenReader } from '../../readers/readings.ts';
import { authorizeUncounted, type RecordDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { replyJson } from '../reply.ts';
import type { Route } from '../router.ts';
import { IN_BASIN, keptName, nameOf } from '../s2/call.ts';
import { pageOf, turnForPage } from '../s2/page-query.ts';

const PARAMETERS: QueryNames = { once: ['limit', ...IN_BASIN.once] };

/** Those who look every second are not counted as use. */
export function readerRoutes(deps: RecordDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/streams/{stream}/readers',
      call: 'list-readers',
      query: PARAMETERS,
      action: 'list-readers',
      handle: (exchange, [segment = '']) => list(exchange, segment, deps),
    },
  ];
}

async function list(exchange: Exchange, segment: string, deps: RecordDeps): Promise<void> {
  const name = nameOf(exchange, segment, deps);
  const principal = authorizeUncounted(exchange, deps, { operation: 'read', ...name });
  const page = pageOf(exchange.query, 'stream');
  const kept = keptName(principal, name);
  const stream = await deps.log.getStream(existingBasin(deps.log, kept.basin), kept.stream);
  await turnForPage(exchange, page, deps);
  const tail = await deps.log.checkTail(stream);
  const readers = deps.readers.readings.of(stream);
  const shows = principal.allows('basin-metrics', kept.basin);
  const rows = readers.slice(0, page.limit).map((reader) => readerJson(reader, tail, principal, shows));
  const body = { tail: { seq_num: tail.seqNum, timestamp: tail.timestamp }, readers: rows };
  replyJson(exchange, 200, { ...body, has_more: readers.length > rows.length }, deps);
}

/** Whose token and address it is they tell only themselves, and those who may see the senders of the basin too. */
function readerJson(reader: SeenReader, tail: Position, principal: Principal, showsAll: boolean) {
  const shows = showsAll || principal.id === reader.token;
  return {
    protocol: reader.protocol,
    view: reader.view,
    since: new Date(reader.since).toISOString(),
    next_seq_num: reader.nextSeq,
    // One that was given records since the tail was looked up is not ahead of it.
    lag_records: Math.max(0, tail.seqNum - reader.nextSeq),
    waiting_bytes: reader.waitingBytes,
    token: shows ? reader.token : null,
    address: shows ? reader.address : null,
  };
}
