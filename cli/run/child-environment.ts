/** What OpenTelemetry's SDKs read from their environment, so that a program sends to our server without other settings. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { normalizeEndpoint } from '../../src/client/calls.ts';
import { TailraceError } from '../../src/model/error.ts';
import { streamNameFault } from '../../src/model/names.ts';
import type { ServerConnection } from '../flags/connection.ts';
import { parsePairs } from '../flags/otlp-target.ts';

export const RUN_PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const;

export interface RunSettings {
  readonly stream: string | undefined;
  readonly service: string | undefined;
  readonly protocol: (typeof RUN_PROTOCOLS)[number];
  /** Where OTLP goes, if that is another address than that of the server. */
  readonly otlpEndpoint: string | undefined;
}

export interface ChildEnvironment {
  readonly env: NodeJS.ProcessEnv;
  readonly service: string;
  readonly stream: string;
}

/** Settings of one signal would win over those of all. */
const OF_ONE_SIGNAL = /^OTEL_EXPORTER_OTLP_(LOGS|TRACES|METRICS)_(ENDPOINT|PROTOCOL|HEADERS)$/;
const HTTP_PORT = '4318';
const GRPC_PORT = '4317';
/** People who look on do not want to wait five seconds for a span, or a minute for a metric. */
const SOON = { OTEL_BSP_SCHEDULE_DELAY: '1000', OTEL_METRIC_EXPORT_INTERVAL: '10000' };
const EXPORTERS = { OTEL_LOGS_EXPORTER: 'otlp', OTEL_TRACES_EXPORTER: 'otlp', OTEL_METRICS_EXPORTER: 'otlp' };

/**
 * The environment of the command: what it has, and where to send.
 * @throws TailraceError `config` for variables that cannot be read, and where gRPC listens is not known
 */
export function childEnvironment(
  command: readonly string[],
  settings: RunSettings,
  { endpoint, token }: Pick<ServerConnection, 'endpoint' | 'token'>,
  before: NodeJS.ProcessEnv,
): ChildEnvironment {
  const attributes = new Map(parsePairs('OTEL_RESOURCE_ATTRIBUTES', before.OTEL_RESOURCE_ATTRIBUTES ?? ''));
  const set = before.OTEL_SERVICE_NAME || attributes.get('service.name');
  const service = settings.service ?? set ?? serviceName(command, process.cwd());
  const stream = settings.stream ?? attributes.get('s2.stream') ?? service;
  const fault = streamNameFault(stream);
  if (fault !== undefined) throw new TailraceError('config', `--stream ${JSON.stringify(stream)}: ${fault}`);
  attributes.set('s2.stream', stream);
  const headers = new Map(
    [...parsePairs('OTEL_EXPORTER_OTLP_HEADERS', before.OTEL_EXPORTER_OTLP_HEADERS ?? '')].filter(
      ([name]) => token === undefined || name.toLowerCase() !== 'authorization',
    ),
  );
  if (token !== undefined) headers.set('Authorization', `Bearer ${token.value.trim()}`);
  const kept = Object.entries(before).filter(([name]) => !OF_ONE_SIGNAL.test(name));
  return {
    service,
    stream,
    env: {
      ...SOON,
      ...EXPORTERS,
      ...Object.fromEntries(kept),
      OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint(endpoint.value, settings),
      OTEL_EXPORTER_OTLP_PROTOCOL: settings.protocol,
      ...(headers.size === 0 ? {} : { OTEL_EXPORTER_OTLP_HEADERS: pairsText(headers) }),
      OTEL_SERVICE_NAME: service,
      OTEL_RESOURCE_ATTRIBUTES: pairsText(attributes),
    },
  };
}

/** By what the folder is: a package of Node or Python; else by the program, or the script that it runs. */
function serviceName(command: readonly string[], folder: string): string {
  const named = packageName(path.join(folder, 'package.json')) ?? projectName(path.join(folder, 'pyproject.toml'));
  if (named !== undefined) return named;
  const [program = '', ...args] = command;
  const script = args.find((arg) => /^[^-].*\.(?:[cm]?[jt]sx?|py|rb|php|jar|dll|sh|exs?)$/.test(arg));
  const base = path.basename(script ?? program);
  return base.replace(/\.[a-z]+$/i, '') || 'app';
}

/** A scope such as `@shop/` says whose it is, and no stream is called so. */
function packageName(file: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown };
    return typeof name === 'string' && name !== '' ? name.replace(/^@[^/]*\//, '') : undefined;
  } catch {
    return undefined;
  }
}

/** The name in `[project]`, or in that of Poetry. */
function projectName(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    return /^\[(?:project|tool\.poetry)\]\s*\n(?:(?!\[).*\n)*?name\s*=\s*["']([^"']+)["']/m.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

function otlpEndpoint(server: string, { protocol, otlpEndpoint: given }: RunSettings): string {
  if (given !== undefined) return normalizeEndpoint(given);
  const url = new URL(normalizeEndpoint(server));
  if (protocol !== 'grpc') return normalizeEndpoint(server);
  if (url.port === HTTP_PORT) {
    url.port = GRPC_PORT;
    return normalizeEndpoint(url.href);
  }
  throw new TailraceError(
    'config',
    `where ${server} takes gRPC is not known: name it with --otlp-endpoint, such as http://${url.hostname}:${GRPC_PORT}`,
  );
}

/** As SDKs read them: percent-encoded, with commas between. */
function pairsText(pairs: ReadonlyMap<string, string>): string {
  return [...pairs].map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join(',');
}
