/** The cluster that a server is a node of. */

import { type Checks, checkOptions, expectFlag, expectText, expectWholeNumber, optional } from '../model/arguments.ts';
import type { ClusterMovePhase, NodeRole } from '../model/cluster-state.ts';
import { callApi, objectIn } from './calls.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

export interface ClusterJson {
  /** Null for a server that is no node of a cluster. */
  readonly name: string | null;
  /** The URL of the node that leads partition 0. */
  readonly leader: string | null;
  readonly nodes: readonly ClusterNodeJson[];
  /** The parts over which the basins are spread; none of a server of an older version. */
  readonly partitions: readonly ClusterPartitionJson[];
  /** Basins on their way to another partition. */
  readonly moves: readonly ClusterMoveJson[];
  /** Where the basin is that was asked for with `placeOf`. */
  readonly place: ClusterPlaceJson | null;
}

export interface ClusterPartitionJson {
  readonly partition: number;
  /** The URL of the node that leads it. */
  readonly leader: string | null;
  /** How many basins are in it, where the node knows it. */
  readonly basins: number | null;
  /** What is wrong with it, as sentences that also say the fix. */
  readonly problems: readonly string[];
}

export interface ClusterMoveJson {
  readonly basin: string;
  readonly from: number;
  readonly to: number;
  /** The basin is in the new partition from `dropping` on. */
  readonly phase: ClusterMovePhase;
  readonly copied_bytes: number;
  /** Why it does not go on, or why it is given up. */
  readonly problem: string | null;
}

export interface ClusterPlaceJson {
  readonly basin: string;
  /** Null for a server that is no node of a cluster. */
  readonly partition: number | null;
}

export interface ClusterNodeJson {
  readonly url: string;
  /** It leads when it leads any partition. */
  readonly role: NodeRole;
  readonly version: string;
  /** How far it has applied the log of partition 0, and how far that is on its disk. */
  readonly sequence: number;
  readonly durable_sequence: number;
  /** Commands by which it is behind the node that leads, in the partition where that is most. */
  readonly lag: number;
  /** It leads no more and does not try to. */
  readonly draining: boolean;
  /** What is wrong, as sentences that also say the fix. */
  readonly problems: readonly string[];
  /** How it does in each partition; a server of an older version does not say it. */
  readonly partitions?: readonly ClusterNodePartitionJson[];
}

export interface ClusterNodePartitionJson {
  readonly partition: number;
  readonly role: NodeRole;
  readonly sequence: number;
  readonly durable_sequence: number;
  readonly lag: number;
  /** Its store of this partition is damaged, and has not been replaced yet. */
  readonly damaged: boolean;
}

export interface ClusterRequestOptions {
  /** The basin whose partition is asked for, too. */
  readonly placeOf?: string | undefined;
  readonly signal?: RequestOptions['signal'];
}

type CallOptions = Pick<RequestOptions, 'signal'>;

const PATH = '/v1/cluster';
const CLUSTER_CHECKS: Checks<ClusterRequestOptions> = { signal: REQUEST_CHECKS.signal, placeOf: optional(expectText) };

/** @throws TailraceError `unavailable` while no node leads; `not_found` from a server of an older version */
export async function fetchCluster(target: ServerTarget, options: ClusterRequestOptions = {}): Promise<ClusterJson> {
  checkOptions(options, 'options', CLUSTER_CHECKS);
  const { placeOf, signal } = options;
  const asked = placeOf === undefined ? {} : { query: new URLSearchParams({ place_of: placeOf }) };
  const { json } = await callApi(target, { method: 'GET', path: PATH, ...asked, signal });
  const { name, leader, nodes, partitions, moves, place } = objectIn(json, `GET ${PATH}`);
  return {
    name: textOrNull(name),
    leader: textOrNull(leader),
    nodes: rowsIn<ClusterNodeJson>(nodes),
    partitions: rowsIn<ClusterPartitionJson>(partitions),
    moves: rowsIn<ClusterMoveJson>(moves),
    place: typeof place === 'object' ? (place as ClusterPlaceJson | null) : null,
  };
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

export async function moveBasin(
  target: ServerTarget,
  json: { readonly basin: string; readonly partition: number },
  options: CallOptions = {},
): Promise<void> {
  checkOptions(options, 'options', REQUEST_CHECKS);
  expectText(json.basin, 'basin');
  expectWholeNumber(json.partition, 'partition');
  await callApi(target, { method: 'POST', path: `${PATH}/move`, json, signal: options.signal });
}

function rowsIn<Row>(value: unknown): readonly Row[] {
  return Array.isArray(value) ? (value as Row[]) : [];
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
