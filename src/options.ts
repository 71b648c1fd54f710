/**
 * The settings as programs pass them to `createServer` and `openTailrace`. Their checks, defaults and names as flags
 * and environment variables are in `config.ts`, whose schema takes exactly these.
 */

/** All optional; sizes and durations are numbers (bytes, ms) or text (`512MiB`, `10s`). */
export interface ServerOptions {
  /** Address to listen on; the default is 127.0.0.1. */
  readonly host?: string | undefined;
  /** The default is 4318; 0 picks a free one. */
  readonly port?: number | string | undefined;
  /** For OTLP/gRPC; the default is 4317, or any free one when `port` is 0. 0 turns it off, `auto` picks a free one. */
  readonly grpcPort?: number | string | undefined;
  /** Directory that holds the store; the default is `data`. */
  readonly dataDir?: string | undefined;
  /** PEM file with the certificate and its chain; with `tlsKey` the port speaks TLS. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** File with the root token; without it one is made on the first start. */
  readonly rootTokenFile?: string | undefined;
  /** The root token itself, at least 32 characters. */
  readonly rootToken?: string | undefined;
  /** Take calls without a token; only on a loopback address. */
  readonly noAuth?: boolean | string | undefined;
  /** Web origins whose pages may call the server; `*` for any. */
  readonly corsOrigin?: string | readonly string[] | undefined;
  /** Proxies whose `X-Forwarded-For` counts: their addresses and networks, or how many there are in a row. */
  readonly trustProxy?: number | string | readonly string[] | undefined;
  /** How long a short-lived token of the exchange lives, from 1m to 60m. */
  readonly exchangeTtl?: number | string | undefined;
  /** Basin of requests that name none; made when missing. The default is `telemetry`. */
  readonly defaultBasin?: string | undefined;
  /** Domain whose host names choose a basin: `<basin>.domain`, as `<basin>.localhost` always does. */
  readonly basinHostSuffix?: string | undefined;
  /** Stream of OTLP data without `s2.stream` in the default basin; the default is `{service.name}`. */
  readonly defaultStream?: string | undefined;
  /** Bytes of requests in flight; beyond it senders are told to wait. */
  readonly memoryLimit?: number | string | undefined;
  /** Cap on the store; without it the disk is the limit. */
  readonly storeBytesMax?: number | string | undefined;
  /** What a full store does; the default is `refuse`. */
  readonly whenFull?: 'refuse' | 'drop-oldest' | undefined;
  /** Servers of NATS whose JetStream carries a cluster of nodes; the others of these settings then count. */
  readonly cluster?: string | readonly string[] | undefined;
  /** The default is `tailrace`. */
  readonly clusterName?: string | undefined;
  /** Where the other nodes reach this one: its HTTP port, and that of gRPC. */
  readonly nodeUrl?: string | undefined;
  readonly nodeGrpcUrl?: string | undefined;
  /** Copies of the log that JetStream keeps; the default is 3. */
  readonly clusterReplicas?: number | string | undefined;
  /** Parts over which the basins of the cluster are spread, the same on all nodes; it may be raised later, never lowered. */
  readonly clusterPartitions?: number | string | undefined;
  /** Credentials file of NATS. */
  readonly clusterCredentials?: string | undefined;
  /** PEM file with the certificates by which those of NATS and of the other nodes are judged. */
  readonly clusterCa?: string | undefined;
  /** Monitoring URLs of the servers of NATS; the default is port 8222 of their hosts. */
  readonly clusterMonitor?: string | readonly string[] | undefined;
  /** Start although a server of NATS does not sync each write, or cannot be asked. */
  readonly clusterUnsafeSync?: boolean | string | undefined;
  /** JSON or YAML file with basins, streams and tokens that are made, or brought to what it says, at each start. */
  readonly initFile?: string | undefined;
  /** What such a file says, in the place of one. A relative path in it starts at the working directory. */
  readonly init?: Readonly<Record<string, unknown>> | undefined;
  /** Largest OTLP body as it comes over the wire, and after decompression. */
  readonly wireBytesMax?: number | string | undefined;
  readonly bodyBytesMax?: number | string | undefined;
  /** Most records in one OTLP request. */
  readonly requestRecordsMax?: number | string | undefined;
  readonly logLevel?: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent' | undefined;
  /** Form of log lines; `auto`, the default, is `text` on a terminal and `json` elsewhere. */
  readonly logFormat?: 'auto' | 'json' | 'logfmt' | 'text' | undefined;
  /** Where the server's own metrics and spans go: `self`, or an OTLP/HTTP endpoint. */
  readonly selfTelemetry?: string | undefined;
  /** Headers for that endpoint: `name=value` with commas between, values percent-encoded. */
  readonly selfTelemetryHeaders?: string | Readonly<Record<string, string>> | undefined;
  /** Time to finish what is in flight when stopping. */
  readonly shutdownTimeout?: number | string | undefined;
  /** Open a store on a network file system, where it may be damaged. */
  readonly allowNetworkFs?: boolean | string | undefined;
}
