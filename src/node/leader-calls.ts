/** Asks the node that leads a partition, which may be this one; see `http/cluster-calls.ts`. */

import type { ClusterCall, ClusterCallOf } from '../http/cluster-calls.ts';
import { type TailraceError, unavailable } from '../model/error.ts';
import { NODE_CALL_MS } from '../model/limits.ts';
import type { ComposedServer } from '../server.ts';
import { callNode } from './call-node.ts';
import type { Partition } from './partition.ts';

/** What the server of a leader does for other nodes. */
export type CallHandlers = {
  readonly [Name in ClusterCall['call']]: (call: ClusterCallOf<Name>, server: ComposedServer) => Promise<unknown>;
};

export interface LeaderCallsDeps {
  readonly handlers: CallHandlers;
  /** Undefined for one that this node has not opened. */
  partition(number: number): Partition | undefined;
  readonly nodeHeaders: Readonly<Record<string, string>>;
  readonly caFile: string | undefined;
}

export class LeaderCalls {
  readonly #deps: LeaderCallsDeps;

  constructor(deps: LeaderCallsDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves with what the node returns that leads the partition of the call. Without a signal it waits for some seconds.
   * @throws TailraceError what it throws; `unavailable` when none is known to lead, or it does not answer: it may have done it
   */
  async call(call: ClusterCall, signal = AbortSignal.timeout(NODE_CALL_MS)): Promise<unknown> {
    const { partition, nodeHeaders, caFile } = this.#deps;
    const found = partition(call.partition);
    if (found?.server !== undefined) return this.answer(call);
    const url = found?.target?.httpUrl.href;
    if (url === undefined) throw noLeader(call.partition);
    return callNode({ url, headers: nodeHeaders, caFile, signal }, call);
  }

  /** Does what another node asks. @throws TailraceError `unavailable` where this one does not lead */
  async answer(call: ClusterCall): Promise<unknown> {
    const { server, leading } = this.#deps.partition(call.partition) ?? {};
    if (server === undefined) throw noLeader(call.partition);
    // Sums for a client, who may have been told of more; all else is of this process, or answered by what a commit says.
    if (call.call === 'usage') await leading?.confirm();
    const handler = this.#deps.handlers[call.call] as (asked: ClusterCall, of: ComposedServer) => Promise<unknown>;
    return handler(call, server);
  }
}

export function noLeader(partition: number): TailraceError {
  return unavailable(`no node is known to lead partition ${partition} at the moment: send again`);
}
