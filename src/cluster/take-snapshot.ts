/** A store from another node: the backup that it sends, with how far it follows the log. */

import { asTailraceError, TailraceError } from '../model/error.ts';
import type { Entry } from '../storage/engine.ts';
import { readBackup } from '../storage/offline/backup-format.ts';
import { restoreRows } from '../storage/offline/restore.ts';

export interface SnapshotSource {
  /** Of the node, and the path of its snapshot. */
  readonly url: string;
  readonly path: string;
  /** Shows that a node asks. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * Writes the store of another node to `file`, complete or not at all; a store with that name is replaced.
 * @throws TailraceError `unavailable` when the node does not send one whole, `corrupt`, `storage_full`, `storage`
 */
export async function takeSnapshot(file: string, { url, path, headers, signal }: SnapshotSource): Promise<void> {
  const response = await ask(new URL(path, url), headers, signal);
  const body = response.body;
  if (!response.ok || body === null) {
    await body?.cancel();
    throw new TailraceError('unavailable', `the node ${url} sent no snapshot (HTTP ${response.status})`);
  }
  // How large it is comes to light on the way: a disk that is full ends it.
  await restoreRows(file, pagesOf(body), 0);
}

async function ask(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { headers, signal, redirect: 'error' });
  } catch (cause) {
    throw new TailraceError('unavailable', `the node ${url.origin} cannot be reached`, { cause });
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
