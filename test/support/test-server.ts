/** What a test starts a server with, and what it gets. */

export interface ServerSetup {
  /** Kept when given; otherwise a temporary one, removed by `stop` and by `kill`. */
  readonly dataDir?: string;
  /** Flags after `serve`, free ports and `--data-dir …`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program that takes the same arguments and prints the same first line. */
  readonly main?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface TestServer {
  /** `http://127.0.0.1:PORT`, or `https:` with TLS */
  readonly url: string;
  readonly port: number;
  /** Where OTLP/gRPC goes; undefined where it is off. */
  readonly grpcUrl: string | undefined;
  /** The root token; empty with `--no-auth`. */
  readonly token: string;
  readonly dataDir: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stdout(): string;
  stderr(): string;
  /** Sends a signal (SIGTERM) and waits until the process is gone; it must have left no secret. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
  /** kill -9, with the same check of what is left. */
  kill(): Promise<void>;
}
