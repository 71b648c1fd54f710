/** Asks another node of the cluster over HTTP, as a node. */

import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request as requestPlainly } from 'node:http';
import { request as requestSecurely } from 'node:https';
import { unavailable } from '../model/error.ts';

export interface AskedNode {
  readonly url: string;
  /** Shows that a node asks. */
  readonly headers: Readonly<Record<string, string>>;
  /** A PEM file with the certificates by which that of the node is judged; undefined for those of the system. */
  readonly caFile: string | undefined;
  readonly signal: AbortSignal;
}

export interface NodeQuestion {
  readonly path: string;
  /** JSON text, which makes it a POST. */
  readonly json?: string;
  /** How long the connection may be silent; without it, until the signal ends it. */
  readonly silentMsMax?: number;
}

/**
 * Resolves with the response, whose body the caller reads to its end or destroys.
 * @throws TailraceError `unavailable` when there is none: the node may have done what it was asked
 */
export async function askNode(node: AskedNode, { path, json, silentMsMax }: NodeQuestion): Promise<IncomingMessage> {
  const { url, headers, caFile, signal } = node;
  const to = new URL(path, url);
  try {
    const options = {
      ...{ signal, agent: false as const, method: json === undefined ? 'GET' : 'POST' },
      headers: json === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(silentMsMax === undefined ? {} : { timeout: silentMsMax }),
      ...(caFile === undefined ? {} : { ca: await readFile(caFile) }),
    };
    return await new Promise((resolve, reject) => {
      const asked = to.protocol === 'https:' ? requestSecurely(to, options) : requestPlainly(to, options);
      asked.once('response', resolve);
      asked.once('timeout', () => asked.destroy(new Error('it is silent')));
      asked.on('error', reject);
      asked.end(json);
    });
  } catch (cause) {
    throw unavailable(`the node ${to.origin} cannot be reached: ${String(cause)}`, cause);
  }
}
