/** `GET /v1/backup`: everything in the store as it is now, as one file; our own route, for the root token. */

import { TailraceError } from '../../model/error.ts';
import { BACKUP_STALL_MS } from '../../model/limits.ts';
import type { BackupUnderWay } from '../backup-source.ts';
import { authorize, type HttpDeps } from '../context.ts';
import { asTailraceError, refuseS2 } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Route } from '../router.ts';
import { StreamResponse } from '../stream-response.ts';

const BACKUP_MEDIA_TYPE = 'application/vnd.tailrace.backup';

export function backupRoutes(deps: HttpDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/backup',
      action: 'backup',
      handle: (exchange) => answerBackup(exchange, deps),
      refuse: (exchange, error) => refuseS2(exchange, error, deps.replyContext),
    },
  ];
}

async function answerBackup(exchange: Exchange, deps: HttpDeps): Promise<void> {
  authorize(exchange, deps, { operation: 'backup' });
  const backup = await deps.backups.begin();
  try {
    const answer = StreamResponse.open(exchange, headOf(backup), deps.replyContext);
    await send(exchange, backup, answer, deps);
  } finally {
    await backup.close();
  }
}

/** A backup that fails on its way is cut, so that nobody takes half of one for a whole one. */
async function send(exchange: Exchange, backup: BackupUnderWay, answer: StreamResponse, deps: HttpDeps): Promise<void> {
  // A copy that waits for its next bytes must hear that nobody wants them any more.
  const onGone = (): void => void backup.close().catch(() => {});
  answer.signal.addEventListener('abort', onGone);
  try {
    for await (const part of backup.parts()) {
      const drained = answer.write(part);
      if (drained !== undefined) await patiently(drained, answer, deps);
      if (answer.signal.aborted) {
        exchange.auditContext.failure = GONE;
        return;
      }
    }
    answer.signal.removeEventListener('abort', onGone);
    await answer.end();
  } catch (error) {
    exchange.auditContext.failure = answer.signal.aborted ? GONE : asTailraceError(error);
    if (answer.signal.aborted) return;
    deps.logger.error({ err: error }, 'a backup failed on its way');
    answer.abort();
  }
}

/** Cuts a client that takes nothing for too long. */
async function patiently(drained: Promise<void>, answer: StreamResponse, { clock }: HttpDeps): Promise<void> {
  const cancel = clock.timer(BACKUP_STALL_MS, () => answer.abort());
  await drained;
  cancel();
}

const GONE = new TailraceError('closed', 'the client went away, or took nothing for too long');

function headOf({ madeAt }: BackupUnderWay) {
  const time = new Date(madeAt).toISOString().replace(/[-:]|\.\d+/g, '');
  return {
    status: 200,
    contentType: BACKUP_MEDIA_TYPE,
    headers: ['Cache-Control', 'no-store', 'Content-Disposition', `attachment; filename="tailrace-${time}.backup"`],
  };
}
