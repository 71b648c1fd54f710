/** Downloads a backup from a running server, chunk by chunk. */

import { identityHeaders } from './calls.ts';
import { fetchStream } from './fetch-stream.ts';
import type { RequestOptions, ServerTarget } from './request.ts';

/**
 * The bytes of a backup, to be read once. It is complete when the generator ends; leaving the loop ends the download.
 * @throws TailraceError `permission_denied`, `rate_limited` while another backup is under way, `storage_full`,
 *   `unavailable` when the connection is lost, `aborted` by the signal
 */
export function downloadBackup(target: ServerTarget, { signal }: RequestOptions = {}): AsyncGenerator<Uint8Array> {
  const headers = identityHeaders(target, undefined);
  return fetchStream(target, { path: '/v1/backup', headers, what: 'the backup', signal });
}
