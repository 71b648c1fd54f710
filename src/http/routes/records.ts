/** Records of a stream: append, read, and check the tail. */

import { existingBasin } from '../../log/basins.ts';
import { MANY_PARAMETERS } from '../../readers/many/parse-many-query.ts';
import { BACK_PARAMETERS } from '../../s2/back-query.ts';
import { positionJson } from '../../s2/batch/json.ts';
import { READ_PARAMETERS } from '../../s2/read-query.ts';
import { SSE_CONTENT_TYPE } from '../../s2/sse.ts';
import { authorize, type RecordDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { aggregateRecords } from '../s2/aggregate.ts';
import { appendSession } from '../s2/append-session.ts';
import { appendUnary } from '../s2/append-unary.ts';
import {
  AGGREGATE_PARAMETERS,
  firstMediaType,
  IN_BASIN,
  keptName,
  nameOf,
  parseAppendCall,
  parseReadCall,
  readModeOf,
  wireFormOf,
} from '../s2/call.ts';
import { readManySse } from '../s2/many-sse.ts';
import { readSession } from '../s2/s2s-read.ts';
import { readSse } from '../s2/sse-read.ts';
import { readUnary } from '../s2/unary-read.ts';

/** POST and GET of `…/records`, GET of `…/records/tail` and `…/aggregate`, and of `/v1/records`: many streams. */
export function recordRoutes(deps: RecordDeps): readonly Route[] {
  const path = '/v1/streams/{stream}/records';
  return [
    {
      method: 'GET',
      path: '/v1/records',
      call: 'read-many',
      query: MANY_PARAMETERS,
      action: 'read',
      handle: (exchange) => readManySse(exchange, deps),
    },
    {
      method: 'POST',
      path,
      call: 'append',
      query: IN_BASIN,
      action: 'append',
      handle: (exchange, [segment = '']) => append(exchange, segment, deps),
    },
    {
      method: 'GET',
      path,
      call: 'read',
      query: { ...READ_PARAMETERS, once: [...READ_PARAMETERS.once, ...BACK_PARAMETERS] },
      action: 'read',
      handle: (exchange, [segment = '']) => read(exchange, segment, deps),
    },
    {
      method: 'GET',
      path: `${path}/tail`,
      call: 'check-tail',
      query: IN_BASIN,
      action: 'check-tail',
      handle: (exchange, [segment = '']) => tail(exchange, segment, deps),
    },
    {
      method: 'GET',
      path: '/v1/streams/{stream}/aggregate',
      call: 'aggregate',
      query: AGGREGATE_PARAMETERS,
      action: 'aggregate',
      handle: (exchange, [segment = '']) =>
        aggregateRecords(exchange, segment, acceptsEvents(exchange) ? 'sse' : 'unary', deps),
    },
  ];
}

function append(exchange: Exchange, segment: string, deps: RecordDeps): Promise<void> {
  const mode = wireFormOf(firstMediaType(exchange.request.headers['content-type'])) ?? 'json';
  if (mode === 's2s') exchange.auditContext.protocol = mode;
  const call = parseAppendCall(exchange, segment, deps, mode);
  return mode === 's2s' ? appendSession(exchange, call, deps) : appendUnary(exchange, call, deps);
}

function read(exchange: Exchange, segment: string, deps: RecordDeps): Promise<void> {
  const mode = readModeOf(exchange.request.headers);
  if (mode !== 'unary') exchange.auditContext.protocol = mode;
  const call = parseReadCall(exchange, segment, deps, mode);
  if (mode === 's2s') return readSession(exchange, call, deps);
  return mode === 'sse' ? readSse(exchange, call, deps) : readUnary(exchange, call, deps);
}

function acceptsEvents({ request }: Exchange): boolean {
  return firstMediaType(request.headers.accept) === SSE_CONTENT_TYPE;
}

async function tail(exchange: Exchange, segment: string, deps: RecordDeps): Promise<void> {
  const name = nameOf(exchange, segment, deps);
  const principal = authorize(exchange, deps, { operation: 'check-tail', ...name });
  const kept = keptName(principal, name);
  const stream = await deps.log.openStream(existingBasin(deps.log, kept.basin), kept.stream, 'read');
  const body = `{"tail":${positionJson(await deps.log.checkTail(stream))}}`;
  reply(exchange, { status: 200, contentType: 'application/json', body }, deps.replyContext);
}
