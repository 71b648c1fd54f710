/** Streams of a basin, and the tail of one (S2 API §3.2, §6). */

import { TailraceError } from '../../model/error.ts';
import { streamNameFault } from '../../model/names.ts';
import { authorize, basinNamed, existingBasin, type HttpDeps } from '../door.ts';
import type { Exchange } from '../exchange.ts';
import { pageOf } from '../page-query.ts';
import { refuseS2 } from '../refuse.ts';
import { reply } from '../reply.ts';
import { decodeSegment, type Route } from '../router.ts';

export function streamRoutes(deps: HttpDeps): readonly Route[] {
  const refuse: Route['refuse'] = (exchange, error) => refuseS2(exchange, error, deps.room);
  const list: Route['handle'] = (exchange) => listStreams(exchange, deps);
  const tail: Route['handle'] = (exchange, [segment = '']) => checkTail(exchange, segment, deps);
  const records: Route['handle'] = (exchange, [segment = '']) => readUnary(exchange, segment, deps);
  return [
    { method: 'GET', path: '/v1/streams', handle: list, refuse },
    { method: 'GET', path: '/v1/streams/{stream}/records/tail', handle: tail, refuse },
    { method: 'GET', path: '/v1/streams/{stream}/records', handle: records, refuse },
  ];
}

async function listStreams(exchange: Exchange, deps: HttpDeps): Promise<void> {
  const basinName = requiredBasin(exchange);
  authorize(exchange, deps, { operation: 'list-streams', basin: basinName });
  const page = pageOf(exchange.query, 'stream');
  const { streams, hasMore } = await deps.log.listStreams(existingBasin(deps, basinName), page);
  const rows = streams.map(({ name, createdAt }) => ({
    name,
    created_at: new Date(createdAt).toISOString(),
    deleted_at: null,
    cipher: null,
  }));
  answerJson(exchange, { streams: rows, has_more: hasMore }, deps);
}

async function checkTail(exchange: Exchange, segment: string, deps: HttpDeps): Promise<void> {
  const basinName = requiredBasin(exchange);
  const streamName = streamNamed(segment);
  authorize(exchange, deps, { operation: 'check-tail', basin: basinName, stream: streamName });
  const stream = await deps.log.openStream(existingBasin(deps, basinName), streamName, 'read');
  const { seqNum, timestamp } = await deps.log.checkTail(stream);
  answerJson(exchange, { tail: { seq_num: seqNum, timestamp } }, deps);
}

/** Only readers over WebSocket so far: a plain GET is told so. */
function readUnary(exchange: Exchange, segment: string, deps: HttpDeps): never {
  const basin = requiredBasin(exchange);
  authorize(exchange, deps, { operation: 'read', basin, stream: streamNamed(segment) });
  throw new TailraceError('not_found', 'records are read over a WebSocket: connect to this path with an upgrade');
}

function requiredBasin(exchange: Exchange): string {
  const name = basinNamed(exchange);
  if (name === undefined) throw new TailraceError('bad_header', 'Missing header `s2-basin`');
  return name;
}

function streamNamed(segment: string): string {
  const name = decodeSegment(segment);
  const fault = streamNameFault(name);
  if (fault !== undefined) throw new TailraceError('bad_path', fault);
  return name;
}

function answerJson(exchange: Exchange, value: unknown, deps: HttpDeps): void {
  reply(exchange, { status: 200, contentType: 'application/json', body: JSON.stringify(value) }, deps.room);
}
