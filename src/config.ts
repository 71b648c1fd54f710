/**
 * Every setting of the server, in one table: the options of `createServer`, the flags of `tailrace serve` and the
 * environment variables have the same names, units and defaults.
 */

import { z } from 'zod';
import { isLoopback } from './access/loopback.ts';
import { ANY_ORIGIN, normalOrigin, originWithin } from './access/origins.ts';
import { TailraceError } from './model/error.ts';
import {
  BASIN_NAME_BYTES_MAX,
  EXCHANGE_TTL_MS,
  MEMORY_LIMIT_BYTES,
  OTLP_LIMITS,
  SHUTDOWN_TIMEOUT_MS,
} from './model/limits.ts';
import { basinNameFault } from './model/names.ts';
import { LOG_LEVELS } from './observe/logger.ts';

const ROOT_TOKEN_CHARS_MIN = 32;
/** In place of the number of the gRPC port, whose 0 turns it off. */
export const ANY_PORT = 'auto';
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
  readonly description: string;
}

const schema = z
  .strictObject({
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
      description: 'directory that holds the store',
    }),
    tlsCert: field(z.string().min(1).optional(), undefined, {
      flag: 'tls-cert',
      env: 'TAILRACE_TLS_CERT',
      value: 'path',
      description: 'PEM file with the certificate and its chain; with --tls-key the port speaks TLS',
    }),
    tlsKey: field(z.string().min(1).optional(), undefined, {
      flag: 'tls-key',
      env: 'TAILRACE_TLS_KEY',
      value: 'path',
      description: "PEM file with the certificate's private key",
    }),
    rootTokenFile: field(z.string().min(1).optional(), undefined, {
      flag: 'root-token-file',
      env: 'TAILRACE_ROOT_TOKEN_FILE',
      value: 'path',
      description: 'file with the root token; without it one is made on the first start',
    }),
    rootToken: field(z.string().min(ROOT_TOKEN_CHARS_MIN, rootTokenFault()).optional(), undefined, {
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
    exchangeTtl: field(duration(60_000), EXCHANGE_TTL_MS, {
      flag: 'exchange-ttl',
      env: 'TAILRACE_EXCHANGE_TTL',
      value: 'duration',
      description: 'how long a short-lived token of the exchange lives, from 1m to 60m',
    }),
    defaultBasin: field(z.string().check(basinName), 'telemetry', {
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
    initFile: field(z.string().min(1).optional(), undefined, {
      flag: 'init-file',
      env: 'TAILRACE_INIT_FILE',
      value: 'path',
      description: 'JSON file with basins, streams and tokens that are made, or brought to what it says, at each start',
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
  })
  .check(contradictions);

/** What the schema takes: `ServerOptions`, as a test makes sure. */
export type ConfigInput = z.input<typeof schema>;
/** The same, checked and complete; sizes and durations are numbers of bytes and milliseconds. */
export type Config = z.output<typeof schema>;

/** One setting, for code that builds flags or documentation. */
export interface Setting extends Meta {
  readonly key: keyof Config;
  readonly default: string | number | boolean | undefined;
}

export const SETTINGS: readonly Setting[] = Object.entries(schema.shape).map(([key, type]) => ({
  ...(type.meta() as unknown as Meta),
  key: key as keyof Config,
  default: type.parse(undefined) as Setting['default'],
}));

/**
 * Checks options and fills in the defaults.
 * @throws TailraceError `config` that names every wrong setting by its flag and its variable.
 */
export function parseConfig(options: unknown): Config {
  const parsed = schema.safeParse(options);
  if (parsed.success) return withGrpcPort(parsed.data, options);
  throw new TailraceError('config', parsed.error.issues.map(describeIssue).join('; '));
}

/**
 * A flag comes before the environment, and that before the default. `flags` has the keys of `ServerOptions`;
 * undefined means that the flag is not given.
 * @throws TailraceError `config`
 */
export function resolveConfig(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const given: Record<string, unknown> = Object.create(null);
  for (const setting of SETTINGS) {
    const value = env[setting.env];
    if (value === undefined || isServiceLink(value)) continue;
    // Shells unset a variable by making it empty; only for the template an empty value means something.
    if (value !== '' || setting.key === 'defaultStream') given[setting.key] = value;
  }
  for (const [key, value] of Object.entries(flags)) {
    if (value !== undefined) given[key] = value;
  }
  // A token file given by flag replaces a token from the environment: together they would contradict each other.
  if (flags.rootTokenFile !== undefined) delete given.rootToken;
  return parseConfig(given);
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

function wholeNumber(min: number, max: number) {
  return text(/^\d+$/, Number, `must be a whole number from ${min} to ${max}`, (n) => n >= min && n <= max);
}

function grpcPort() {
  const fault = `must be a whole number from 0 to 65535, or ${ANY_PORT}`;
  return z.union([z.literal(ANY_PORT), wholeNumber(0, 65_535)], fault);
}

const BYTE_UNITS = new Map([
  ['', 1],
  ['b', 1],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
]);

function byteSize(min: number) {
  const parse = (value: string): number => {
    const [, digits = '', unit = ''] = /^(\d+)\s*([a-z]*)$/i.exec(value) ?? [];
    return Number(digits) * (BYTE_UNITS.get(unit.toLowerCase()) ?? Number.NaN);
  };
  return text(/^\d+\s*[a-z]*$/i, parse, `must be a number of bytes such as 512MiB, at least ${min}`, (n) => n >= min);
}

const TIME_UNITS = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
]);

function duration(minMs = 0) {
  const parse = (value: string): number => {
    const [, digits = '', unit = 'ms'] = /^(\d+)\s*([a-z]+)?$/.exec(value) ?? [];
    return Number(digits) * (TIME_UNITS.get(unit) ?? Number.NaN);
  };
  const from = minMs === 0 ? '' : `at least ${minMs / 1_000}s and `;
  const fault = `must be a duration such as 10s or 500ms, ${from}at most 60m`;
  return text(/^\d+\s*[a-z]*$/, parse, fault, (n) => n >= minMs && n <= 3_600_000);
}

/** A number, or text for one. */
function text(shape: RegExp, parse: (value: string) => number, fault: string, good: (value: number) => boolean) {
  return z.union([z.number(), z.string()]).transform((value, context) => {
    const number = typeof value === 'number' ? value : shape.test(value.trim()) ? parse(value.trim()) : Number.NaN;
    if (Number.isSafeInteger(number) && number >= 0 && good(number)) return number;
    context.addIssue({ code: 'custom', message: fault });
    return z.NEVER;
  });
}

/** One text or several; each holds one origin, or several with commas between. An empty list means undefined. */
function origins() {
  return z
    .union([z.string(), z.array(z.string()).readonly()])
    .transform((value, context): readonly string[] | undefined => {
      const given = [value].flat().flatMap((text) => text.split(','));
      const known = new Set<string>();
      for (const text of given.map((each) => each.trim()).filter((each) => each !== '')) {
        const origin = normalOrigin(text);
        if (origin === undefined) context.addIssue({ code: 'custom', message: noOrigin(text) });
        else known.add(origin);
      }
      return known.size === 0 ? undefined : [...known];
    });
}

/** Below a domain there may be names of basins; below an address there are none. */
function domain() {
  return z.string().transform((value, context) => {
    const name = value.trim().toLowerCase().replace(/^\./, '');
    if (name.length <= DOMAIN_CHARS_MAX && DOMAIN.test(name)) return name;
    context.addIssue({
      code: 'custom',
      message: `must be a domain such as b.example.com, not ${JSON.stringify(value)}`,
    });
    return z.NEVER;
  });
}

const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** A name of 253 characters at most (RFC 1035) has space for the longest basin and its dot. */
const DOMAIN_CHARS_MAX = 253 - BASIN_NAME_BYTES_MAX - 1;

function noOrigin(text: string): string {
  const meant = originWithin(text);
  const advice = meant === undefined ? 'write it as https://app.example' : `write ${meant}`;
  return `takes origins, scheme, host and port alone, and ${JSON.stringify(text)} is none: ${advice}`;
}

function toggle() {
  return z.union([z.boolean(), z.string()]).transform((value, context) => {
    if (typeof value === 'boolean') return value;
    if (['1', 'true', 'yes', 'on'].includes(value.toLowerCase())) return true;
    if (['0', 'false', 'no', 'off'].includes(value.toLowerCase())) return false;
    context.addIssue({ code: 'custom', message: 'must be true or false' });
    return z.NEVER;
  });
}

function basinName(context: z.core.ParsePayload<string>): void {
  const fault = basinNameFault(context.value);
  if (fault !== undefined) context.issues.push({ code: 'custom', message: fault, input: context.value });
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
}

function rootTokenFault(): string {
  return `must have at least ${ROOT_TOKEN_CHARS_MIN} characters`;
}

/** Kubernetes sets `TAILRACE_PORT=tcp://10.0.0.1:4318` for a service called tailrace: that is not our setting. */
function isServiceLink(value: string): boolean {
  return value.startsWith('tcp://');
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `unknown setting ${issue.keys.join(', ')}`;
  const key = String(issue.path[0] ?? '');
  const setting = SETTINGS.find((candidate) => candidate.key === key);
  if (setting === undefined) return issue.message;
  const name = setting.flag === undefined ? setting.env : `--${setting.flag} (${setting.env})`;
  return `${name} ${issue.message}`;
}
