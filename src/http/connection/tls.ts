/**
 * TLS in front of the port: handshakes, and a certificate that is read again when its files change, so that it can be
 * renewed without a restart.
 */

import { readFileSync, type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type Server, type TLSSocket } from 'node:tls';
import type { Clock } from '../../model/clock.ts';
import { TailraceError } from '../../model/error.ts';
import { HEADERS_TIMEOUT_MS } from '../../model/limits.ts';
import type { Logger } from '../../observe/logger.ts';

/** PEM files: the certificate with its chain, and its private key. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

const LOOK_MS = 1_000;

/** Lives from the constructor to `close`. */
export class Tls {
  readonly #server: Server;
  #files: TlsFiles;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Stamps of the files in use, and of those at the last look. */
  #loaded: string;
  #seen: string;
  #cancel: () => void = () => {};
  #isClosed = false;

  /** @throws TailraceError `config` when the files cannot be used */
  constructor(files: TlsFiles, deps: { clock: Clock; logger: Logger }, secured: (socket: TLSSocket) => void) {
    this.#files = files;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#loaded = this.#seen = stampsOf(files);
    const material = usable(files);
    this.#server = createServer({
      ...material,
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: HEADERS_TIMEOUT_MS,
    });
    this.#server.on('secureConnection', secured);
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#schedule();
  }

  /** Begins a handshake on a connection. */
  take(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  /**
   * Reads certificate and key now, also from other files, which it looks at from then on. Connections go on.
   * @throws TailraceError `config` when they cannot be used; then nothing changes
   */
  reload(files: TlsFiles): void {
    const stamps = stampsOf(files);
    this.#server.setSecureContext(usable(files));
    this.#files = files;
    this.#loaded = this.#seen = stamps;
  }

  /** Stops looking at the files. */
  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  #schedule(): void {
    this.#cancel = this.#clock.timer(LOOK_MS, () => void this.#look());
  }

  /** Files that were just changed may be half written: they are read once they are the same at two looks. */
  async #look(): Promise<void> {
    const { cert, key } = this.#files;
    const stats = await Promise.all([cert, key].map((path) => stat(path).catch(() => undefined)));
    if (this.#isClosed) return;
    // Others have taken their place meanwhile.
    if (cert !== this.#files.cert || key !== this.#files.key) return this.#schedule();
    const stamp = stats.map(stampOf).join();
    if (stamp !== this.#loaded && stamp === this.#seen) {
      this.#loaded = stamp;
      this.#reloadChanged();
    }
    this.#seen = stamp;
    this.#schedule();
  }

  #reloadChanged(): void {
    try {
      this.#server.setSecureContext(usable(this.#files));
      this.#logger.info({ cert: this.#files.cert }, 'took over the new TLS certificate');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.warn(
        { cert: this.#files.cert },
        `the new TLS certificate is not used, the old one stays: ${reason}`,
      );
    }
  }
}

/** The content of both files, which are known to fit together. @throws TailraceError `config` */
function usable(files: TlsFiles): { cert: Buffer; key: Buffer } {
  try {
    const material = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
    createSecureContext(material);
    return material;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TailraceError(
      'config',
      `--tls-cert (TAILRACE_TLS_CERT) and --tls-key (TAILRACE_TLS_KEY) cannot be used: ${reason}`,
      { cause },
    );
  }
}

function stampsOf({ cert, key }: TlsFiles): string {
  return [cert, key].map((path) => stampOf(statSync(path, QUIETLY))).join();
}

const QUIETLY = { throwIfNoEntry: false } as const;

/** A text that changes whenever the file is changed or replaced. */
function stampOf(stats: Stats | undefined): string {
  return stats === undefined ? 'missing' : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
}
