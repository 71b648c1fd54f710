/** The cluster that this server is a node of: how its nodes and partitions do, which nodes may lead, and where basins are. */

import { z } from 'zod';
import type { QueryNames } from '../../encoding/known-names.ts';
import type { ClusterMember, ClusterMove, ClusterView, MemberPartition } from '../../model/cluster-state.ts';
import { TailraceError } from '../../model/error.ts';
import { basinNameFault } from '../../model/names.ts';
import { nameShape, readJson, shaped } from '../body/json-body.ts';
import { authorize, authorizeUncounted, type ControlRouteDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { replyJson } from '../reply.ts';
import type { Route } from '../router.ts';

export interface ClusterRouteDeps extends ControlRouteDeps {
  /** Undefined for a server that is no node of a cluster. */
  readonly cluster: ClusterView | undefined;
}

/** Strict: a mistyped field must not drain another node. */
export const drainRequest = z.strictObject({ node: z.string(), drain: z.boolean() });

/** Strict for the same reason. */
export const moveRequest = z.strictObject({ basin: nameShape(basinNameFault), partition: z.int().min(0) });

const PARAMETERS: QueryNames = { once: ['place_of'] };

export function clusterRoutes(deps: ClusterRouteDeps): readonly Route[] {
  const path = '/v1/cluster';
  return [
    {
      method: 'GET',
      path,
      call: 'get-cluster',
      query: PARAMETERS,
      action: 'account-metrics',
      handle: (exchange) => show(exchange, deps),
    },
    {
      method: 'POST',
      path: `${path}/drain`,
      call: 'drain-node',
      action: 'drain-node',
      handle: (exchange) => drain(exchange, deps),
    },
    {
      method: 'POST',
      path: `${path}/move`,
      call: 'move-basin',
      action: 'move-basin',
      handle: (exchange) => move(exchange, deps),
    },
  ];
}

/** Those who look every few seconds are not counted as use. */
function show(exchange: Exchange, deps: ClusterRouteDeps): void {
  const principal = authorizeUncounted(exchange, deps, { operation: 'account-metrics' });
  const placeOf = new URLSearchParams(exchange.query).get('place_of');
  const { name = null, leader = null, nodes = [], partitions = [], moves = [] } = deps.cluster?.state() ?? {};
  const seen = moves.filter(({ basin }) => principal.allows('account-metrics', basin));
  const shown = {
    ...{ name, leader, nodes: nodes.map(nodeJson) },
    partitions: partitions.map((one) => ({ ...one, leader: one.leader ?? null, basins: one.basins ?? null })),
    moves: seen.map(moveJson),
    ...(placeOf === null ? {} : { place: placeIn(exchange, placeOf, deps) }),
  };
  replyJson(exchange, 200, shown, deps);
}

/** @throws TailraceError `bad_query`, `permission_denied` */
function placeIn(exchange: Exchange, basin: string, deps: ClusterRouteDeps): object {
  const fault = basinNameFault(basin);
  if (fault !== undefined) throw new TailraceError('bad_query', `\`place_of\`: ${fault}`);
  authorizeUncounted(exchange, deps, { operation: 'account-metrics', basin });
  return { basin, partition: deps.cluster?.partitionOf(basin) ?? null };
}

async function drain(exchange: Exchange, deps: ClusterRouteDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'maintain' });
  const { node, drain: on } = shaped(drainRequest, await readJson(exchange, deps));
  await clusterOf(deps).drain(node, on);
  replyJson(exchange, 200, { node, drain: on }, deps);
}

async function move(exchange: Exchange, deps: ClusterRouteDeps): Promise<void> {
  // Once before the body, and again when it has named the basin, for the audit log.
  authorizeUncounted(exchange, deps, { operation: 'maintain' });
  const { basin, partition } = shaped(moveRequest, await readJson(exchange, deps));
  authorize(exchange, deps, { operation: 'maintain', basin });
  await clusterOf(deps).move(basin, partition);
  replyJson(exchange, 202, { basin, partition }, deps);
}

/** @throws TailraceError `invalid` */
function clusterOf({ cluster }: ClusterRouteDeps): ClusterView {
  if (cluster === undefined) throw new TailraceError('invalid', 'this server is no node of a cluster');
  return cluster;
}

function nodeJson(node: ClusterMember): object {
  const { url, role, version, sequence, durableSequence, lag, isDraining, problems, partitions } = node;
  const said = { url, role, version, sequence, durable_sequence: durableSequence, lag };
  return { ...said, draining: isDraining, problems, partitions: partitions.map(partJson) };
}

function partJson({ partition, role, sequence, durableSequence, lag, isDamaged }: MemberPartition): object {
  return { partition, role, sequence, durable_sequence: durableSequence, lag, damaged: isDamaged };
}

function moveJson({ basin, from, to, phase, copiedBytes, problem }: ClusterMove): object {
  return { basin, from, to, phase, copied_bytes: copiedBytes, problem: problem ?? null };
}
