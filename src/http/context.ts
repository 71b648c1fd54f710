/** What routes need besides the request, in named parts, and how a caller is authorized over HTTP. */

import type { Access, Need } from '../access/access.ts';
import type { BasinRuleDeps } from '../access/basin-rule.ts';
import type { Principal } from '../access/grant.ts';
import { credentialShown } from '../access/tokens/credential.ts';
import type { Log } from '../log/log.ts';
import type { LogObserver } from '../log/observer.ts';
import type { Clock } from '../model/clock.ts';
import type { Audit } from '../observe/audit.ts';
import type { Logger } from '../observe/logger.ts';
import type { ReaderSet } from '../readers/reader-set.ts';
import type { BodyReading } from './body/read-body.ts';
import { connectionOf, type Exchange } from './exchange.ts';
import type { ReplyDeps } from './reply.ts';

/** What identifying a caller takes. */
export interface IdentifyDeps {
  readonly access: Access;
}

/** What finding the basin of a call takes: where the call names none, the caller counts. */
export interface NamedBasinDeps extends IdentifyDeps, BasinRuleDeps {}

/** What authorizing a call takes. */
export interface AuthorizeDeps extends IdentifyDeps {
  /** Receives each operation that was allowed. */
  readonly observer: Pick<LogObserver, 'operation'>;
}

/** What reading a body takes; a caller who was identified before it is checked again after it. */
export interface BodyDeps extends IdentifyDeps {
  readonly reading: BodyReading;
}

/** What a call of the control plane takes: JSON in and out, for a caller with permission. */
export interface ControlRouteDeps extends AuthorizeDeps, BodyDeps, ReplyDeps {}

export interface AuditDeps {
  readonly audit: Pick<Audit, 'write'>;
}

/** What appending and reading records take, in one request and in sessions. */
export interface RecordDeps extends AuthorizeDeps, NamedBasinDeps, ReplyDeps, BodyDeps, AuditDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Reads and sessions that go on until the client or the server ends them. */
  readonly readers: ReaderSet;
}

/**
 * Identifies the caller and asks for permission. Counts as use: call it once for each operation.
 * @throws TailraceError `authn`, `permission_denied`
 */
export function authorize(exchange: Exchange, deps: AuthorizeDeps, need: Need): Principal {
  const principal = authorizeUncounted(exchange, deps, need);
  deps.observer.operation(need.operation, need.basin);
  return principal;
}

/** The same for what is not use of the server, such as a scrape of its metrics. */
export function authorizeUncounted(exchange: Exchange, deps: IdentifyDeps, need: Need): Principal {
  exchange.auditContext.need = need;
  const principal = identify(exchange, deps);
  allow(exchange, deps, principal, need);
  return principal;
}

/**
 * Asks for permission for a caller who was identified before. Counts as use.
 * @throws TailraceError `permission_denied`
 */
export function authorizeAs(exchange: Exchange, deps: AuthorizeDeps, principal: Principal, need: Need): void {
  allow(exchange, deps, principal, need);
  deps.observer.operation(need.operation, need.basin);
}

function allow(exchange: Exchange, { access }: IdentifyDeps, principal: Principal, need: Need): void {
  exchange.auditContext.caller = principal;
  exchange.auditContext.need = need;
  access.expectAllowed(principal, need);
  exchange.hiddenPrefix = principal.token?.autoPrefix ?? '';
}

/** Who the caller is; asks for no permission. @throws TailraceError `authn` */
export function identify(exchange: Exchange, { access }: IdentifyDeps): Principal {
  const header = exchange.request.headers.authorization;
  const principal = access.identify(credentialShown(header, connectionOf(exchange)), header);
  exchange.auditContext.caller = principal;
  return principal;
}
