/** What the settings of a server say of its ports: TLS, URLs, and who can reach them. */

import { isLoopback } from './access/loopback.ts';
import type { Config } from './config.ts';
import type { TlsFiles } from './http/connection/tls.ts';
import { TailraceError } from './model/error.ts';
import type { Logger } from './observe/logger.ts';

/** Undefined without TLS. The settings make sure that both files are given, or neither. */
export function tlsOf({ tlsCert, tlsKey }: Config): TlsFiles | undefined {
  return tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey };
}

/** The files that are read again: those of the settings, or others. @throws TailraceError `config` without TLS */
export function tlsToReload(config: Config, others: TlsFiles | undefined): TlsFiles {
  const own = tlsOf(config);
  if (own !== undefined) return others ?? own;
  throw new TailraceError('config', 'this server runs without TLS: start it with --tls-cert and --tls-key');
}

/** The URL of a port that is open. */
export function urlOn(config: Config, host: string, port: number): string {
  return `${tlsOf(config) === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * To be called once the port is open: where the socket was passed, its address is known only then.
 * @throws TailraceError `config` for a server without tokens that others can reach
 */
export function checkHost(config: Config, host: string, logger: Logger): void {
  if (isLoopback(host)) return;
  if (config.noAuth) {
    throw new TailraceError('config', `--no-auth works on loopback addresses only, and the socket is on ${host}`);
  }
  if (tlsOf(config) !== undefined) return;
  logger.warn({ host }, 'tokens and data cross the network in the clear: see --tls-cert and --tls-key');
}
