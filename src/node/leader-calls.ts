/** Asks the node that leads a partition, which may be this one; see `http/cluster-calls.ts`. */

import { type AskedNode, askNode } from '../cluster/ask-node.ts';
import { type ClusterCall, type ClusterCallOf, resultIn } from '../http/cluster-calls.ts';
import { CALLS_PATH } from '../http/node-requests.ts';
import { type TailraceError, unavailable } from '../model/error.ts';
import { NODE_CALL_BYTES_MAX, NODE_CALL_MS } from '../model/limits.ts';
import type { ComposedServer } from '../server.ts';
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

/** @throws TailraceError what the node throws; `unavailable` when it does not answer: it may have done it */
async function callNode(node: AskedNode, call: ClusterCall): Promise<unknown> {
  const response = await askNode(node, { path: CALLS_PATH, json: JSON.stringify(call) });
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length;
      parts.push(part);
      if (bytes > NODE_CALL_BYTES_MAX) throw new Error('it is too long');
    }
  } catch (cause) {
    throw unavailable(`the answer of the node ${node.url} cannot be read: ${String(cause)}`, cause);
  }
  const answer = Buffer.concat(parts).toString();
  if (response.statusCode === 200) return resultIn(answer);
  throw unavailable(
    `the node ${node.url} refuses a call (HTTP ${response.statusCode}): ${answer.slice(0, SHOWN_CHARS)}`,
  );
}

/** Of an answer that is none. */
const SHOWN_CHARS = 200;
