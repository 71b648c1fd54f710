/** The cluster that a server is a node of. */

import { checkOptions, expectFlag, expectText } from '../model/arguments.ts';
import { callApi, objectIn } from './calls.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

export interface ClusterJson {
  /** Null for a server that is no node of a cluster. */
  readonly name: string | null;
  /** The URL of the node that leads. */
  readonly leader: string | null;
  readonly nodes: readonly ClusterNodeJson[];
}

export interface ClusterNodeJson {
  readonly url: string;
  readonly role: 'joining' | 'following' | 'leading';
  readonly version: string;
  /** How far it has applied the log of the cluster, and how far that is on its disk. */
  readonly sequence: number;
  readonly durable_sequence: number;
  /** Commands by which it is behind the node that leads. */
  readonly lag: number;
  /** It leads no more and does not try to. */
  readonly draining: boolean;
  /** What is wrong, as sentences that also say the fix. */
  readonly problems: readonly string[];
}

type CallOptions = Pick<RequestOptions, 'signal'>;

const PATH = '/v1/cluster';

/** @throws TailraceError `unavailable` while no node leads; `not_found` from a server of an older version */
export async function fetchCluster(target: ServerTarget, options: CallOptions = {}): Promise<ClusterJson> {
  checkOptions(options, 'options', REQUEST_CHECKS);
  const { json } = await callApi(target, { method: 'GET', path: PATH, signal: options.signal });
  const { name, leader, nodes } = objectIn(json, `GET ${PATH}`);
  const rows = Array.isArray(nodes) ? (nodes as ClusterNodeJson[]) : [];
  return { name: textOrNull(name), leader: textOrNull(leader), nodes: rows };
}

export async function drainNode(
  target: ServerTarget,
  json: { readonly node: string; readonly drain: boolean },
  options: CallOptions = {},
): Promise<void> {
  checkOptions(options, 'options', REQUEST_CHECKS);
  expectText(json.node, 'url');
  expectFlag(json.drain, 'drain');
  await callApi(target, { method: 'POST', path: `${PATH}/drain`, json, signal: options.signal });
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
