/** A server as programs that embed it see it: ports to open and to close, and nothing of what is below. */

export interface TailraceServer {
  /**
   * Opens the ports; instead of that for HTTP it takes the listening socket of this file descriptor.
   * @throws TailraceError `port_taken` naming the flag, `config` for an address of another machine
   */
  listen(fd?: number): Promise<ServerAddress>;
  /** Where it listens; undefined until it does. */
  readonly address: ServerAddress | undefined;
  /** The facts for a banner. */
  describe(): Promise<ServerDescription>;
  /**
   * A secret that signs in to the web page once, within 60 seconds, as the root token: put it behind the address as
   * `#login=…`, and keep it out of logs. Undefined without authentication.
   */
  issueLogin(): string | undefined;
  /**
   * Reads the TLS certificate and its key again, or others in their place. Connections go on, new ones get the new one.
   * @throws TailraceError `config` when they cannot be used, and then the old ones stay, or when there is no TLS
   */
  reloadTls(files?: { readonly cert: string; readonly key: string }): void;
  /**
   * Takes no more requests, finishes those under way, tells readers, closes the store. Connections that are still open
   * at the end of the shutdown timeout are cut. May be called twice.
   */
  close(): Promise<void>;
}

/** For a supervisor: whether it goes on without a restart. */
export interface SupervisedServer extends TailraceServer {
  isAlive(): Promise<boolean>;
}

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** `http://HOST:PORT`, or `https:` with TLS */
  readonly url: string;
  /** Where OTLP/gRPC goes, on the same host; undefined where it is off. */
  readonly grpc: { readonly port: number; readonly url: string } | undefined;
}

export interface ServerDescription {
  /** Absolute. */
  readonly dataDir: string;
  /** Whether this start made the store. */
  readonly isNew: boolean;
  /** Undefined while another node of its cluster leads, or none. */
  readonly streams: number | undefined;
  /** Bytes of the store in use. */
  readonly bytes: number;
  /** Undefined without authentication. */
  readonly rootToken: DescribedRootToken | undefined;
  /** What it is a node of; not there for a server by itself. The node that leads is not known at once. */
  readonly cluster?: { readonly name: string; readonly leader: string | undefined };
}

export interface DescribedRootToken {
  /** The secret, only if it was made by this start: it is shown once. */
  readonly made: string | undefined;
  /** The file with the secret, if the server knows of one. */
  readonly file: string | undefined;
}
