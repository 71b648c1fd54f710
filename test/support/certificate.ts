/** Self-signed certificates for 127.0.0.1 and localhost, made by openssl. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** Paths of the PEM files. */
  readonly cert: string;
  readonly key: string;
  /** The CA certificate that a client trusts. */
  readonly ca: string;
}

export const HAS_OPENSSL = spawnSync('openssl', ['version']).status === 0;

/** Writes `<name>.cert.pem` and `<name>.key.pem`; the name is the certificate's common name too. */
export function makeCertificate(dir: string, name: string): Certificate {
  const cert = join(dir, `${name}.cert.pem`);
  const key = join(dir, `${name}.key.pem`);
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const { status, stderr } = spawnSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert]);
  if (status !== 0) throw new Error(`openssl failed: ${stderr}`);
  return { cert, key, ca: readFileSync(cert, 'utf8') };
}
