/**
 * Who may do what. {@link Access.authorize} is the one function that every door calls before it looks whether something
 * exists. In this first form there is one token, which may do everything; scopes come with the token API.
 */

import { TailraceError } from '../model/error.ts';
import { admitLocal, type OriginHeaders } from './loopback.ts';
import { type HashedToken, hashCredential } from './token.ts';

/**
 * S2's operations (S2 API §7.2), and our own: `backup` gives out everything and is for the root token alone. OTLP ingest
 * is `append` on every stream it touches.
 */
export type Operation =
  | 'backup'
  | 'list-basins'
  | 'create-basin'
  | 'delete-basin'
  | 'reconfigure-basin'
  | 'get-basin-config'
  | 'list-access-tokens'
  | 'issue-access-token'
  | 'revoke-access-token'
  | 'account-metrics'
  | 'basin-metrics'
  | 'stream-metrics'
  | 'list-locations'
  | 'get-default-location'
  | 'set-default-location'
  | 'list-streams'
  | 'create-stream'
  | 'delete-stream'
  | 'reconfigure-stream'
  | 'get-stream-config'
  | 'check-tail'
  | 'read'
  | 'append'
  | 'trim'
  | 'fence';

/** What a request is about to do, and to what. Names as the client sees them. */
export interface Need {
  readonly operation: Operation;
  readonly basin?: string;
  readonly stream?: string;
}

/** Who is asking. */
export interface Principal {
  /** For log lines; never the secret. */
  readonly id: string;
}

/** Whether callers must show a token. */
export type AccessMode = { readonly type: 'open' } | { readonly type: 'tokens'; readonly rootTokenHash: string };

const ROOT: Principal = { id: 'root' };
const ANYONE: Principal = { id: 'anyone' };

/** Decides on requests. Keeps hashes of secrets only. */
export class Access {
  readonly #principals: ReadonlyMap<string, Principal> | undefined;

  constructor(mode: AccessMode) {
    this.#principals = mode.type === 'open' ? undefined : new Map([[mode.rootTokenHash, ROOT]]);
  }

  /** Whether nobody is asked for a token. */
  get isOpen(): boolean {
    return this.#principals === undefined;
  }

  /**
   * Answers who is asking, when they may do what they need.
   * @throws TailraceError `authn` for a missing or unknown token, `permission_denied` for one that may not do it
   */
  authorize(credential: string | HashedToken | undefined, need: Need): Principal {
    if (this.#principals === undefined) return ANYONE;
    if (credential === undefined) throw new TailraceError('authn', NO_TOKEN);
    const hashed = typeof credential === 'string' ? hashCredential(credential) : credential;
    const principal = this.#principals.get(hashed.hash);
    if (principal === undefined) throw new TailraceError('authn', unknownToken(hashed));
    return allowed(principal, need);
  }

  /**
   * Looks where a request comes from: without tokens only this machine may talk to us. Every door calls it first.
   * @throws TailraceError `permission_denied`
   */
  admit(headers: OriginHeaders): void {
    if (this.#principals === undefined) admitLocal(headers);
  }
}

const NO_TOKEN = 'a token is needed: send the header "Authorization: Bearer <token>"';

/** The root token may do everything. */
function allowed(principal: Principal, _need: Need): Principal {
  return principal;
}

/** Some exporters pass `OTEL_EXPORTER_OTLP_HEADERS` on without decoding it. */
function unknownToken({ isEncoded }: HashedToken): string {
  const hint = isEncoded ? ': it holds "%20", which this client does not decode; use a space' : '';
  return `the token is not known here${hint}`;
}
