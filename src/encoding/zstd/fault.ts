/** What is said of zstd data that is none. */

import { TailraceError } from '../../model/error.ts';

/** An error with code `bad_frame`. */
export function damaged(what: string): TailraceError {
  return new TailraceError('bad_frame', `the zstd data is damaged: ${what}`);
}
