/**
 * Requests that another node of a cluster has passed on. That node says who sent them, in the headers of proxies; anyone
 * can write these, so they count only beside the secret that the nodes share.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { TailraceError } from '../model/error.ts';
import { type Forwarded, type ForwardedReader, type ProxyHeaders, TrustedProxies } from './trusted-proxies.ts';

/** Shows the secret of the nodes: a request with it was passed on once. */
const SECRET_HEADER = 'x-forwarded-secret';
/** Headers about who sent a request. A node that passes it on writes them anew. */
export const SENDER_HEADERS: ReadonlySet<string> = new Set([
  ...[SECRET_HEADER, 'forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'],
]);

const SECRET_CHARS_MIN = 16;
/** The node that passed a request on is the only proxy whose word counts. */
const ONE_NODE = new TrustedProxies(1);

interface NodeHeaders extends ProxyHeaders {
  readonly [SECRET_HEADER]?: string | readonly string[] | undefined;
}

/** What a node tells of a request. */
type Told = { readonly [Key in keyof Forwarded]: Forwarded[Key] | undefined };

/** Never changes. */
export class NodeTrust implements ForwardedReader {
  readonly #secret: string;
  readonly #digest: Buffer;
  readonly #proxies: ForwardedReader | undefined;

  /**
   * `proxies` says who sent what no node has passed on.
   * @throws TailraceError `config` when the secret is too short, or no value of a header
   */
  constructor(secret: string, proxies?: ForwardedReader) {
    if (secret.length < SECRET_CHARS_MIN || !/^[!-~]+$/.test(secret)) {
      const form = `${SECRET_CHARS_MIN} or more printable characters of ASCII without spaces`;
      throw new TailraceError('config', `the secret of the nodes must be ${form}`);
    }
    this.#secret = secret;
    this.#digest = digestOf(secret);
    this.#proxies = proxies;
  }

  /** Whether a node that knows the secret has passed a request on. */
  isPassedOn({ [SECRET_HEADER]: shown }: NodeHeaders): boolean {
    return typeof shown === 'string' && timingSafeEqual(digestOf(shown), this.#digest);
  }

  read(peer: string | undefined, headers: NodeHeaders): Forwarded | undefined {
    return (this.isPassedOn(headers) ? ONE_NODE : this.#proxies)?.read(peer, headers);
  }

  /** The headers with which a node passes a request on. Without a sender, that is the node itself. */
  headersFor({ sender, scheme, host }: Told): Readonly<Record<string, string>> {
    return {
      [SECRET_HEADER]: this.#secret,
      ...(sender === undefined ? {} : { 'x-forwarded-for': sender }),
      ...(scheme === undefined ? {} : { 'x-forwarded-proto': scheme }),
      ...(host === undefined ? {} : { 'x-forwarded-host': host }),
    };
  }
}

/** Digests have one length, which a comparison in constant time needs. */
function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
