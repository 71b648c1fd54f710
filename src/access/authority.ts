/**
 * Host and port as a request writes them, in the header Host, the `:authority` of HTTP/2, or an Origin (RFC 3986,
 * section 3.2). Everything that trusts a host reads it by this one grammar, so `evil.com:80.localhost` and
 * `evil.com#.localhost` are no hosts, instead of names that end in `.localhost`.
 */

import { isIPv6 } from 'node:net';
import { TailraceError } from '../model/error.ts';

/** A host with a port, taken apart. */
export interface Authority {
  /** In lower case, without the port; an IPv6 address has its brackets. */
  readonly host: string;
  /** Undefined where none is given. */
  readonly port: number | undefined;
}

/** Of RFC 3986, without the comma, by which proxies join two headers. */
const LABEL = "(?:[a-z0-9_~!$&'()*+;=-]|%[0-9a-f]{2})+";
const AUTHORITY = new RegExp(`^(${LABEL}(?:\\.${LABEL})*\\.?|\\[[^\\]]*\\])(?::(\\d{0,5}))?$`);
const PORT_MAX = 65_535;

/** Undefined for what is no host with an optional port. */
export function parseAuthority(text: string): Authority | undefined {
  const [, host, digits = ''] = AUTHORITY.exec(text.toLowerCase()) ?? [];
  if (host === undefined || (host.startsWith('[') && !isIPv6(host.slice(1, -1)))) return undefined;
  const port = digits === '' ? undefined : Number(digits);
  return port !== undefined && port > PORT_MAX ? undefined : { host, port };
}

/** The headers of a request as they came, names and values in turn, besides those that are parsed. */
export interface HostHeaders {
  readonly headers: { readonly host?: string | undefined };
  readonly rawHeaders: readonly string[];
}

/** Nearly all requests of a server name the same one. */
let lastLegalHost = '';

/**
 * Checks that a request names its host once, and legally. None at all is legal, and so is an empty one (RFC 9110,
 * section 7.2).
 * @throws TailraceError `bad_header`
 */
export function expectLegalHost({ headers: { host = '' }, rawHeaders }: HostHeaders): void {
  if (host !== '' && host !== lastLegalHost) {
    if (parseAuthority(host) === undefined) {
      throw new TailraceError(
        'bad_header',
        `the Host ${shown(host)} is malformed: send the name or address and the port`,
      );
    }
    lastLegalHost = host;
  }
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length !== HOST.length || name.toLowerCase() !== HOST) continue;
    count++;
    // Of HTTP/2, where `:authority` says it too.
    const isSame = rawHeaders[at + 1]?.toLowerCase() === host.toLowerCase();
    if (count > 1 || !isSame) throw new TailraceError('bad_header', 'the request names its Host twice: send one');
  }
}

const HOST = 'host';
const CHARS_SHOWN = 100;

function shown(host: string): string {
  return JSON.stringify(host.slice(0, CHARS_SHOWN));
}
