/**
 * The server's own warnings about what was stored of an OTLP request. Most exporters do not report a partial success, and
 * the one who looks at the terminal often is not the one who can change the sender: so they say where the data went.
 */

import { TailraceError } from '../model/error.ts';
import type { Signal } from '../model/record.ts';
import type { Warnings } from '../observe/warnings.ts';
import type { IngestResult } from '../otlp/ingest-result.ts';
import { auditRefusal } from './audit.ts';
import type { AuditDeps } from './context.ts';
import { type Exchange, senderOf } from './exchange.ts';

export interface OtlpWarningDeps extends AuditDeps {
  readonly warnings: Pick<Warnings, 'warn'>;
}

/** What became of a request, and where. */
export interface StoredRequest {
  readonly signal: Signal;
  readonly basin: string;
  readonly result: Pick<IngestResult, 'reasons' | 'repairs' | 'changes'>;
}

/** Warns of what was rejected, repaired, and changed by the policy of the basin; nearly always of nothing. */
export function warnOfResult(
  exchange: Exchange,
  { signal, basin, result }: StoredRequest,
  deps: OtlpWarningDeps,
): void {
  const { reasons, repairs, changes } = result;
  const warn = (cause: string, count: number, stream: string | undefined, message: string): void => {
    const { correlationId } = exchange;
    const fields = { correlationId, signal, count, ...(stream === undefined ? {} : { stream }), basin };
    deps.warnings.warn(senderOf(exchange), `${signal} ${basin} ${cause}`, fields, message);
  };
  for (const { kind, reason, count, stream } of reasons) {
    warn(reason, count, stream, `rejected ${signal}: ${reason}`);
    if (kind === 'not_allowed') auditRefusal(exchange, deps, new TailraceError('permission_denied', reason), stream);
  }
  for (const { kind, reason, count, stream } of repairs) {
    warn(`${kind} ${stream ?? ''}`, count, stream, `accepted ${signal}: ${reason}`);
  }
  for (const { change, reason, count } of changes ?? []) warn(change, count, undefined, `changed ${signal}: ${reason}`);
}
