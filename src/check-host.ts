/** What the address that a server listens on means for who can read and call it. */

import { isLoopback } from './access/loopback.ts';
import type { Config } from './config.ts';
import { TailraceError } from './model/error.ts';
import type { Logger } from './observe/logger.ts';

/**
 * To be called once the port is open: where the socket was passed, its address is known only then.
 * @throws TailraceError `config` for a server without tokens that others can reach
 */
export function checkHost({ noAuth, tlsCert }: Config, host: string, logger: Logger): void {
  if (isLoopback(host)) return;
  if (noAuth) {
    throw new TailraceError('config', `--no-auth works on loopback addresses only, and the socket is on ${host}`);
  }
  if (tlsCert !== undefined) return;
  logger.warn({ host }, 'tokens and data cross the network in the clear: see --tls-cert and --tls-key');
}
