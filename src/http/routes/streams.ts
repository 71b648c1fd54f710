/** Streams of a basin: list, create, get, ensure, reconfigure, delete. */

import { z } from 'zod';
import type { Principal } from '../../access/grant.ts';
import type { QueryNames } from '../../encoding/known-names.ts';
import { type Basin, existingBasin } from '../../log/basins.ts';
import type { Log } from '../../log/log.ts';
import { type Stream, streamNotFound } from '../../log/stream.ts';
import type { StreamInfo, StreamPage } from '../../log/streams.ts';
import { streamNameFault } from '../../model/names.ts';
import { parseStreamConfigPatch, parseStreamConfigRequest, streamConfigJson } from '../../s2/config-json.ts';
import { boolean } from '../../s2/read-query.ts';
import { figuresJson } from '../../usage/figures-json.ts';
import type { StreamRates } from '../../usage/stream-rates.ts';
import { nameShape, readJson, readOptionalJson, shaped } from '../body/json-body.ts';
import { authorize, authorizeUncounted, type ControlRouteDeps, type NamedBasinDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { reply, replyJson } from '../reply.ts';
import { handlersOf, type Route } from '../router.ts';
import { basinOf, IN_BASIN, keptName, nameOf, type StreamName } from '../s2/call.ts';
import { PAGE_PARAMETERS, type Page, pageOf, turnForPage } from '../s2/page-query.ts';
import { provisionHeaders, requestToken } from '../s2/provision.ts';

const PATH = '/v1/streams/{stream}';
const STREAMS_PAGE: QueryNames = { once: [...PAGE_PARAMETERS.once, 'figures', ...IN_BASIN.once] };

export interface StreamDeps extends ControlRouteDeps, NamedBasinDeps {
  readonly log: Log;
  readonly rates: Pick<StreamRates, 'rateOf'>;
}

export function streamRoutes(deps: StreamDeps): readonly Route[] {
  const on = handlersOf((segment, exchange) => nameOf(exchange, segment, deps), deps);
  return [
    {
      method: 'GET',
      path: '/v1/streams',
      call: 'list-streams',
      query: STREAMS_PAGE,
      action: 'list-streams',
      handle: (exchange) => listStreams(exchange, deps),
    },
    {
      method: 'POST',
      path: '/v1/streams',
      call: 'create-stream',
      query: IN_BASIN,
      action: 'create-stream',
      handle: (exchange) => createStream(exchange, deps),
    },
    {
      method: 'GET',
      path: PATH,
      call: 'get-stream-config',
      query: IN_BASIN,
      action: 'get-stream-config',
      handle: on(getStream),
    },
    {
      method: 'PUT',
      path: PATH,
      call: 'ensure-stream',
      query: IN_BASIN,
      action: 'ensure-stream',
      handle: on(ensureStream),
    },
    {
      method: 'PATCH',
      path: PATH,
      call: 'reconfigure-stream',
      query: IN_BASIN,
      action: 'reconfigure-stream',
      handle: on(reconfigureStream),
    },
    {
      method: 'DELETE',
      path: PATH,
      call: 'delete-stream',
      query: IN_BASIN,
      action: 'delete-stream',
      handle: on(deleteStream),
    },
  ];
}

async function listStreams(exchange: Exchange, deps: StreamDeps): Promise<void> {
  const basin = basinOf(exchange, deps);
  const principal = authorize(exchange, deps, { operation: 'list-streams', basin });
  const page = pageOf(exchange.query, 'stream');
  const hasFigures = boolean(new URLSearchParams(exchange.query), 'figures');
  await turnForPage(exchange, page, deps);
  const wanted = { ...page, hasFigures };
  const { streams, hasMore } = await streamsSeenBy(principal, existingBasin(deps.log, basin), wanted, deps.log);
  const rows = streams.map((stream) => {
    const info = streamInfo(stream, principal);
    if (!hasFigures) return info;
    const figures = principal.allows('check-tail', basin, stream.name) ? figuresJson(stream, deps.rates) : null;
    return { ...info, figures };
  });
  replyJson(exchange, 200, { streams: rows, has_more: hasMore }, deps);
}

async function createStream(exchange: Exchange, deps: StreamDeps): Promise<void> {
  const token = requestToken(exchange);
  const basin = basinOf(exchange, deps);
  // Once before the body, which is not read for every caller, and again when it has named the stream.
  authorizeUncounted(exchange, deps, { operation: 'create-stream', basin });
  const { stream, config } = shaped(createShape, await readJson(exchange, deps));
  const principal = authorize(exchange, deps, { operation: 'create-stream', basin, stream });
  const request = parseStreamConfigRequest(config);
  const kept = keptName(principal, { basin, stream }).stream;
  const { outcome, it } = await deps.log.createStream(existingBasin(deps.log, basin), kept, request, token);
  replyJson(exchange, 201, madeInfo(it, principal), deps, provisionHeaders(outcome));
}

async function getStream(exchange: Exchange, { basin, stream }: StreamName, deps: StreamDeps): Promise<void> {
  const principal = authorize(exchange, deps, { operation: 'get-stream-config', basin, stream });
  const kept = keptName(principal, { basin, stream });
  const { config } = await deps.log.getStream(basinWith(kept, deps), kept.stream);
  replyJson(exchange, 200, streamConfigJson(config), deps);
}

async function ensureStream(exchange: Exchange, { basin, stream }: StreamName, deps: StreamDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'create-stream', basin, stream });
  const principal = authorizeUncounted(exchange, deps, { operation: 'reconfigure-stream', basin, stream });
  const request = parseStreamConfigRequest(await readOptionalJson(exchange, deps));
  const kept = keptName(principal, { basin, stream }).stream;
  const { outcome, it } = await deps.log.ensureStream(existingBasin(deps.log, basin), kept, request);
  replyJson(exchange, outcome === 'created' ? 201 : 200, madeInfo(it, principal), deps, provisionHeaders(outcome));
}

async function reconfigureStream(exchange: Exchange, { basin, stream }: StreamName, deps: StreamDeps): Promise<void> {
  const principal = authorize(exchange, deps, { operation: 'reconfigure-stream', basin, stream });
  const patch = parseStreamConfigPatch(await readJson(exchange, deps));
  const kept = keptName(principal, { basin, stream }).stream;
  const { config } = await deps.log.reconfigureStream(existingBasin(deps.log, basin), kept, patch);
  replyJson(exchange, 200, streamConfigJson(config), deps);
}

async function deleteStream(exchange: Exchange, { basin, stream }: StreamName, deps: StreamDeps): Promise<void> {
  const principal = authorize(exchange, deps, { operation: 'delete-stream', basin, stream });
  const kept = keptName(principal, { basin, stream });
  await deps.log.deleteStream(basinWith(kept, deps), kept.stream);
  reply(exchange, { status: 202, body: '' }, deps.replyContext);
}

export const createShape = z.object({ stream: nameShape(streamNameFault), config: z.unknown().optional() });

/** For calls that refuse for want of the stream alone: in a basin that does not exist it does not exist either. */
function basinWith({ basin, stream }: StreamName, deps: StreamDeps): Basin {
  const found = deps.log.basin(basin);
  if (found === undefined) throw streamNotFound(basin, stream);
  return found;
}

function madeInfo({ name, createdAt, cipher }: Stream, principal: Principal): Record<string, unknown> {
  return streamInfo({ name, createdAt, deletedAt: undefined, cipher }, principal);
}

function streamInfo({ name, createdAt, deletedAt, cipher }: StreamInfo, principal: Principal): Record<string, unknown> {
  return {
    name: principal.shown(name),
    created_at: new Date(createdAt).toISOString(),
    deleted_at: deletedAt === undefined ? null : new Date(deletedAt).toISOString(),
    cipher: cipher ?? null,
  };
}

const NONE: StreamPage = { streams: [], hasMore: false };

/** A page of the streams that a caller may see; names are the ones that they are kept under. */
async function streamsSeenBy(
  principal: Principal,
  basin: Basin,
  page: Page & { readonly hasFigures: boolean },
  log: Log,
): Promise<StreamPage> {
  const prefix = principal.absolute(page.prefix);
  const startAfter = page.startAfter === '' ? '' : principal.absolute(page.startAfter);
  const wanted = { ...page, prefix, startAfter };
  const { token } = principal;
  if (token === undefined) return log.listStreams(basin, wanted);
  const { streams: scope } = token.scope;
  if (scope === undefined) return NONE;
  if ('prefix' in scope) {
    // Of two prefixes that hold the same names, one begins with the other: the longer one holds what both do.
    if (scope.prefix.startsWith(prefix)) return log.listStreams(basin, { ...wanted, prefix: scope.prefix });
    return prefix.startsWith(scope.prefix) ? log.listStreams(basin, wanted) : NONE;
  }
  if (scope.exact === '' || !scope.exact.startsWith(prefix)) return NONE;
  // Of all names with it as their prefix, a name comes first itself.
  const { streams } = await log.listStreams(basin, { ...wanted, prefix: scope.exact, limit: 1 });
  return { streams: streams.filter(({ name }) => name === scope.exact), hasMore: false };
}
