/**
 * Users of NATS with signed tokens, as `nsc` makes them: the configuration of a server, and a credentials file. Keys are
 * made by Node: the package that makes them in JavaScript takes seconds.
 */

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface NatsCredentials {
  /** Trusts one operator, who has an account beside that of the system. */
  readonly configuration: string;
  /** The text of a user's file. */
  readonly file: string;
  readonly seed: string;
}

interface Signer {
  readonly name: string;
  readonly seed: string;
  readonly key: KeyObject;
}

const PREFIXES = { operator: 14 << 3, account: 0, user: 20 << 3 };
const SEED_PREFIX = 18 << 3;
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export function makeNatsCredentials(): NatsCredentials {
  const [operator, account, system, user] = (['operator', 'account', 'account', 'user'] as const).map(newSigner);
  if (operator === undefined || account === undefined || system === undefined || user === undefined) throw new Error();
  const free = { subs: -1, data: -1, payload: -1 };
  const limits = { ...free, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true };
  const accounts = [account, system].map(
    (signer) => `${signer.name}: ${token(operator, signer, { type: 'account', version: 2, limits })}`,
  );
  const userToken = token(account, user, { type: 'user', version: 2, ...free });
  return {
    configuration: [
      `operator: ${token(operator, operator, { type: 'operator', version: 2 })}`,
      'resolver: MEMORY',
      `system_account: ${system.name}`,
      `resolver_preload: { ${accounts.join(', ')} }`,
    ].join('\n'),
    file: `${block('NATS USER JWT', userToken)}\n${block('USER NKEY SEED', user.seed)}`,
    seed: user.seed,
  };
}

function newSigner(kind: keyof typeof PREFIXES): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const prefix = PREFIXES[kind];
  const secret = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
  const open = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const seedPrefix = [SEED_PREFIX | (prefix >> 5), (prefix & 31) << 3];
  return {
    name: withChecksum(Buffer.from([prefix, ...open])),
    seed: withChecksum(Buffer.from([...seedPrefix, ...secret])),
    key: privateKey,
  };
}

function token(issuer: Signer, subject: Signer, nats: object): string {
  const claims = { jti: subject.name, iat: 1, iss: issuer.name, sub: subject.name, nats };
  const signed = `${encoded({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encoded(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), issuer.key).toString('base64url')}`;
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Base32 with a CRC-16 (XMODEM) behind the bytes. */
function withChecksum(bytes: Buffer): string {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  const bits = [...bytes, crc & 0xff, crc >> 8].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => LETTERS[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
}

function block(title: string, text: string): string {
  return `-----BEGIN ${title}-----\n${text}\n------END ${title}------\n`;
}
