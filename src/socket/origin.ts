/** Whether a page may open a reader: pages of this very host, and of the configured origins (access.md, Browsers). */

import type { IncomingMessage } from 'node:http';
import type { Origins } from '../access/origins.ts';

/** True without an Origin: then it is no browser. */
export function isOriginAllowed(request: IncomingMessage, origins: Origins): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  if (origins.allows(origin)) return true;
  const from = URL.canParse(origin) ? new URL(origin) : undefined;
  if (from === undefined || (from.protocol !== 'http:' && from.protocol !== 'https:')) return false;
  // Parsed with the scheme of the origin, so that a port that is the scheme's own may be left out on either side.
  const own = `${from.protocol}//${host ?? ''}`;
  return host !== undefined && URL.canParse(own) && new URL(own).host === from.host;
}
