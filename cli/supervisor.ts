/**
 * Tells what supervises `serve` (systemd, or what speaks its protocol) that the server is ready, alive or stopping:
 * sd_notify(3). The socket for that is a Unix datagram socket, which Node cannot open, so systemd's own program sends
 * each message. It is a process of its own: the unit needs `NotifyAccess=all`.
 */

import { execFile } from 'node:child_process';
import type { Logger } from '../src/observe/logger.ts';

export interface Supervisor {
  /** The server takes requests. From now on the supervisor also learns that it is alive, where it wants to know. */
  ready(status: string): void;
  /** It has begun to stop, and may take its time. */
  stopping(): void;
  /** Ends what `ready` began. */
  close(): void;
}

interface SupervisorParts {
  /** With the variables of sd_notify(3). */
  readonly env: Env;
  readonly logger: Logger;
  readonly pid: number;
  /** Whether the server does its work; one that does not is restarted by its supervisor. */
  isAlive(): Promise<boolean>;
}

type Env = Readonly<Record<string, string | undefined>>;

const PROGRAM = 'systemd-notify';
/** The program waits until the supervisor has read the message, itself for 5 s at most. */
const SEND_MS_MAX = 10_000;

/** Undefined when none wants to be told. */
export function supervisorOf(parts: SupervisorParts): Supervisor | undefined {
  const { env, pid } = parts;
  if (env.NOTIFY_SOCKET === undefined || env.NOTIFY_SOCKET === '') return undefined;
  return new NotifiedSupervisor(aliveEveryMs(env, pid), parts);
}

/** Twice as often as the supervisor asks for: WATCHDOG_USEC of sd_watchdog_enabled(3). Undefined when it does not ask us. */
export function aliveEveryMs({ WATCHDOG_USEC: usec, WATCHDOG_PID: meant }: Env, pid: number): number | undefined {
  if (usec === undefined || !/^[1-9]\d*$/.test(usec)) return undefined;
  if (meant !== undefined && meant !== String(pid)) return undefined;
  return Math.max(1, Math.floor(Number(usec) / 2_000));
}

class NotifiedSupervisor implements Supervisor {
  readonly #aliveMs: number | undefined;
  readonly #parts: SupervisorParts;
  #timer: NodeJS.Timeout | undefined;
  #isSending = false;

  constructor(aliveMs: number | undefined, parts: SupervisorParts) {
    this.#aliveMs = aliveMs;
    this.#parts = parts;
  }

  ready(status: string): void {
    this.#send(['READY=1', `STATUS=${status}`]);
    if (this.#aliveMs === undefined) return;
    this.#timer = setInterval(() => void this.#tellAlive(), this.#aliveMs);
    this.#timer.unref();
  }

  stopping(): void {
    this.#send(['STOPPING=1', 'STATUS=stopping: finishing what is under way']);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #tellAlive(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    // A store that cannot be asked is not alive.
    const isAlive = await this.#parts.isAlive().catch(() => false);
    if (isAlive) this.#send(['WATCHDOG=1'], () => (this.#isSending = false));
    else this.#isSending = false;
  }

  #send(message: readonly string[], then: () => void = () => {}): void {
    const { env, logger } = this.#parts;
    execFile(PROGRAM, [...message], { env, timeout: SEND_MS_MAX }, (error) => {
      then();
      if (error !== null) logger.warn({ reason: reasonOf(error), message: message[0] }, NOT_TOLD);
    });
  }
}

const NOT_TOLD = `the supervisor could not be told: NOTIFY_SOCKET is set, which needs the program ${PROGRAM} of systemd; without it use Type=exec`;

function reasonOf({ code, message }: { readonly code?: unknown; readonly message: string }): string {
  return code === 'ENOENT' ? 'there is no such program on the PATH' : message.trim();
}
