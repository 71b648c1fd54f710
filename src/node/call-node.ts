/** Has another node of the cluster do something; see `http/cluster-calls.ts`. */

import { type AskedNode, askNode } from '../cluster/ask-node.ts';
import { type ClusterCall, resultIn } from '../http/cluster-calls.ts';
import { CALLS_PATH } from '../http/node-requests.ts';
import { unavailable } from '../model/error.ts';
import { NODE_CALL_BYTES_MAX } from '../model/limits.ts';

/** @throws TailraceError what the node throws; `unavailable` when it does not answer: it may have done it */
export async function callNode(node: AskedNode, call: ClusterCall): Promise<unknown> {
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
