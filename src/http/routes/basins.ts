/** Basins: list, create, get, ensure, reconfigure, delete. */

import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Principal } from '../../access/grant.ts';
import { checkTrust } from '../../access/tokens/issue.ts';
import { type Basin, missingBasin } from '../../log/basins.ts';
import type { Provision } from '../../log/control-plane.ts';
import type { Log } from '../../log/log.ts';
import { TailraceError } from '../../model/error.ts';
import { LOCATION } from '../../model/location.ts';
import { basinNameFault } from '../../model/names.ts';
import type { OidcTrust } from '../../model/stream-config.ts';
import { basinConfigJson, parseBasinConfigPatch, parseBasinConfigRequest } from '../../s2/config-json.ts';
import { expectKnownPolicy } from '../../s2/otlp-policy-json.ts';
import { nameShape, readJson, readOptionalJson, shaped } from '../body/json-body.ts';
import { authorize, authorizeUncounted, type ControlRouteDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { reply, replyJson } from '../reply.ts';
import { handlersOf, nameInPath, type Route } from '../router.ts';
import { PAGE_PARAMETERS, pageOf, turnForPage } from '../s2/page-query.ts';
import { provisionHeaders, requestToken } from '../s2/provision.ts';

const PATH = '/v1/basins/{basin}';

/** How a basin is made in another partition: as the client asked for it. */
export interface BasinMaking {
  readonly mode: 'create' | 'ensure';
  readonly basin: string;
  readonly config: unknown;
  readonly token?: string | undefined;
}

/** What a client is told of a basin that was made. */
export interface MadeBasin {
  readonly outcome: Provision;
  readonly it: Pick<Basin, 'name' | 'createdAt' | 'deletedAt'>;
}

/** Basins of all partitions of a cluster. */
export interface BasinsElsewhere {
  /** Durable ones, in the order of their names. @throws TailraceError `unavailable` */
  list(): Promise<readonly Basin[]>;
  /** One of any partition. @throws TailraceError `unavailable` */
  find(name: string): Promise<Basin | undefined>;
  /** Makes one where it belongs; undefined where that is the log of this server. @throws TailraceError */
  make(making: BasinMaking): Promise<MadeBasin | undefined>;
}

export interface BasinDeps extends ControlRouteDeps {
  /** Undefined where all basins are in one log. */
  readonly basinsElsewhere?: BasinsElsewhere | undefined;
  readonly log: Pick<
    Log,
    'basin' | 'moves' | 'listBasins' | 'createBasin' | 'ensureBasin' | 'reconfigureBasin' | 'deleteBasin'
  >;
}

export function basinRoutes(deps: BasinDeps): readonly Route[] {
  const on = handlersOf((segment) => nameInPath(segment, basinNameFault), deps);
  return [
    {
      method: 'GET',
      path: '/v1/basins',
      call: 'list-basins',
      query: PAGE_PARAMETERS,
      action: 'list-basins',
      handle: (exchange) => listBasins(exchange, deps),
    },
    {
      method: 'POST',
      path: '/v1/basins',
      call: 'create-basin',
      action: 'create-basin',
      handle: (exchange) => createBasin(exchange, deps),
    },
    { method: 'GET', path: PATH, call: 'get-basin-config', action: 'get-basin-config', handle: on(getBasin) },
    { method: 'PUT', path: PATH, call: 'ensure-basin', action: 'ensure-basin', handle: on(ensureBasin) },
    {
      method: 'PATCH',
      path: PATH,
      call: 'reconfigure-basin',
      action: 'reconfigure-basin',
      handle: on(reconfigureBasin),
    },
    { method: 'DELETE', path: PATH, call: 'delete-basin', action: 'delete-basin', handle: on(deleteBasin) },
  ];
}

async function listBasins(exchange: Exchange, deps: BasinDeps): Promise<void> {
  const principal = authorize(exchange, deps, { operation: 'list-basins' });
  const page = pageOf(exchange.query, 'basin');
  await turnForPage(exchange, page, deps);
  const { prefix, startAfter, limit } = page;
  const all = (await deps.basinsElsewhere?.list()) ?? deps.log.listBasins();
  const seen = all.filter(({ name }) => principal.allows('list-basins', name));
  const found = seen.filter(({ name }) => name.startsWith(prefix) && name > startAfter);
  const basins = found.slice(0, limit).map(basinInfo);
  replyJson(exchange, 200, { basins, has_more: found.length > limit }, deps);
}

async function createBasin(exchange: Exchange, deps: BasinDeps): Promise<void> {
  const token = requestToken(exchange);
  // Once before the body, which is not read for every caller, and again when it has named the basin.
  authorizeUncounted(exchange, deps, { operation: 'create-basin' });
  const { basin: name, config, location } = shaped(createShape, withoutPolicy(await readJson(exchange, deps)));
  const principal = authorize(exchange, deps, { operation: 'create-basin', basin: name });
  const request = parseBasinConfigRequest(config);
  await expectMayTrust(principal, name, request.oidc, deps);
  expectLocation(location);
  const made = await deps.basinsElsewhere?.make({ mode: 'create', basin: name, config, token });
  const { outcome, it } = made ?? (await deps.log.createBasin(name, request, token));
  replyJson(exchange, outcome === 'created' ? 201 : 200, basinInfo(it), deps, provisionHeaders(outcome));
}

/** Returns what is durable: a creation or change that is not durable yet is not seen. */
function getBasin(exchange: Exchange, name: string, deps: BasinDeps): void {
  authorize(exchange, deps, { operation: 'get-basin-config', basin: name });
  const basin = deps.log.listBasins().find((candidate) => candidate.name === name);
  if (basin === undefined) throw missingBasin(deps.log, name);
  replyJson(exchange, 200, basinConfigJson(basin.config), deps);
}

async function ensureBasin(exchange: Exchange, name: string, deps: BasinDeps): Promise<void> {
  const principal = authorize(exchange, deps, { operation: 'create-basin', basin: name });
  authorizeUncounted(exchange, deps, { operation: 'reconfigure-basin', basin: name });
  const { config, location } = shaped(ensureShape, withoutPolicy((await readOptionalJson(exchange, deps)) ?? {}));
  const request = parseBasinConfigRequest(config);
  await expectMayTrust(principal, name, request.oidc, deps);
  expectLocation(location);
  const made = await deps.basinsElsewhere?.make({ mode: 'ensure', basin: name, config });
  const { outcome, it } = made ?? (await deps.log.ensureBasin(name, request));
  replyJson(exchange, outcome === 'created' ? 201 : 200, basinInfo(it), deps, provisionHeaders(outcome));
}

async function reconfigureBasin(exchange: Exchange, name: string, deps: BasinDeps): Promise<void> {
  const principal = authorize(exchange, deps, { operation: 'reconfigure-basin', basin: name });
  const patch = parseBasinConfigPatch(await readJson(exchange, deps));
  await expectMayTrust(principal, name, patch.oidc, deps);
  const { config } = await deps.log.reconfigureBasin(name, patch);
  replyJson(exchange, 200, basinConfigJson(config), deps);
}

/**
 * To repeat the trust that the basin has changes nothing, so it needs no permission.
 * @throws TailraceError `permission_denied`
 */
async function expectMayTrust(
  principal: Principal,
  name: string,
  wanted: OidcTrust | null | undefined,
  deps: BasinDeps,
): Promise<void> {
  if (wanted === undefined || wanted === null) return;
  const known = deps.log.basin(name) ?? (await deps.basinsElsewhere?.find(name));
  if (!isDeepStrictEqual(wanted, known?.config.oidc)) checkTrust(principal, name);
}

async function deleteBasin(exchange: Exchange, name: string, deps: BasinDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'delete-basin', basin: name });
  await deps.log.deleteBasin(name);
  reply(exchange, { status: 202, body: '' }, deps.replyContext);
}

function basinInfo({ name, createdAt, deletedAt }: MadeBasin['it']): Record<string, unknown> {
  return {
    name,
    location: LOCATION.name,
    created_at: new Date(createdAt).toISOString(),
    deleted_at: deletedAt === undefined ? null : new Date(deletedAt).toISOString(),
    state: deletedAt === undefined ? 'active' : 'deleting',
  };
}

const location = z
  .string()
  .regex(/^[A-Za-z0-9:.-]{1,64}$/, 'must be 1 to 64 letters, digits, colons, dots and hyphens')
  .nullish();

export const ensureShape = z.object({ config: z.unknown().optional(), location });
export const createShape = ensureShape.extend({ basin: nameShape(basinNameFault) });

/** Makes a basin of this log for another node, which has asked whether the caller may. @throws TailraceError as the routes */
export async function makeForNode(
  { mode, basin, config, token }: BasinMaking,
  log: BasinDeps['log'],
): Promise<MadeBasin> {
  const request = parseBasinConfigRequest(config);
  const make = mode === 'create' ? log.createBasin(basin, request, token) : log.ensureBasin(basin, request);
  const { outcome, it } = await make;
  const { name, createdAt, deletedAt } = it;
  return { outcome, it: { name, createdAt, deletedAt } };
}

/** The policy belongs into `config`: beside it, it would be ignored. @throws TailraceError `bad_json` */
function withoutPolicy(body: unknown): unknown {
  expectKnownPolicy(body, []);
  return body;
}

/** There is one location: asking for another one cannot be fulfilled. */
function expectLocation(name: string | null | undefined): void {
  if (name === undefined || name === null || name === LOCATION.name) return;
  throw new TailraceError('invalid', `unknown location \`${name}\`: this server has \`${LOCATION.name}\``);
}
