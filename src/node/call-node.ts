/** Asks another node of the cluster; see `http/cluster-calls.ts`. */

import { readFileSync } from 'node:fs';
import { request as requestPlainly } from 'node:http';
import { request as requestSecurely } from 'node:https';
import { type ClusterCall, resultIn } from '../http/cluster-calls.ts';
import { CALLS_PATH } from '../http/node-requests.ts';
import { TailraceError } from '../model/error.ts';
import { NODE_CALL_BYTES_MAX, NODE_CALL_MS } from '../model/limits.ts';

export interface AskedNode {
  readonly url: string;
  /** Shows that a node asks. */
  readonly headers: Readonly<Record<string, string>>;
  /** A PEM file with the certificates by which that of the node is judged; undefined for those of the system. */
  readonly caFile: string | undefined;
  /** Ends the call; without one it ends after some seconds. */
  readonly signal?: AbortSignal | undefined;
}

/** @throws TailraceError what the node throws; `unavailable` when it does not answer: it may have done it */
export async function callNode(node: AskedNode, call: ClusterCall): Promise<unknown> {
  const { url, headers, caFile, signal = AbortSignal.timeout(NODE_CALL_MS) } = node;
  const to = new URL(CALLS_PATH, url);
  const body = JSON.stringify(call);
  const options = {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    signal,
    agent: false as const,
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
  };
  let text: string;
  try {
    text = await new Promise<string>((resolve, reject) => {
      const asked = to.protocol === 'https:' ? requestSecurely(to, options) : requestPlainly(to, options);
      asked.on('error', reject);
      asked.once('response', (response) => {
        const parts: Buffer[] = [];
        let bytes = 0;
        response.on('data', (part: Buffer) => {
          bytes += part.length;
          parts.push(part);
          if (bytes > NODE_CALL_BYTES_MAX) asked.destroy(new Error('its answer is too long'));
        });
        response.on('error', reject);
        response.once('end', () => {
          const answer = Buffer.concat(parts).toString();
          if (response.statusCode === 200) resolve(answer);
          else reject(new Error(`HTTP ${response.statusCode}: ${answer.slice(0, 200)}`));
        });
      });
      asked.end(body);
    });
  } catch (cause) {
    throw new TailraceError('unavailable', `the node ${to.origin} does not answer: ${String(cause)}`, {
      cause,
      detail: { retryAfterSeconds: 1 },
    });
  }
  return resultIn(text);
}
