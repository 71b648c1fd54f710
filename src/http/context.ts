/** What the HTTP routes share: the log below them, access beside them, and how requests are read and answered. */

import type { Access, Need } from '../access/access.ts';
import type { Principal } from '../access/grant.ts';
import { bearerToken, type HashedToken, hashCredential } from '../access/tokens/credential.ts';
import type { Log } from '../log/log.ts';
import type { LogObserver } from '../log/observer.ts';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import type { OtlpLimits } from '../model/limits.ts';
import { basinNameFault } from '../model/names.ts';
import type { Audit } from '../observe/audit.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Warnings } from '../observe/warnings.ts';
import type { ReaderSet } from '../readers/reader-set.ts';
import type { Usage } from '../usage/usage.ts';
import type { BackupSource } from './backup-source.ts';
import type { BodyReading } from './body/read-body.ts';
import { connectionOf, type Exchange } from './exchange.ts';
import type { ReplyContext } from './reply.ts';

export interface HttpDeps {
  readonly log: Log;
  readonly access: Access;
  readonly clock: Clock;
  /** Basin of OTLP requests that name none. */
  readonly defaultBasin: string;
  readonly limits: OtlpLimits;
  readonly reading: BodyReading;
  readonly replyContext: ReplyContext;
  readonly logger: Logger;
  readonly warnings: Warnings;
  readonly audit: Pick<Audit, 'write'>;
  /** Requests that go on until somebody ends them. */
  readonly readers: ReaderSet;
  readonly backups: BackupSource;
  /** Hears which operations were allowed. */
  readonly observer: Pick<LogObserver, 'operation'>;
  readonly usage: Usage;
  readonly metrics: Metrics;
}

/** What a connection showed last. Exporters send the same header with each request: it is hashed once. */
interface Shown {
  readonly header: string;
  readonly hashed: HashedToken | undefined;
}

const shownBy = new WeakMap<object, Shown>();

/** Asks for leave, once for each call: it counts as use. @throws TailraceError `authn`, `permission_denied` */
export function authorize(exchange: Exchange, deps: HttpDeps, need: Need): Principal {
  const principal = authorizeUncounted(exchange, deps, need);
  deps.observer.operation(need.operation, need.basin);
  return principal;
}

/** The same for what is no use of the server, such as a look at its health. */
export function authorizeUncounted(exchange: Exchange, deps: HttpDeps, need: Need): Principal {
  exchange.note.need = need;
  const principal = identify(exchange, deps);
  allow(exchange, deps, principal, need);
  return principal;
}

/** Asks for leave for a caller who was identified in another way. @throws TailraceError `permission_denied` */
export function authorizeAs(exchange: Exchange, deps: HttpDeps, principal: Principal, need: Need): void {
  allow(exchange, deps, principal, need);
  deps.observer.operation(need.operation, need.basin);
}

function allow(exchange: Exchange, { access }: HttpDeps, principal: Principal, need: Need): void {
  exchange.note.caller = principal;
  exchange.note.need = need;
  access.expectAllowed(principal, need);
  exchange.hiddenPrefix = principal.token?.autoPrefix ?? '';
}

/** Who is asking, whatever for. @throws TailraceError `authn` */
export function identify(exchange: Exchange, deps: HttpDeps): Principal {
  const principal = deps.access.identify(credentialOf(exchange));
  exchange.note.caller = principal;
  return principal;
}

/**
 * Who sends OTLP data, to the basin that the request names: JWTs are good for that, and take a while.
 * @throws TailraceError `authn`, `bad_header`, `unavailable`
 */
export function identifySender(
  exchange: Exchange,
  { access }: HttpDeps,
  basin: string | undefined,
): Principal | Promise<Principal> {
  const credential = bearerToken(exchange.request.headers.authorization);
  return access.identifySender(credential, credentialOf(exchange), basin);
}

/** Compared only with what the same connection showed before, so the time that takes tells nobody a secret. */
function credentialOf(exchange: Exchange): HashedToken | undefined {
  const header = exchange.request.headers.authorization;
  if (header === undefined) return undefined;
  const connection = connectionOf(exchange);
  const shown = shownBy.get(connection);
  if (shown !== undefined && shown.header === header) return shown.hashed;
  const token = bearerToken(header);
  const hashed = token === undefined ? undefined : hashCredential(token);
  shownBy.set(connection, { header, hashed });
  return hashed;
}

/** The basin that the request names, whether it exists or not. @throws TailraceError `bad_header` */
export function basinNamed(exchange: Exchange): string | undefined {
  const name = exchange.request.headers['s2-basin'];
  if (name === undefined) return undefined;
  const fault = typeof name === 'string' ? basinNameFault(name) : 'the header s2-basin is there twice';
  if (fault !== undefined) throw new TailraceError('bad_header', fault);
  return name as string;
}

/** @throws TailraceError `basin_not_found` */
export function existingBasin(deps: HttpDeps, name: string) {
  const basin = deps.log.basin(name);
  if (basin === undefined) throw new TailraceError('basin_not_found', `basin \`${name}\` not found`);
  return basin;
}

/** Address of the sender, for log lines and to tell senders apart. */
export function senderOf(exchange: Exchange): string {
  return exchange.request.socket.remoteAddress ?? 'unknown';
}
