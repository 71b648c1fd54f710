/**
 * What the HTTP server writes into the audit log. The exchange keeps who called, and for what, once permission is asked
 * for; the line is written in one place, when the outcome is known: after the handler, or where a session ends.
 */

import type { Principal } from '../access/grant.ts';
import { commandType } from '../log/check-batch.ts';
import type { TailraceError } from '../model/error.ts';
import { asTailraceError } from '../model/error.ts';
import type { RecordInput } from '../model/record.ts';
import { type AuditAction, type AuditSubject, isAboutAccess, isWritten, NOBODY, UNKNOWN } from '../observe/audit.ts';
import type { AuditDeps } from './context.ts';
import { type Exchange, senderOf } from './exchange.ts';

/** Call it when an exchange is over. Reads and data leave a line only when they were refused for want of permission. */
export function auditExchange(
  exchange: Exchange,
  action: AuditAction,
  { audit }: AuditDeps,
  error?: TailraceError,
): void {
  const failure = error ?? exchange.auditContext.failure;
  if (isWritten(action, failure)) audit.write(subjectOf(exchange, action), failure);
}

/**
 * Call it when a session ends that had begun, or when a part of a request is refused. Only a refused authorization is
 * written down. `stream` is the name as the caller says it.
 */
export function auditRefusal(exchange: Exchange, { audit }: AuditDeps, error: TailraceError, stream?: string): void {
  if (!isAboutAccess(error)) return;
  const subject = subjectOf(exchange, actionOf(exchange));
  const refused = stream === undefined ? subject.stream : absolute(stream, exchange.auditContext.caller);
  audit.write({ ...subject, stream: refused }, error);
}

/**
 * Commands are records that change who may write, and which records are left. Returns what to call with the outcome of
 * the batch: each kind of command in it leaves a line. Returns undefined for a batch without commands.
 */
export function auditorOfCommands(
  exchange: Exchange,
  records: readonly RecordInput[],
  deps: AuditDeps,
): ((error?: unknown) => void) | undefined {
  const actions = new Set<'fence' | 'trim'>();
  for (const record of records) {
    const type = commandType(record);
    if (type !== undefined) actions.add(type);
  }
  if (actions.size === 0) return undefined;
  return (thrown) => {
    const error = thrown === undefined ? undefined : asTailraceError(thrown);
    // A refused authorization is written down where the call ends.
    if (error !== undefined && isAboutAccess(error)) return;
    for (const action of actions) deps.audit.write(subjectOf(exchange, action), error);
  };
}

function subjectOf(exchange: Exchange, action: AuditAction): AuditSubject {
  const { caller, need, protocol } = exchange.auditContext;
  const stream = need?.stream;
  return {
    action,
    protocol,
    principal: principalOf(exchange, action),
    principalNumber: caller?.token?.number,
    basin: need?.basin,
    stream: stream === undefined ? undefined : absolute(stream, caller),
    tokenId: need?.tokenId,
    sender: senderOf(exchange),
    correlationId: exchange.correlationId,
  };
}

/** The prefix that a token puts before names is not known while the caller is not. */
function absolute(stream: string, caller: Principal | undefined): string {
  return caller === undefined ? stream : caller.absolute(stream);
}

function principalOf({ auditContext, request, query }: Exchange, action: AuditAction): string {
  if (auditContext.caller !== undefined) return auditContext.caller.id;
  const isExchange = action === 'exchange-token' || action === 'exchange-login';
  const showed = request.headers.authorization !== undefined || /(^|&)ticket=/.test(query) || isExchange;
  return showed ? UNKNOWN : NOBODY;
}

/** The action by the permission that was asked for, where the route is not at hand. */
function actionOf({ auditContext }: Exchange): AuditAction {
  const operation = auditContext.need?.operation ?? 'append';
  return operation === 'maintain' ? 'confirm-clock' : operation;
}
