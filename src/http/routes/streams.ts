/** Streams of a basin: list, create, look at, ensure, reconfigure, delete (S2 API §3). */

import { z } from 'zod';
import type { Basin } from '../../log/basins.ts';
import { type Stream, streamNotFound } from '../../log/stream.ts';
import type { StreamInfo } from '../../log/streams.ts';
import { streamNameFault } from '../../model/names.ts';
import { parseStreamConfigPatch, parseStreamConfigRequest, streamConfigJson } from '../../s2/config.ts';
import { authorize, authorizeUncounted, existingBasin, type HttpDeps } from '../door.ts';
import type { Exchange } from '../exchange.ts';
import { answerJson, nameShape, readJson, readOptionalJson, shaped } from '../json-body.ts';
import { pageOf } from '../page-query.ts';
import { provisionHeaders, requestToken } from '../provision.ts';
import { refuseS2 } from '../refuse.ts';
import { reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { nameOf, requiredBasin, type StreamName } from '../s2-door.ts';

const PATH = '/v1/streams/{stream}';

export function streamRoutes(deps: HttpDeps): readonly Route[] {
  const refuse: Route['refuse'] = (exchange, error) => refuseS2(exchange, error, deps.room);
  const on =
    (call: (exchange: Exchange, name: StreamName, deps: HttpDeps) => Promise<void>): Route['handle'] =>
    (exchange, [segment = '']) =>
      call(exchange, nameOf(exchange, segment), deps);
  return [
    { method: 'GET', path: '/v1/streams', handle: (exchange) => listStreams(exchange, deps), refuse },
    { method: 'POST', path: '/v1/streams', handle: (exchange) => createStream(exchange, deps), refuse },
    { method: 'GET', path: PATH, handle: on(getStream), refuse },
    { method: 'PUT', path: PATH, handle: on(ensureStream), refuse },
    { method: 'PATCH', path: PATH, handle: on(reconfigureStream), refuse },
    { method: 'DELETE', path: PATH, handle: on(deleteStream), refuse },
  ];
}

async function listStreams(exchange: Exchange, deps: HttpDeps): Promise<void> {
  const basin = requiredBasin(exchange);
  authorize(exchange, deps, { operation: 'list-streams', basin });
  const page = pageOf(exchange.query, 'stream');
  const { streams, hasMore } = await deps.log.listStreams(existingBasin(deps, basin), page);
  answerJson(exchange, 200, { streams: streams.map(streamInfo), has_more: hasMore }, deps);
}

async function createStream(exchange: Exchange, deps: HttpDeps): Promise<void> {
  const token = requestToken(exchange);
  const basin = requiredBasin(exchange);
  // Once before the body, since not everybody's is read, and again when it has named the stream.
  authorizeUncounted(exchange, deps, { operation: 'create-stream', basin });
  const { stream, config } = shaped(createShape, await readJson(exchange, deps));
  authorize(exchange, deps, { operation: 'create-stream', basin, stream });
  const request = parseStreamConfigRequest(config);
  const { outcome, it } = await deps.log.createStream(existingBasin(deps, basin), stream, request, token);
  answerJson(exchange, 201, madeInfo(it), deps, provisionHeaders(outcome));
}

async function getStream(exchange: Exchange, { basin, stream }: StreamName, deps: HttpDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'get-stream-config', basin, stream });
  const { config } = await deps.log.getStream(basinOf({ basin, stream }, deps), stream);
  answerJson(exchange, 200, streamConfigJson(config), deps);
}

async function ensureStream(exchange: Exchange, { basin, stream }: StreamName, deps: HttpDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'create-stream', basin, stream });
  authorizeUncounted(exchange, deps, { operation: 'reconfigure-stream', basin, stream });
  const request = parseStreamConfigRequest(await readOptionalJson(exchange, deps));
  const { outcome, it } = await deps.log.ensureStream(existingBasin(deps, basin), stream, request);
  answerJson(exchange, outcome === 'created' ? 201 : 200, madeInfo(it), deps, provisionHeaders(outcome));
}

async function reconfigureStream(exchange: Exchange, { basin, stream }: StreamName, deps: HttpDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'reconfigure-stream', basin, stream });
  const patch = parseStreamConfigPatch(await readJson(exchange, deps));
  const { config } = await deps.log.reconfigureStream(existingBasin(deps, basin), stream, patch);
  answerJson(exchange, 200, streamConfigJson(config), deps);
}

async function deleteStream(exchange: Exchange, { basin, stream }: StreamName, deps: HttpDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'delete-stream', basin, stream });
  await deps.log.deleteStream(basinOf({ basin, stream }, deps), stream);
  reply(exchange, { status: 202, body: '' }, deps.room);
}

const createShape = z.object({ stream: nameShape(streamNameFault), config: z.unknown().optional() });

/** For calls that know of streams alone: one in a basin that is not there is not there either (S2 API §3.8). */
function basinOf({ basin, stream }: StreamName, deps: HttpDeps): Basin {
  const found = deps.log.basin(basin);
  if (found === undefined) throw streamNotFound(basin, stream);
  return found;
}

function madeInfo({ name, createdAt, cipher }: Stream): Record<string, unknown> {
  return streamInfo({ name, createdAt, deletedAt: undefined, cipher });
}

function streamInfo({ name, createdAt, deletedAt, cipher }: StreamInfo): Record<string, unknown> {
  return {
    name,
    created_at: new Date(createdAt).toISOString(),
    deleted_at: deletedAt === undefined ? null : new Date(deletedAt).toISOString(),
    cipher: cipher ?? null,
  };
}
