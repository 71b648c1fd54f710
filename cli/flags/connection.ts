/**
 * Which server to call, and with which token: from flags, then the environment, then the context in use, then the server
 * on this machine. Keeps where each value came from.
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { normalizeEndpoint } from '../../src/client/calls.ts';
import { type Client, createClient } from '../../src/client/client.ts';
import { TailraceError } from '../../src/model/error.ts';
import { currentContext } from '../contexts.ts';
import { DEFAULT_ENDPOINT } from '../default-endpoint.ts';

export interface ConnectionOptions {
  readonly endpoint?: string;
  readonly token?: string;
  readonly tokenFile?: string;
}

/** A value, and where it came from, for messages. `from` never holds the secret. */
export interface Sourced {
  readonly value: string;
  readonly from: string;
}

export interface ServerConnection {
  readonly client: Client;
  readonly endpoint: Sourced;
  readonly token: Sourced | undefined;
}

/** Adds the flags of every command that calls a server. */
export function addConnectionOptions(command: Command): Command {
  return addEndpointOption(command)
    .option(
      '--token-file <file>',
      'file with the access token (or TAILRACE_TOKEN; default: that of the context, or data/root-token)',
    )
    .addOption(new Option('--token <secret>', 'the access token itself').hideHelp());
}

/** Adds the flag of a command that calls a server and needs no token. */
export function addEndpointOption(command: Command): Command {
  return command
    .optionsGroup('Server:')
    .option('--endpoint <url>', `the server (TAILRACE_ENDPOINT; default: the context in use, or ${DEFAULT_ENDPOINT})`);
}

/**
 * Finds server and token.
 * @throws TailraceError `config` for a bad URL or a token file that cannot be read.
 */
export function connect(options: ConnectionOptions, env: NodeJS.ProcessEnv = process.env): ServerConnection {
  const endpoint = findEndpoint(options, env);
  const token = findToken(options, env, endpoint);
  return { client: createClient({ endpoint: endpoint.value, token: token?.value }), endpoint, token };
}

/** Finds the server. S2_ACCOUNT_ENDPOINT counts only with S2_ACCESS_TOKEN, which is sent there and nowhere else. */
export function findEndpoint(options: ConnectionOptions, env: NodeJS.ProcessEnv): Sourced {
  if (options.endpoint !== undefined) return { value: options.endpoint, from: '--endpoint' };
  if (present(env.TAILRACE_ENDPOINT)) return { value: env.TAILRACE_ENDPOINT, from: 'TAILRACE_ENDPOINT' };
  if (present(env.S2_ACCOUNT_ENDPOINT) && present(env.S2_ACCESS_TOKEN)) {
    // As for S2's SDKs: without a scheme it is https, and the client adds the path of the API.
    const scheme = env.S2_ACCOUNT_ENDPOINT.includes('://') ? '' : 'https://';
    return { value: scheme + env.S2_ACCOUNT_ENDPOINT.replace(/\/v1\/?$/, ''), from: 'S2_ACCOUNT_ENDPOINT' };
  }
  const context = currentContext(env);
  if (context !== undefined) return { value: context.endpoint, from: `context ${context.name}` };
  return { value: DEFAULT_ENDPOINT, from: 'the default' };
}

/** Finds the token for an endpoint. The root token on this disk is only ever sent to this machine. */
export function findToken(options: ConnectionOptions, env: NodeJS.ProcessEnv, endpoint: Sourced): Sourced | undefined {
  if (options.tokenFile !== undefined) return { value: readToken(options.tokenFile), from: options.tokenFile };
  if (options.token !== undefined) return { value: options.token, from: '--token' };
  if (present(env.TAILRACE_TOKEN)) return { value: env.TAILRACE_TOKEN, from: 'TAILRACE_TOKEN' };
  if (endpoint.from === 'S2_ACCOUNT_ENDPOINT' && present(env.S2_ACCESS_TOKEN)) {
    return { value: env.S2_ACCESS_TOKEN, from: 'S2_ACCESS_TOKEN' };
  }
  return contextToken(env, endpoint) ?? (isLoopback(endpoint.value) ? localToken(env) : undefined);
}

/** Adds to a refusal where endpoint and token came from: usually one of them belongs to another server. */
export function explain(error: unknown, connection: Pick<ServerConnection, 'endpoint' | 'token'>): unknown {
  if (!(error instanceof TailraceError)) return error;
  const { endpoint, token } = connection;
  const lines = [error.message];
  if (error.code === 'authn' || error.code === 'permission_denied') {
    lines.push(`  endpoint ${endpoint.value} (from ${endpoint.from})`);
    lines.push(token === undefined ? `  no token: ${NO_TOKEN_HINT}` : `  token from ${token.from}`);
  } else if (error.code === 'unavailable' && endpoint.from === 'the default') {
    lines.push('  is the server running? Start it with `tailrace serve`, or name another with --endpoint');
  } else if (error.code === 'unavailable') {
    lines.push(`  endpoint ${endpoint.value} (from ${endpoint.from})`);
  } else if (MISPLACED.has(error.code) && pathHint(endpoint.value) !== undefined) {
    lines.push(`  ${pathHint(endpoint.value)} (from ${endpoint.from})`);
  } else {
    return error;
  }
  return new TailraceError(error.code, lines.join('\n'), { detail: error.detail, cause: error });
}

/** What the answer is when calls go to a path below which there is no server. */
const MISPLACED: ReadonlySet<string> = new Set(['not_found', 'method_not_allowed', 'internal']);

/** What to do about the path of an endpoint; undefined when it has none. */
export function pathHint(endpoint: string): string | undefined {
  const url = new URL(normalizeEndpoint(endpoint));
  if (url.pathname === '/') return undefined;
  return `the endpoint has the path ${url.pathname}: a server is usually named without one, ${url.origin}`;
}

/** The token of the context in use, which is sent to the server of that context and nowhere else. */
function contextToken(env: NodeJS.ProcessEnv, endpoint: Sourced): Sourced | undefined {
  const context = currentContext(env);
  if (context?.token === undefined) return undefined;
  if (normalizeEndpoint(endpoint.value) !== normalizeEndpoint(context.endpoint)) return undefined;
  return { value: context.token, from: `context ${context.name}` };
}

/** Whether a URL points at this machine. */
function isLoopback(endpoint: string): boolean {
  const url = endpoint.includes('://') ? endpoint : `http://${endpoint}`;
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d+){3}$/.test(host);
}

const NO_TOKEN_HINT =
  'set TAILRACE_TOKEN or --token-file, add a context, or run this where the data directory of the server is';

/** The root token that a server on this machine has written for its owner. */
function localToken(env: NodeJS.ProcessEnv): Sourced | undefined {
  const file = path.resolve(env.TAILRACE_DATA_DIR ?? 'data', 'root-token');
  try {
    return { value: readFileSync(file, 'utf8').trim(), from: file };
  } catch {
    return undefined;
  }
}

function readToken(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8').trim();
  } catch (cause) {
    throw new TailraceError('config', `cannot read the token file ${file}: ${(cause as Error).message}`, { cause });
  }
}

function present(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
