/** `GET /v1/backup`: everything in the store as it is now, as one file. A route of our own, for the root token. */

import type { Clock } from '../../model/clock.ts';
import { asTailraceError, TailraceError } from '../../model/error.ts';
import { BACKUP_STALL_MS } from '../../model/limits.ts';
import type { Logger } from '../../observe/logger.ts';
import { type AuthorizeDeps, authorize } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { NO_STORE, type ReplyDeps } from '../reply.ts';
import type { Route } from '../router.ts';
import { StreamResponse } from '../stream-response.ts';

const BACKUP_MEDIA_TYPE = 'application/vnd.tailrace.backup';

export interface BackupDeps extends AuthorizeDeps, SendDeps {
  readonly backups: BackupSource;
}

interface SendDeps extends ReplyDeps {
  readonly clock: Pick<Clock, 'timer'>;
  readonly logger: Logger;
}

/** What makes backups. */
export interface BackupSource {
  /** @throws TailraceError `rate_limited` while another backup is being made, `storage_full`, `storage`, `closed` */
  begin(): Promise<BackupStream>;
}

/** A backup that is being made. */
interface BackupStream {
  /** When it was taken, in ms. */
  readonly madeAt: number;
  /** The bytes of the file; leaving the loop ends the backup. */
  parts(): AsyncGenerator<Uint8Array>;
  /** Ends it. May be called twice. */
  close(): Promise<void>;
}

export function backupRoutes(deps: BackupDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/backup',
      call: 'backup',
      action: 'backup',
      handle: (exchange) => answerBackup(exchange, deps),
    },
  ];
}

async function answerBackup(exchange: Exchange, deps: BackupDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'backup' });
  await sendBackup(exchange, deps.backups, deps);
}

/** @throws TailraceError as {@link BackupSource.begin} */
export async function sendBackup(exchange: Exchange, backups: BackupSource, deps: SendDeps): Promise<void> {
  const backup = await backups.begin();
  try {
    const response = StreamResponse.open(exchange, headOf(backup), deps.replyContext);
    await send(exchange, backup, response, deps);
  } finally {
    await backup.close();
  }
}

/** A backup that fails while it is sent is cut, so that half a backup never looks like a whole one. */
async function send(exchange: Exchange, backup: BackupStream, response: StreamResponse, deps: SendDeps): Promise<void> {
  // A copy that waits for its next bytes must learn that the client is gone.
  const onGone = (): void => void backup.close().catch(() => {});
  response.signal.addEventListener('abort', onGone);
  try {
    for await (const part of backup.parts()) {
      const drained = response.write(part);
      if (drained !== undefined) await patiently(drained, response, deps);
      if (response.signal.aborted) {
        exchange.auditContext.failure = GONE;
        return;
      }
    }
    response.signal.removeEventListener('abort', onGone);
    await response.end();
  } catch (error) {
    const failure = asTailraceError(error);
    exchange.auditContext.failure = response.signal.aborted ? GONE : failure;
    if (response.signal.aborted) return;
    // A basin that moves is asked for again.
    const level = failure.code === 'unavailable' || failure.code === 'closed' ? 'warn' : 'error';
    deps.logger[level]({ err: failure, path: exchange.path }, 'a backup, or a part of one, failed on its way');
    response.abort();
  }
}

/** Cuts a client that takes nothing for too long. */
async function patiently(drained: Promise<void>, response: StreamResponse, { clock }: SendDeps): Promise<void> {
  const cancel = clock.timer(BACKUP_STALL_MS, () => response.abort());
  await drained;
  cancel();
}

const GONE = new TailraceError('closed', 'the client went away, or took nothing for too long');

function headOf({ madeAt }: BackupStream) {
  const time = new Date(madeAt).toISOString().replace(/[-:]|\.\d+/g, '');
  return {
    status: 200,
    contentType: BACKUP_MEDIA_TYPE,
    headers: [...NO_STORE, 'Content-Disposition', `attachment; filename="tailrace-${time}.backup"`],
  };
}
