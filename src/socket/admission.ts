/** Who may open a reader on a WebSocket, judged by its upgrade request, and what the audit log says of it. */

import type { IncomingMessage } from 'node:http';
import type { Access } from '../access/access.ts';
import { parseAuthority } from '../access/authority.ts';
import type { BasinRuleDeps } from '../access/basin-rule.ts';
import type { Principal } from '../access/grant.ts';
import { NO_ORIGINS, type Origins, parseOrigin, refusedOrigin } from '../access/origins.ts';
import { holderAmong, holderOf } from '../access/tickets.ts';
import type { ForwardedReader } from '../access/trusted-proxies.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { type Audit, isAboutAccess, NOBODY, UNKNOWN } from '../observe/audit.ts';
import { correlationId } from '../observe/correlation-id.ts';
import type { Warnings } from '../observe/warnings.ts';
import {
  type Handshake,
  type ReadRequest,
  readRequestOf,
  type Target,
  targetOf,
  unknownSubprotocol,
} from './handshake.ts';

export interface AdmissionDeps extends BasinRuleDeps {
  readonly access: Pick<Access, 'identify' | 'expectAllowed' | 'redeem' | 'admit' | 'watch'>;
  /** Pages that may read besides the server's own. */
  readonly origins?: Origins | undefined;
  /** Undefined where none are trusted. */
  readonly proxies?: ForwardedReader | undefined;
  readonly audit: Pick<Audit, 'write'>;
  readonly warnings: Pick<Warnings, 'warn'>;
}

/** What a reader asks for, and who it is. */
export type Plan = Target & ReadRequest & { readonly principal: Principal };

/** What is known of a reader while its upgrade is judged. */
export interface Asked {
  readonly sender: string;
  readonly correlationId: string;
  /** What to call one who is not known. */
  readonly shown: string;
  principal: Principal | undefined;
  target: Target | undefined;
}

export class Admission {
  readonly #deps: AdmissionDeps;

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  /** What is refused before the upgrade, whoever asks. */
  refusalOf(request: IncomingMessage, handshake: Handshake): TailraceError | undefined {
    if (handshake.rawStream === undefined && !handshake.isMany) {
      return new TailraceError(
        'not_found',
        'readers connect to /v1/streams/{stream}/records, or to /v1/records for many',
      );
    }
    if (!isOriginAllowed(request, this.#deps.origins ?? NO_ORIGINS)) {
      const which = refusedOrigin(request.headers.origin ?? '');
      return new TailraceError('permission_denied', `pages of this origin may not read here: ${which}`);
    }
    if (handshake.subprotocols.length > 0 && handshake.selected === undefined) {
      return new TailraceError('bad_request', unknownSubprotocol());
    }
    try {
      this.#deps.access.admit(request);
      return undefined;
    } catch (thrown) {
      return asTailraceError(thrown);
    }
  }

  /** What the reader asks for and may have, or why not. */
  planOf(request: IncomingMessage, handshake: Handshake, asked: Asked): Plan | TailraceError {
    try {
      const plan = { ...this.#reader(request, handshake, asked), ...readRequestOf(request, handshake) };
      for (const stream of plan.many?.names ?? []) this.#expectReadable(plan.principal, asked, plan.basin, stream);
      return plan;
    } catch (thrown) {
      return asTailraceError(thrown);
    }
  }

  /** Calls `end` when the token of a reader ends. Returns how to cancel that. */
  watch(principal: Principal, asked: Asked, end: (error: TailraceError) => void): () => void {
    return this.#deps.access.watch(principal, (error) => {
      this.#audit(asked, error);
      end(error);
    });
  }

  /** A reader who may not read: for the audit log, and for whoever looks at the terminal. */
  noteRefused(asked: Asked, error: TailraceError): void {
    if (!isAboutAccess(error)) return;
    this.#audit(asked, error);
    const fields = { correlationId: asked.correlationId, code: error.code };
    this.#deps.warnings.warn(asked.sender, error.code, fields, `refused a WebSocket: ${error.message}`);
  }

  /** Who reads which stream: by a token, or by a ticket, which knows its basin and works once. */
  #reader(request: IncomingMessage, handshake: Handshake, asked: Asked): Target & { readonly principal: Principal } {
    const { access, basinRule } = this.#deps;
    const { credential, ticket: secret } = handshake;
    if (secret === undefined) {
      const identify = (): Principal => {
        asked.principal ??= access.identify(credential);
        return asked.principal;
      };
      const target = targetOf(request, handshake, (named) => basinRule.of(named, identify));
      asked.target = target;
      const principal = identify();
      access.expectAllowed(principal, { operation: 'read', ...target });
      return { ...target, principal };
    }
    const ticket = access.redeem(secret);
    const target = targetOf(request, handshake, (named) => basinRule.named(named) ?? ticket.basin);
    asked.target = target;
    asked.principal = ticket.principal;
    const { basin, stream } = target;
    const principal = stream === undefined ? holderAmong(ticket, basin) : holderOf(ticket, basin, stream);
    access.expectAllowed(principal, { operation: 'read', ...target });
    return { ...target, principal };
  }

  /** One that is asked for by its name must not be left out without a word. */
  #expectReadable(principal: Principal, asked: Asked, basin: string, stream: string): void {
    asked.target = { basin, stream };
    this.#deps.access.expectAllowed(principal, { operation: 'read', basin, stream });
  }

  #audit({ principal, shown, target, sender, correlationId: id }: Asked, error: TailraceError): void {
    const stream = target?.stream === undefined ? undefined : (principal?.absolute(target.stream) ?? target.stream);
    this.#deps.audit.write(
      {
        ...{ action: 'read', protocol: 'websocket', sender, correlationId: id },
        principal: principal?.id ?? shown,
        principalNumber: principal?.token?.number,
        basin: target?.basin,
        stream,
      },
      error,
    );
  }
}

/** Before anything of an upgrade request is judged. */
export function whoAsks(
  { socket, headers }: IncomingMessage,
  { credential, ticket }: Handshake,
  proxies?: ForwardedReader,
): Asked {
  return {
    sender: proxies?.read(socket.remoteAddress, headers)?.sender ?? socket.remoteAddress ?? 'unknown',
    correlationId: correlationId(headers['x-correlation-id']),
    shown: (headers.authorization ?? credential ?? ticket) === undefined ? NOBODY : UNKNOWN,
    principal: undefined,
    target: undefined,
  };
}

/** Ports of the schemes of pages; those of other schemes are never our own. */
const USUAL_PORTS: ReadonlyMap<string | undefined, number> = new Map([
  ['http', 80],
  ['https', 443],
]);

/** Pages of this very host, and of the configured origins. Without an Origin it is no browser: true. */
function isOriginAllowed(request: IncomingMessage, origins: Origins): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  if (origins.allows(origin)) return true;
  const from = parseOrigin(origin);
  const own = parseAuthority(host ?? '');
  const usualPort = USUAL_PORTS.get(from?.scheme);
  if (from === undefined || own === undefined || usualPort === undefined) return false;
  // A port that is the scheme's own may be left out on either side.
  return own.host === from.host && (own.port ?? usualPort) === (from.port ?? usualPort);
}
