/** `tailrace ping`: whether a server lives, or takes requests, as an exit code for health checks and scripts. */

import type { Command } from 'commander';
import { exchange, normalizeEndpoint, type RawResponse } from '../../src/client/calls.ts';
import { TailraceError } from '../../src/model/error.ts';
import { addJsonOption, type CommandOptions } from '../call.ts';
import { addEndpointOption, explain, findEndpoint, type Sourced } from '../flags/connection.ts';
import { openOutput } from '../print/console.ts';
import { safeJson } from '../print/format.ts';

interface PingOptions extends CommandOptions {
  readonly ready?: true;
}

/** Shorter than health checks usually wait, so that the message says what is wrong. */
const ANSWER_MS_MAX = 3_000;

const EXAMPLES = `
It needs no token, and waits for the answer for 3 seconds at most. The exit code is 0 when the server lives, 1 when it
needs a restart, and 75 when it cannot be reached or, with --ready, when requests should go elsewhere. A full store lives
and is ready: it can be read. \`tailrace doctor\` says more.

Examples:
  tailrace ping
  tailrace ping --ready                     also whether it is not stopping
  until tailrace ping --ready; do sleep 1; done`;

export function addPing(program: Command): void {
  const command = program
    .command('ping')
    .summary('ask whether a server lives')
    .description('Asks a server whether it lives (/health), or with --ready whether it takes requests (/readyz).')
    .option('--ready', 'ask whether it takes requests, and not only whether it lives')
    .addHelpText('after', EXAMPLES);
  addEndpointOption(addJsonOption(command)).action((_options, self: Command) =>
    ping(self.optsWithGlobals<PingOptions>()),
  );
}

async function ping(options: PingOptions): Promise<void> {
  const endpoint = findEndpoint(options, process.env);
  const url = normalizeEndpoint(endpoint.value);
  const isReadiness = options.ready === true;
  const response = await answer(`${url}${isReadiness ? '/readyz' : '/health'}`, endpoint);
  const said = Buffer.from(response.body).toString('utf8');
  const json = { endpoint: url, ...(isReadiness ? readiness(url, response, said) : liveness(url, response, said)) };
  const output = await openOutput(undefined, options);
  await output.write(`${options.json === true ? safeJson(json) : textOf(json)}\n`);
  await output.end();
}

async function answer(url: string, endpoint: Sourced): Promise<RawResponse> {
  try {
    return await exchange({ method: 'GET', url, headers: {}, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  } catch (error) {
    const isLate = error instanceof TailraceError && error.code === 'aborted';
    const why = `${endpoint.value} does not answer within ${ANSWER_MS_MAX / 1_000} s`;
    throw explain(isLate ? new TailraceError('unavailable', why) : error, { endpoint, token: undefined });
  }
}

interface Living {
  readonly status: string;
  readonly writes?: string;
}

function liveness(url: string, { status }: RawResponse, said: string): Living {
  if (status === 200 && said === 'OK') return { status: 'alive' };
  if (status === 503) throw new TailraceError('fatal', `${url} needs a restart: ${said}`);
  throw notOurs(url, status);
}

function readiness(url: string, { status }: RawResponse, said: string): Living {
  const known = readinessIn(said);
  if (known === undefined) throw notOurs(url, status);
  if (status !== 200) throw new TailraceError('draining', `${url} takes no requests: it is ${known.status}`);
  return known;
}

function readinessIn(said: string): Living | undefined {
  try {
    const { status, writes } = JSON.parse(said) as { status?: unknown; writes?: unknown };
    return typeof status === 'string' && typeof writes === 'string' ? { status, writes } : undefined;
  } catch {
    return undefined;
  }
}

function notOurs(url: string, status: number): TailraceError {
  return new TailraceError(
    'internal',
    `${url} answers ${status}, but is not a Tailrace server: name one with --endpoint, or find out what uses its port`,
  );
}

function textOf({ endpoint, status, writes }: Living & { readonly endpoint: string }): string {
  return `${endpoint} is ${status}${writes === undefined ? '' : `, writes: ${writes}`}`;
}
