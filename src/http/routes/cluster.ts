/** The cluster that this server is a node of: which nodes there are and how they do, and which of them may lead. */

import { z } from 'zod';
import type { ClusterMember, ClusterView } from '../../model/cluster-state.ts';
import { TailraceError } from '../../model/error.ts';
import { readJson, shaped } from '../body/json-body.ts';
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

export function clusterRoutes(deps: ClusterRouteDeps): readonly Route[] {
  const path = '/v1/cluster';
  return [
    { method: 'GET', path, call: 'get-cluster', action: 'account-metrics', handle: (exchange) => show(exchange, deps) },
    {
      method: 'POST',
      path: `${path}/drain`,
      call: 'drain-node',
      action: 'drain-node',
      handle: (exchange) => drain(exchange, deps),
    },
  ];
}

/** Those who look every few seconds are not counted as use. */
function show(exchange: Exchange, deps: ClusterRouteDeps): void {
  authorizeUncounted(exchange, deps, { operation: 'account-metrics' });
  const state = deps.cluster?.state();
  const { name = null, leader = null, nodes = [] } = state ?? {};
  replyJson(exchange, 200, { name, leader, nodes: nodes.map(nodeJson) }, deps);
}

async function drain(exchange: Exchange, deps: ClusterRouteDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'maintain' });
  const { node, drain: on } = shaped(drainRequest, await readJson(exchange, deps));
  if (deps.cluster === undefined) throw new TailraceError('invalid', 'this server is no node of a cluster');
  await deps.cluster.drain(node, on);
  replyJson(exchange, 200, { node, drain: on }, deps);
}

function nodeJson({ url, role, version, sequence, durableSequence, lag, isDraining, problems }: ClusterMember): object {
  const said = { url, role, version, sequence, durable_sequence: durableSequence, lag };
  return { ...said, draining: isDraining, problems };
}
