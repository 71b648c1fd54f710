/**
 * One call authorizes a sender of OTLP data, whatever the protocol: who it is, which basin the data goes to, and what
 * the sender's token makes of the data.
 */

import { type Basin, existingBasin } from '../log/basins.ts';
import type { Log } from '../log/log.ts';
import type { LogObserver } from '../log/observer.ts';
import { streamNameFault } from '../model/names.ts';
import type { Access, AuthContext } from './access.ts';
import type { BasinRequest, BasinRuleDeps } from './basin-rule.ts';
import { onlyBasin, type Principal } from './grant.ts';
import type { SenderRates } from './rates/ingest-rates.ts';
import { bearerToken, credentialShown } from './tokens/credential.ts';

export interface SenderRequest extends BasinRequest {
  /** The headers, or the metadata of gRPC, that say who sends and to which basin; names in lower case. */
  readonly headers: BasinRequest['headers'] & { readonly authorization?: string | undefined };
  /** One object for all requests over the same connection: the credential that it showed last is hashed once. */
  readonly connection: object;
  /** Filled in as soon as something is known, so also when the sender is refused. */
  readonly context: AuthContext;
}

export interface SenderDeps extends BasinRuleDeps {
  readonly access: Access;
  readonly log: SenderLog & Pick<Log, 'basin'>;
  /** Receives each operation that was allowed. */
  readonly observer: Pick<LogObserver, 'operation'>;
}

/** What storing OTLP data takes of the log. */
export type SenderLog = Pick<Log, 'openStream' | 'hasStream' | 'mayHold' | 'append' | 'once'>;

export interface AuthorizedSender {
  readonly principal: Principal;
  readonly basin: Basin;
  /** The log, which takes the names of streams as the sender says them. */
  readonly log: SenderLog;
  readonly terms: SenderTerms;
}

/** What a token makes of the data. Without a token nothing is set, and every stream is allowed. */
export interface SenderTerms {
  /** Set on every resource in place of what the sender wrote. */
  readonly resourceAttributes?: ReadonlyMap<string, string> | undefined;
  /** Where resources go that name no stream, as the sender says it. */
  readonly fixedStream?: string | undefined;
  /** The same for all requests of a sender, whatever secret they show. */
  readonly sender: string;
  /** How much data may come; undefined where nothing limits it. */
  readonly rates?: SenderRates | undefined;
  /** Whether the data may go to a stream: each one needs its own permission. */
  readonly mayAppend?: ((stream: string) => boolean) | undefined;
}

/**
 * Returns a promise only where a JWT has to be verified. Counts the append as an operation.
 * @throws TailraceError, also as a rejection: `bad_header`, `bad_query`, `authn`, `permission_denied`, `basin_not_found`, and
 *   `unavailable` when the keys of an outside issuer are needed and cannot be fetched
 */
export function authorizeSender(
  request: SenderRequest,
  deps: SenderDeps,
): AuthorizedSender | Promise<AuthorizedSender> {
  const { headers, connection } = request;
  const named = deps.basinRule.named(request);
  const credential = bearerToken(headers.authorization);
  const hashed = credentialShown(headers.authorization, connection);
  const sender = deps.access.identifySender(credential, hashed, named, headers.authorization);
  if (sender instanceof Promise) return sender.then((principal) => authorized(principal, named, request, deps));
  return authorized(sender, named, request, deps);
}

/**
 * Whose data a request is, as far as authorizing it found out: the id of the token, and a basin that it may send to. Of a
 * basin that it named without permission nothing is said: its owners would learn of tokens that are not theirs.
 */
export function senderIdentity({ caller, need }: AuthContext): {
  readonly token: string | undefined;
  readonly basin: string | undefined;
} {
  if (caller === undefined) return { token: undefined, basin: undefined };
  const basin = need?.basin;
  const isAllowed = basin !== undefined && caller.allows('append', basin);
  return { token: caller.id, basin: isAllowed ? basin : onlyBasin(caller) };
}

function authorized(
  principal: Principal,
  named: string | undefined,
  { context }: SenderRequest,
  { access, log, observer, basinRule }: SenderDeps,
): AuthorizedSender {
  const name = named ?? basinRule.usual(principal);
  const need = { operation: 'append', basin: name } as const;
  context.caller = principal;
  context.need = need;
  access.expectAllowed(principal, need);
  observer.operation(need.operation, need.basin);
  const basin = existingBasin(log, name);
  return {
    principal,
    basin,
    log: logFor(principal, log),
    terms: termsOf(principal, name, access.ratesOf(principal, basin)),
  };
}

/** By the number of a token, which is never reused; senders of outside issuers are told apart by their subject. */
function senderId({ id, token }: Principal): string {
  if (token === undefined) return id;
  return token.number > 0 ? `${token.number}` : JSON.stringify([id, ...token.resourceAttributes]);
}

function termsOf(principal: Principal, basin: string, rates: SenderRates | undefined): SenderTerms {
  const { token } = principal;
  const sender = senderId(principal);
  if (token === undefined) {
    return { sender, rates, resourceAttributes: undefined, fixedStream: undefined, mayAppend: undefined };
  }
  const mayAppend = (stream: string): boolean => {
    const kept = principal.absolute(stream);
    return streamNameFault(kept) === undefined && principal.allows('append', basin, kept);
  };
  const fixedStream = token.stream === undefined ? undefined : principal.shown(token.stream);
  return { sender, rates, resourceAttributes: token.resourceAttributes, fixedStream, mayAppend };
}

function logFor(principal: Principal, log: SenderLog): SenderLog {
  if (principal.token === undefined || principal.token.autoPrefix === '') return log;
  return {
    openStream: (basin, name, purpose) => log.openStream(basin, principal.absolute(name), purpose),
    hasStream: (basin, name) => log.hasStream(basin, principal.absolute(name)),
    mayHold: (basin, name, most, maker) => log.mayHold(basin, principal.absolute(name), most, maker),
    append: (appends, kept) => log.append(appends, kept),
    once: (basin, digest, act) => log.once(basin, digest, act),
  };
}
