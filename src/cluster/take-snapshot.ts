/** A store from another node: the backup that it sends, with how far it follows the log. */

import type { IncomingMessage } from 'node:http';
import { asTailraceError, TailraceError, unavailable } from '../model/error.ts';
import { BACKUP_STALL_MS } from '../model/limits.ts';
import type { Entry } from '../storage/engine.ts';
import { readBackup, readTransfer } from '../storage/offline/backup-format.ts';
import { restoreRows } from '../storage/offline/restore.ts';
import { verifiedPages } from '../storage/offline/verify.ts';
import { decodeReplicaState, REPLICA_KEY } from '../storage/replicated/replica-state.ts';
import { type AskedNode, askNode } from './ask-node.ts';

/** Which node, and the path of what it sends. */
export interface SnapshotSource extends AskedNode {
  readonly path: string;
}

/**
 * Writes the store of another node to `file`, complete, verified or not at all; a store with that name is replaced. It begins
 * with the base of the partition.
 * @throws TailraceError `unavailable` when the node does not send one whole, `corrupt` when it is damaged or of another
 *   partition, `storage_full`, `storage`
 */
export async function takeSnapshot(file: string, source: SnapshotSource, base: Uint8Array): Promise<void> {
  const response = await send(source);
  try {
    // How large it is comes to light on the way: a disk that is full ends it.
    await restoreRows(file, ofBase(verifiedPages(pagesOf(response)), base), 0);
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
  const response = await send(source);
  try {
    yield* readTransfer(response);
  } catch (cause) {
    throw unavailable(`the rows of the node ${source.url} broke off`, cause);
  } finally {
    response.destroy();
  }
}

/** @throws TailraceError `corrupt` after the last page, where they do not begin with this base */
async function* ofBase(pages: AsyncIterable<readonly Entry[]>, base: Uint8Array): AsyncGenerator<readonly Entry[]> {
  let isOfBase = false;
  for await (const page of pages) {
    const row = page.find(({ key }) => Buffer.compare(key, REPLICA_KEY) === 0);
    if (row !== undefined) isOfBase = Buffer.compare(decodeReplicaState(row.value).base, base) === 0;
    yield page;
  }
  if (!isOfBase) throw new TailraceError('corrupt', 'it is the store of another partition, or of another cluster');
}

/** @throws TailraceError `unavailable` */
async function send(source: SnapshotSource): Promise<IncomingMessage> {
  const response = await askNode(source, { path: source.path, silentMsMax: BACKUP_STALL_MS });
  if (response.statusCode === 200) return response;
  response.destroy();
  throw unavailable(`the node ${source.url} did not send it (HTTP ${response.statusCode})`);
}

async function* pagesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Entry[]> {
  try {
    for await (const part of readBackup(body)) if (part.type === 'rows') yield part.rows;
  } catch (error) {
    if (asTailraceError(error).code !== 'internal') throw error;
    throw unavailable('the snapshot broke off', error);
  }
}
