/**
 * By what requests are known that carry the telemetry of a Tailrace. Such a request makes no telemetry of its own: two
 * servers that watch each other, or one that watches itself, would never be silent.
 */

import { VERSION } from '../../model/version.ts';

const NAME = 'tailrace-self-telemetry';

/** The User-Agent of those requests, whichever server sends them. */
export const SELF_AGENT = `${NAME}/${VERSION}`;
/** The header that shows that they are from this very server: whoever does not know its value cannot hide behind it. */
export const SELF_HEADER = 'self-telemetry-of';

/** Whether a request carries the telemetry of some Tailrace. */
export function isSelfAgent(userAgent: string | undefined): boolean {
  return userAgent?.startsWith(`${NAME}/`) === true;
}
