/**
 * Who may send requests to a server without tokens: only this machine, and only pages of this machine. Otherwise any
 * web page could reach it, by a plain request or by a DNS name that points to 127.0.0.1 (DNS rebinding).
 */

import { isIP } from 'node:net';
import { TailraceError } from '../model/error.ts';
import { parseAuthority } from './authority.ts';
import { NO_ORIGINS, type Origins, parseOrigin, refusedOrigin } from './origins.ts';

/** The headers that tell where a request comes from; names in lower case. */
export interface OriginHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | string[] | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}

/** Names that every system resolves to itself (RFC 6761, section 6.3); the names of basins are among them. */
const LOCAL_NAME = /^([a-z0-9_-]+\.)*localhost$/;

/** Whether a host name or address, without port, is this machine: `localhost`, `*.localhost`, 127.0.0.0/8, `[::1]`. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const version = isIP(name);
  if (version === 4) return name.startsWith('127.');
  if (version === 6) return name === '::1';
  return LOCAL_NAME.test(name);
}

/**
 * Accepts a request without a token when it is local. Pages of configured origins count as local.
 * @throws TailraceError `permission_denied`
 */
export function admitLocal(headers: OriginHeaders, configured: Origins = NO_ORIGINS): void {
  if (!isLocal(headers.host ?? '')) {
    throw refused('the Host header is not a name of this machine; without tokens only localhost may be addressed');
  }
  if (configured.allows(headers.origin)) return;
  const { origin } = headers;
  if (origin !== undefined && !isLocalOrigin(origin)) {
    throw refused(`the Origin is foreign; without tokens only local pages may send requests: ${refusedOrigin(origin)}`);
  }
  if (headers['sec-fetch-site'] === 'cross-site') {
    throw refused(
      'the request comes from another web site; without tokens only local pages may send requests, and those of --cors-origin',
    );
  }
}

function isLocalOrigin(origin: string | string[]): boolean {
  const parsed = typeof origin === 'string' ? parseOrigin(origin) : undefined;
  return parsed !== undefined && /^https?$/.test(parsed.scheme) && isLoopback(parsed.host);
}

/** Nearly all requests of a server name the same one. */
let lastLocal = '';

function isLocal(hostAndPort: string): boolean {
  if (hostAndPort !== '' && hostAndPort === lastLocal) return true;
  const host = parseAuthority(hostAndPort)?.host;
  if (host === undefined || !isLoopback(host)) return false;
  lastLocal = hostAndPort;
  return true;
}

function refused(why: string): TailraceError {
  return new TailraceError('permission_denied', why);
}
