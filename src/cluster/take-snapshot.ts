/** A store from another node: the backup that it sends, with how far it follows the log. */

import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { request as requestSecurely } from 'node:https';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { BACKUP_STALL_MS } from '../model/limits.ts';
import type { Entry } from '../storage/engine.ts';
import { readBackup, readTransfer } from '../storage/offline/backup-format.ts';
import { restoreRows } from '../storage/offline/restore.ts';
import { verifiedPages } from '../storage/offline/verify.ts';

export interface SnapshotSource {
  /** Of the node, and the path of its snapshot. */
  readonly url: string;
  readonly path: string;
  /** Shows that a node asks. */
  readonly headers: Readonly<Record<string, string>>;
  /** A PEM file with the certificates by which that of the node is judged; undefined for those of the system. */
  readonly caFile: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Writes the store of another node to `file`, complete, verified or not at all; a store with that name is replaced.
 * @throws TailraceError `unavailable` when the node does not send one whole, `corrupt` when it is damaged, `storage_full`,
 *   `storage`
 */
export async function takeSnapshot(file: string, source: SnapshotSource): Promise<void> {
  const response = await ask(source);
  if (response.statusCode !== 200) {
    response.destroy();
    throw new TailraceError('unavailable', `the node ${source.url} sent no snapshot (HTTP ${response.statusCode})`);
  }
  try {
    // How large it is comes to light on the way: a disk that is full ends it.
    await restoreRows(file, verifiedPages(pagesOf(response)), 0);
  } catch (thrown) {
    const { code, message } = asTailraceError(thrown);
    if (code !== 'corrupt') throw thrown;
    throw new TailraceError('corrupt', `the copy that the node ${source.url} sent is refused: ${message}`, {
      cause: thrown,
    });
  } finally {
    response.destroy();
  }
}

/** The rows of a basin that another node sends, in any order. @throws TailraceError `unavailable` also where they break off */
export async function* rowsFromNode(source: SnapshotSource): AsyncGenerator<readonly Entry[]> {
  const response = await ask(source);
  try {
    if (response.statusCode !== 200) throw noRows(source, `HTTP ${response.statusCode}`);
    yield* readTransfer(response);
  } catch (cause) {
    throw noRows(source, 'they broke off', cause);
  } finally {
    response.destroy();
  }
}

function noRows({ url }: SnapshotSource, why: string, cause?: unknown): TailraceError {
  return new TailraceError('unavailable', `the node ${url} sent no rows: ${why}`, { cause });
}

async function ask({ url, path, headers, caFile, signal }: SnapshotSource): Promise<IncomingMessage> {
  const to = new URL(path, url);
  try {
    const ca = caFile === undefined ? {} : { ca: await readFile(caFile) };
    const options = { headers, signal, agent: false, timeout: BACKUP_STALL_MS };
    return await new Promise((resolve, reject) => {
      const asked = to.protocol === 'https:' ? requestSecurely(to, { ...options, ...ca }) : request(to, options);
      asked.once('response', resolve);
      asked.once('timeout', () => asked.destroy(new Error('it is silent')));
      asked.on('error', reject);
      asked.end();
    });
  } catch (cause) {
    throw new TailraceError('unavailable', `the node ${to.origin} cannot be reached: ${String(cause)}`, { cause });
  }
}

async function* pagesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Entry[]> {
  try {
    for await (const part of readBackup(body)) if (part.type === 'rows') yield part.rows;
  } catch (error) {
    if (asTailraceError(error).code !== 'internal') throw error;
    throw new TailraceError('unavailable', 'the snapshot broke off', { cause: error });
  }
}
