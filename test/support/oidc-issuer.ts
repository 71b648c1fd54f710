/** An outside issuer of tokens on a port of this machine: keys, a key set at a URL, and tokens signed with the keys. */

import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export interface IssuerKey {
  readonly alg: string;
  readonly privateKey: CryptoKey;
  /** The public key. */
  readonly jwk: JWK;
}

/** A key of its own, with an id unless that is undefined. */
export async function makeKey(kid: string | undefined, alg = 'ES256'): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), ...(kid === undefined ? {} : { kid }) } };
}

/** A token signed with a key; claims that are undefined are left out. */
export function signed(key: IssuerKey, claims: Readonly<Record<string, unknown>>, head: object = {}): Promise<string> {
  const { kid } = key.jwk;
  const payload = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)) as JWTPayload;
  const header = { alg: key.alg, typ: 'JWT', ...(kid === undefined ? {} : { kid }), ...head };
  return new SignJWT(payload).setProtectedHeader(header).sign(key.privateKey);
}

export class TestIssuer {
  /** The key set that it publishes. */
  keys: readonly IssuerKey[] = [];
  /** Replaces the key set as the response. */
  answer: RequestListener | undefined;
  /** How often the key set was requested. */
  asked = 0;
  #server: Server | undefined;
  #port = 0;

  /** Publishes this key at first. */
  static async start(key: IssuerKey): Promise<TestIssuer> {
    const issuer = new TestIssuer();
    issuer.keys = [key];
    await issuer.listen();
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get jwksUri(): string {
    return `${this.url}/keys`;
  }

  /** The config of a basin that trusts this issuer. */
  trustedFor(audience: string) {
    return { issuer: this.url, jwks_uri: this.jwksUri, audience };
  }

  /** Listens on the previous port, if there was one. */
  async listen(): Promise<void> {
    this.#server = createServer((request, response) => {
      this.asked++;
      if (this.answer !== undefined) this.answer(request, response);
      else response.end(JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}
