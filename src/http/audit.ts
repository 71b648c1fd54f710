/**
 * What the HTTP protocol writes into the audit log. Who asked, and for what, an exchange remembers when leave is asked for;
 * the line is written in one place, when what became of it is known: behind the handler, or where a session ends.
 */

import type { Principal } from '../access/grant.ts';
import { commandType } from '../log/records.ts';
import type { TailraceError } from '../model/error.ts';
import type { RecordInput } from '../model/record.ts';
import { type AuditAction, type AuditSubject, isAboutAccess, isWritten, NOBODY, UNKNOWN } from '../observe/audit.ts';
import { type HttpDeps, senderOf } from './context.ts';
import { asTailraceError } from './errors.ts';
import type { Exchange } from './exchange.ts';

/** An exchange is over. Reads and data leave a line only when they were refused for want of leave. */
export function auditExchange(
  exchange: Exchange,
  action: AuditAction,
  { audit }: HttpDeps,
  error?: TailraceError,
): void {
  const failure = error ?? exchange.auditContext.failure;
  if (isWritten(action, failure)) audit.write(subjectOf(exchange, action), failure);
}

/** A session ends that had begun, or a part of a request is refused; only what is about leave is written down. `stream`: as the caller says it. */
export function auditRefusal(exchange: Exchange, { audit }: HttpDeps, error: TailraceError, stream?: string): void {
  if (!isAboutAccess(error)) return;
  const subject = subjectOf(exchange, actOf(exchange));
  const struck = stream === undefined ? subject.stream : absolute(stream, exchange.auditContext.caller);
  audit.write({ ...subject, stream: struck }, error);
}

/**
 * Records that are commands change who may write, and what is left: each kind in a batch leaves a line, with what
 * became of the batch. Undefined where there is none.
 */
export function auditorOfCommands(
  exchange: Exchange,
  records: readonly RecordInput[],
  deps: HttpDeps,
): ((error?: unknown) => void) | undefined {
  const actions = new Set<'fence' | 'trim'>();
  for (const record of records) {
    const type = commandType(record);
    if (type !== undefined) actions.add(type);
  }
  if (actions.size === 0) return undefined;
  return (thrown) => {
    const error = thrown === undefined ? undefined : asTailraceError(thrown);
    // Whoever ends the call writes down that it was refused.
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

/** Whoever is not known cannot be told what their token puts before names. */
function absolute(stream: string, caller: Principal | undefined): string {
  return caller === undefined ? stream : caller.absolute(stream);
}

function principalOf({ auditContext, request, query }: Exchange, action: AuditAction): string {
  if (auditContext.caller !== undefined) return auditContext.caller.id;
  const showed =
    request.headers.authorization !== undefined || /(^|&)ticket=/.test(query) || action === 'exchange-token';
  return showed ? UNKNOWN : NOBODY;
}

/** What is being done where the route does not say it: it was asked for leave as that. */
function actOf({ auditContext }: Exchange): AuditAction {
  const operation = auditContext.need?.operation ?? 'append';
  return operation === 'maintain' ? 'confirm-clock' : operation;
}
