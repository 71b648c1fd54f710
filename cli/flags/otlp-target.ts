/** Where `send` posts to: found as by an OpenTelemetry SDK, and by our own flags. */

import { normalizeEndpoint } from '../../src/client/calls.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { Signal } from '../../src/model/record.ts';
import { type ConnectionOptions, findEndpoint, findToken, type Sourced } from './connection.ts';

export interface OtlpTarget {
  readonly url: string;
  readonly endpoint: Sourced;
  readonly token: Sourced | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Finds URL and headers: `--endpoint`, then the SDK's variables (the one of the signal is used as it is, the general
 * one gets /v1/<signal> appended), then TAILRACE_ENDPOINT, then this machine. OTEL headers hold secrets: they are sent to
 * the endpoint of the SDK's variables, and to another one only when these name none.
 * @throws TailraceError `config`
 */
export function findOtlpTarget(signal: Signal, options: ConnectionOptions, env: NodeJS.ProcessEnv): OtlpTarget {
  const fromSdk = options.endpoint === undefined ? sdkEndpoint(signal, env) : undefined;
  const endpoint = fromSdk ?? findEndpoint(options, env);
  const base = normalizeEndpoint(endpoint.value);
  const url = endpoint.from === signalVariable(signal, 'ENDPOINT') ? base : `${base}/v1/${signal}`;
  const headers = headersFor(signal, base, fromSdk !== undefined, env);
  const token =
    headers.authorization === undefined ? tokenFor(options, env, endpoint, fromSdk !== undefined) : undefined;
  return {
    url,
    endpoint,
    token:
      token ?? (headers.authorization === undefined ? undefined : { value: '', from: 'OTEL_EXPORTER_OTLP_HEADERS' }),
    headers: token === undefined ? headers : { ...headers, authorization: `Bearer ${token.value}` },
  };
}

/**
 * Reads `key=value,key=value` with percent-encoding (OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES).
 * @throws TailraceError `config` when it is not that
 */
export function parsePairs(variable: string, text: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (const pair of text.split(',').filter((part) => part.trim() !== '')) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new TailraceError('config', `${variable} must be key=value pairs with commas between`);
    pairs.set(decode(pair.slice(0, equals).trim()), decode(pair.slice(equals + 1).trim()));
  }
  return pairs;
}

function sdkEndpoint(signal: Signal, env: NodeJS.ProcessEnv): Sourced | undefined {
  for (const name of [signalVariable(signal, 'ENDPOINT'), 'OTEL_EXPORTER_OTLP_ENDPOINT']) {
    const value = env[name];
    if (value !== undefined && value !== '') return { value, from: name };
  }
  return undefined;
}

function headersFor(
  signal: Signal,
  base: string,
  isSdkEndpoint: boolean,
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const other = sdkEndpoint(signal, env);
  if (
    !isSdkEndpoint &&
    other !== undefined &&
    new URL(normalizeEndpoint(other.value)).origin !== new URL(base).origin
  ) {
    return {};
  }
  const headers: Record<string, string> = Object.create(null);
  for (const name of ['OTEL_EXPORTER_OTLP_HEADERS', signalVariable(signal, 'HEADERS')]) {
    for (const [key, value] of parsePairs(name, env[name] ?? '')) headers[key.toLowerCase()] = value;
  }
  return headers;
}

/** With the endpoint of an SDK's variable only a token from the command line counts, or the root token on this machine. */
function tokenFor(
  options: ConnectionOptions,
  env: NodeJS.ProcessEnv,
  endpoint: Sourced,
  isSdkEndpoint: boolean,
): Sourced | undefined {
  return findToken(options, isSdkEndpoint ? { TAILRACE_DATA_DIR: env.TAILRACE_DATA_DIR } : env, endpoint);
}

function signalVariable(signal: Signal, what: 'ENDPOINT' | 'HEADERS'): string {
  return `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${what}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
