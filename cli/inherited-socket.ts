/** The listening socket that a supervisor passes (systemd's socket activation): it stays open while the server restarts. */

import { TailraceError } from '../src/model/error.ts';

/** Where systemd's protocol begins to number the descriptors that it passes: sd_listen_fds(3). */
const FIRST_FD = 3;

/**
 * The descriptor of the socket that was passed to the process `pid`; undefined when none was.
 * @throws TailraceError `config` when there are several
 */
export function inheritedSocket(env: Readonly<Record<string, string | undefined>>, pid: number): number | undefined {
  const { LISTEN_FDS: count, LISTEN_PID: meant } = env;
  // The variables of a parent that was activated are not meant for us.
  if (count === undefined || meant !== String(pid)) return undefined;
  if (count === '1') return FIRST_FD;
  throw new TailraceError(
    'config',
    `LISTEN_FDS is ${JSON.stringify(count)}, must be 1: the server takes one socket, so set one ListenStream`,
  );
}
