/**
 * Every setting of the server, in one table: the options of `createServer`, the flags of `tailrace serve`, the
 * environment variables and the keys of a configuration file have the same names, units and defaults.
 */

import { z } from 'zod';
import { isLoopback } from './access/loopback.ts';
import { ANY_ORIGIN } from './access/origins.ts';
import { TailraceError } from './model/error.ts';
import { EXCHANGE_TTL_MS, MEMORY_LIMIT_BYTES, OTLP_LIMITS, SHUTDOWN_TIMEOUT_MS } from './model/limits.ts';
import { LOG_FORMATS, LOG_LEVELS } from './observe/logger.ts';
import {
  clusterName,
  clusterPartitions,
  clusterReplicas,
  monitorUrls,
  natsServers,
  nodeUrl,
} from './settings/cluster-kinds.ts';
import {
  ANY_PORT,
  basinName,
  byteSize,
  domain,
  duration,
  grpcPort,
  headerList,
  origins,
  telemetryTarget,
  toggle,
  trustedProxies,
  wholeNumber,
} from './settings/value-kinds.ts';

const ROOT_TOKEN_CHARS_MIN = 32;
const ROOT_TOKEN_FAULT = `must have at least ${ROOT_TOKEN_CHARS_MIN} characters`;
const DEFAULT_GRPC_PORT = 4317;
const WHEN_FULL = ['refuse', 'drop-oldest'] as const;

/**
 * The metadata of a setting: its flag (without dashes; none for secrets, which would show in `ps`) and its variable.
 */
interface Meta {
  readonly flag?: string;
  readonly env: string;
  /** Placeholder of the flag's value in the help; a flag without one is a switch. */
  readonly value?: string;
  /** The flag may be given several times; the variable, or one flag, may hold several values with commas between. */
  readonly isRepeatable?: boolean;
  /** It names a file or a directory: in a configuration file a relative one starts at the folder of that file. */
  readonly isPath?: boolean;
  readonly description: string;
}

const fields = {
  host: field(z.string().min(1), '127.0.0.1', {
    flag: 'host',
    env: 'TAILRACE_HOST',
    value: 'address',
    description: 'address to listen on',
  }),
  port: field(wholeNumber(0, 65_535), 4318, {
    flag: 'port',
    env: 'TAILRACE_PORT',
    value: 'number',
    description: 'port for OTLP/HTTP, the S2 API and readers; 0 picks a free one',
  }),
  grpcPort: field(grpcPort(), DEFAULT_GRPC_PORT, {
    flag: 'grpc-port',
    env: 'TAILRACE_GRPC_PORT',
    value: 'number',
    description: `port for OTLP/gRPC; 0 turns it off, ${ANY_PORT} picks a free one, as --port 0 does for both`,
  }),
  dataDir: field(z.string().min(1), 'data', {
    flag: 'data-dir',
    env: 'TAILRACE_DATA_DIR',
    value: 'path',
    isPath: true,
    description: 'directory that holds the store',
  }),
  tlsCert: field(z.string().min(1).optional(), undefined, {
    flag: 'tls-cert',
    env: 'TAILRACE_TLS_CERT',
    value: 'path',
    isPath: true,
    description: 'PEM file with the certificate and its chain; with --tls-key the port speaks TLS',
  }),
  tlsKey: field(z.string().min(1).optional(), undefined, {
    flag: 'tls-key',
    env: 'TAILRACE_TLS_KEY',
    value: 'path',
    isPath: true,
    description: "PEM file with the certificate's private key",
  }),
  rootTokenFile: field(z.string().min(1).optional(), undefined, {
    flag: 'root-token-file',
    env: 'TAILRACE_ROOT_TOKEN_FILE',
    value: 'path',
    isPath: true,
    description: 'file with the root token; without it one is made on the first start',
  }),
  rootToken: field(z.string().min(ROOT_TOKEN_CHARS_MIN, ROOT_TOKEN_FAULT).optional(), undefined, {
    env: 'TAILRACE_ROOT_TOKEN',
    description: `the root token itself, at least ${ROOT_TOKEN_CHARS_MIN} characters`,
  }),
  noAuth: field(toggle(), false, {
    flag: 'no-auth',
    env: 'TAILRACE_NO_AUTH',
    description: 'take calls without a token; only on a loopback address',
  }),
  corsOrigin: field(origins().optional(), undefined, {
    flag: 'cors-origin',
    env: 'TAILRACE_CORS_ORIGIN',
    value: 'origin',
    isRepeatable: true,
    description: 'web origin whose pages may call the server, such as https://app.example; * for any (repeatable)',
  }),
  trustProxy: field(trustedProxies().optional(), undefined, {
    flag: 'trust-proxy',
    env: 'TAILRACE_TRUST_PROXY',
    value: 'who',
    isRepeatable: true,
    description: 'proxies whose X-Forwarded-For counts, such as 10.0.0.0/8, or how many are in a row (repeatable)',
  }),
  exchangeTtl: field(duration(60_000), EXCHANGE_TTL_MS, {
    flag: 'exchange-ttl',
    env: 'TAILRACE_EXCHANGE_TTL',
    value: 'duration',
    description: 'how long a short-lived token of the exchange lives, from 1m to 60m',
  }),
  defaultBasin: field(basinName(), 'telemetry', {
    flag: 'default-basin',
    env: 'TAILRACE_DEFAULT_BASIN',
    value: 'name',
    description: 'basin of requests that name none; made when missing',
  }),
  basinHostSuffix: field(domain().optional(), undefined, {
    flag: 'basin-host-suffix',
    env: 'TAILRACE_BASIN_HOST_SUFFIX',
    value: 'domain',
    description: 'domain whose host names choose a basin, <basin>.domain, as <basin>.localhost always does',
  }),
  defaultStream: field(z.string(), '{service.name}', {
    flag: 'default-stream',
    env: 'TAILRACE_DEFAULT_STREAM',
    value: 'template',
    description: 'stream of OTLP data without s2.stream in the default basin; empty refuses such data',
  }),
  memoryLimit: field(byteSize(16 * 1024 * 1024), MEMORY_LIMIT_BYTES, {
    flag: 'memory-limit',
    env: 'TAILRACE_MEMORY_LIMIT',
    value: 'bytes',
    description: 'bytes of requests in flight, such as 512MiB; beyond it senders are told to wait',
  }),
  storeBytesMax: field(byteSize(1).optional(), undefined, {
    flag: 'store-bytes-max',
    env: 'TAILRACE_STORE_BYTES_MAX',
    value: 'bytes',
    description: 'cap on the store; without it the disk is the limit',
  }),
  whenFull: field(z.enum(WHEN_FULL), 'refuse', {
    flag: 'when-full',
    env: 'TAILRACE_WHEN_FULL',
    value: 'what',
    description: `what a full store does, ${WHEN_FULL.join(' or ')}: refuse new records, or delete the oldest`,
  }),
  cluster: field(natsServers().optional(), undefined, {
    flag: 'cluster',
    env: 'TAILRACE_CLUSTER',
    value: 'urls',
    isRepeatable: true,
    description:
      'servers of NATS whose JetStream carries a cluster of Tailrace nodes, such as nats://a:4222 (repeatable)',
  }),
  clusterName: field(clusterName(), 'tailrace', {
    flag: 'cluster-name',
    env: 'TAILRACE_CLUSTER_NAME',
    value: 'name',
    description: 'name of the cluster; several may share the servers of NATS',
  }),
  nodeUrl: field(nodeUrl().optional(), undefined, {
    flag: 'node-url',
    env: 'TAILRACE_NODE_URL',
    value: 'url',
    description: 'URL at which the other nodes of the cluster reach this one, such as http://10.0.0.7:4318',
  }),
  nodeGrpcUrl: field(nodeUrl().optional(), undefined, {
    flag: 'node-grpc-url',
    env: 'TAILRACE_NODE_GRPC_URL',
    value: 'url',
    description: 'the same for OTLP/gRPC; without it the host of --node-url with the port of --grpc-port',
  }),
  clusterReplicas: field(clusterReplicas(), 3, {
    flag: 'cluster-replicas',
    env: 'TAILRACE_CLUSTER_REPLICAS',
    value: 'number',
    description: 'copies of the log that JetStream keeps: 3 or 5; 1 survives the loss of no server',
  }),
  clusterPartitions: field(clusterPartitions(), 1, {
    flag: 'cluster-partitions',
    env: 'TAILRACE_CLUSTER_PARTITIONS',
    value: 'number',
    description: 'parts over which basins are spread, the same on all nodes; it may be raised later, never lowered',
  }),
  clusterCredentials: field(z.string().min(1).optional(), undefined, {
    flag: 'cluster-credentials',
    env: 'TAILRACE_CLUSTER_CREDENTIALS',
    value: 'path',
    isPath: true,
    description: 'credentials file of NATS (.creds)',
  }),
  clusterCa: field(z.string().min(1).optional(), undefined, {
    flag: 'cluster-ca',
    env: 'TAILRACE_CLUSTER_CA',
    value: 'path',
    isPath: true,
    description: 'PEM file with the certificates by which those of NATS and of the other nodes are judged',
  }),
  clusterMonitor: field(monitorUrls().optional(), undefined, {
    flag: 'cluster-monitor',
    env: 'TAILRACE_CLUSTER_MONITOR',
    value: 'urls',
    isRepeatable: true,
    description: 'monitoring URLs of the servers of NATS; without it port 8222 of their hosts (repeatable)',
  }),
  clusterUnsafeSync: field(toggle(), false, {
    flag: 'cluster-unsafe-sync',
    env: 'TAILRACE_CLUSTER_UNSAFE_SYNC',
    description: 'start although a server of NATS does not sync each write, or cannot be asked: data may be lost',
  }),
  initFile: field(z.string().min(1).optional(), undefined, {
    flag: 'init-file',
    env: 'TAILRACE_INIT_FILE',
    value: 'path',
    isPath: true,
    description:
      'JSON or YAML file with basins, streams and tokens that are made, or brought to what it says, at each start',
  }),
  wireBytesMax: field(byteSize(1), OTLP_LIMITS.wireBytesMax, {
    flag: 'wire-bytes-max',
    env: 'TAILRACE_WIRE_BYTES_MAX',
    value: 'bytes',
    description: 'largest OTLP body as it comes over the wire',
  }),
  bodyBytesMax: field(byteSize(1), OTLP_LIMITS.bodyBytesMax, {
    flag: 'body-bytes-max',
    env: 'TAILRACE_BODY_BYTES_MAX',
    value: 'bytes',
    description: 'largest OTLP body after decompression',
  }),
  requestRecordsMax: field(wholeNumber(1, 10_000_000), OTLP_LIMITS.requestRecordsMax, {
    flag: 'request-records-max',
    env: 'TAILRACE_REQUEST_RECORDS_MAX',
    value: 'number',
    description: 'most records in one OTLP request',
  }),
  logLevel: field(z.enum(LOG_LEVELS), 'info', {
    flag: 'log-level',
    env: 'TAILRACE_LOG_LEVEL',
    value: 'level',
    description: `one of ${LOG_LEVELS.join(', ')}`,
  }),
  logFormat: field(z.enum(LOG_FORMATS), 'auto', {
    flag: 'log-format',
    env: 'TAILRACE_LOG_FORMAT',
    value: 'format',
    description: `form of log lines: ${LOG_FORMATS.join(', ')}; auto is text on a terminal and json elsewhere`,
  }),
  selfTelemetry: field(telemetryTarget().optional(), undefined, {
    flag: 'self-telemetry',
    env: 'TAILRACE_SELF_TELEMETRY',
    value: 'target',
    description: "where the server's own metrics and spans go: self (stream tailrace/self), or an OTLP/HTTP endpoint",
  }),
  selfTelemetryHeaders: field(headerList().optional(), undefined, {
    env: 'TAILRACE_SELF_TELEMETRY_HEADERS',
    description: 'headers for that endpoint, such as Authorization=Bearer%20…',
  }),
  shutdownTimeout: field(duration(), SHUTDOWN_TIMEOUT_MS, {
    flag: 'shutdown-timeout',
    env: 'TAILRACE_SHUTDOWN_TIMEOUT',
    value: 'duration',
    description: 'time to finish what is in flight when stopping, such as 10s',
  }),
  allowNetworkFs: field(toggle(), false, {
    flag: 'allow-network-fs',
    env: 'TAILRACE_ALLOW_NETWORK_FS',
    description: 'open a store on a network file system, where it may be damaged',
  }),
};

const schema = z
  .strictObject({
    ...fields,
    /** What an init file says, in the place of one. It has no flag, because it is no text. */
    init: z.record(z.string(), z.unknown()).readonly().optional(),
  })
  .check(contradictions);

/** What the schema takes: `ServerOptions`, as a test makes sure. */
export type ConfigInput = z.input<typeof schema>;
/** The same, checked and complete; sizes and durations are numbers of bytes and milliseconds. */
export type Config = z.output<typeof schema>;

/** One setting, for code that builds flags or documentation. */
export interface Setting extends Meta {
  readonly key: keyof typeof fields;
  readonly default: string | number | boolean | undefined;
}

export const SETTINGS: readonly Setting[] = Object.entries(fields).map(([key, type]) => ({
  ...(type.meta() as unknown as Meta),
  key: key as Setting['key'],
  default: type.parse(undefined) as Setting['default'],
}));

/** What each setting takes, for a configuration file and its JSON Schema. */
export const SETTING_TYPES: Readonly<Record<Setting['key'], z.ZodType>> = fields;

/** Where the value of a setting came from, when it is not the default. */
export type SettingOrigin =
  | { readonly from: 'flag' | 'environment'; readonly name: string }
  | { readonly from: 'file'; readonly name: string; readonly line: number };

/** By the keys of settings. */
export type SettingOrigins = ReadonlyMap<string, SettingOrigin>;

/**
 * Checks options and fills in the defaults.
 * @throws TailraceError `config` that names every wrong setting by its flag and its variable, or its place in a file.
 */
export function parseConfig(options: unknown, origins?: SettingOrigins): Config {
  const parsed = schema.safeParse(options);
  if (parsed.success) return withGrpcPort(parsed.data, options);
  throw new TailraceError('config', parsed.error.issues.map((issue) => describeIssue(issue, origins)).join('; '));
}

/** Who takes any port wants no conflict: neither over this one. */
function withGrpcPort(config: Config, options: unknown): Config {
  const isGiven = (options as { readonly grpcPort?: unknown } | undefined)?.grpcPort !== undefined;
  return config.port === 0 && !isGiven ? { ...config, grpcPort: ANY_PORT } : config;
}

function field<T extends z.ZodType>(type: T, standard: unknown, meta: Meta) {
  return type
    .default(standard as z.core.util.NoUndefined<z.output<T>>)
    .meta(meta as unknown as Record<string, unknown>);
}

function contradictions(context: z.core.ParsePayload): void {
  const config = context.value as Config;
  const refuse = (path: string, message: string): void => {
    context.issues.push({ code: 'custom', message, path: [path], input: config });
  };
  if (config.noAuth && !isLoopback(config.host)) {
    refuse('noAuth', `is refused on ${config.host}: without tokens only a loopback address such as 127.0.0.1 is safe`);
  }
  if (config.noAuth && config.corsOrigin?.includes(ANY_ORIGIN) === true) {
    refuse(
      'corsOrigin',
      `${ANY_ORIGIN} is refused with --no-auth: without tokens any web page could read and write here`,
    );
  }
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined)) {
    const [missing, given] = config.tlsCert === undefined ? ['tlsCert', 'tls-key'] : ['tlsKey', 'tls-cert'];
    refuse(missing, `is missing: TLS takes both, and --${given} is given`);
  }
  if (config.rootToken !== undefined && config.rootTokenFile !== undefined) {
    refuse('rootToken', 'and a root token file are both given: use one of them');
  }
  if (config.cluster !== undefined && config.nodeUrl === undefined) {
    refuse('nodeUrl', 'is missing: the other nodes of a cluster must reach this one');
  }
  if (config.cluster === undefined && config.nodeUrl !== undefined) {
    refuse('cluster', 'is missing: a node URL belongs to a node of a cluster');
  }
  if (config.init !== undefined && config.initFile !== undefined) {
    refuse('initFile', 'and init are both given: use one of them');
  }
}

function describeIssue(issue: z.core.$ZodIssue, origins: SettingOrigins | undefined): string {
  if (issue.code === 'unrecognized_keys') return `unknown setting ${issue.keys.join(', ')}`;
  const key = String(issue.path[0] ?? '');
  const setting = SETTINGS.find((candidate) => candidate.key === key);
  if (setting === undefined) return key === 'init' ? `init ${issue.message}` : issue.message;
  return `${placeOf(setting, origins?.get(key))} ${issue.message}`;
}

function placeOf({ key, flag, env }: Setting, origin: SettingOrigin | undefined): string {
  if (origin?.from === 'file') return `${fileKey(key)} (${origin.name}:${origin.line})`;
  return flag === undefined ? env : `--${flag} (${env})`;
}

/** The name of a setting in a configuration file: the words of its key with underscores, as S2 writes names. */
export function fileKey(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
