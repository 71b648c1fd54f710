/** What may be wrong between this machine and a server: each check says what it found, and how to fix it. */

import { exchange, normalizeEndpoint } from '../src/client/calls.ts';
import { otlpRefusal, postOtlp } from '../src/client/post-otlp.ts';
import { TailraceError } from '../src/model/error.ts';
import { EXIT, EXIT_CODES } from './exit.ts';
import { pathHint, type ServerConnection } from './flags/connection.ts';
import { NO_LEADER_FIX } from './print/node-readiness.ts';

export interface Finding {
  readonly check: 'server' | 'port' | 'token' | 'clock' | 'nodes' | 'basin' | 'data';
  /** Stands in place of level and check where people read it: the last line says what arrives. */
  readonly title?: 'arriving';
  /** A warning needs attention, though nothing fails yet. */
  readonly level: 'ok' | 'warning' | 'fault';
  readonly text: string;
  /** How to fix it. */
  readonly fix?: string;
  /** The exit code that it gives the command. */
  readonly code: number;
}

const GRPC_PORT = '4317';
const HTTP_PORT = '4318';
/** A larger difference breaks signatures, expiry and the order of what several machines send. */
const CLOCK_OFF_MS = 10_000;
const EXPIRES_SOON_MS = 7 * 86_400_000;

/** Runs all checks; stops early when the later ones would make no sense. */
export async function* examine(connection: ServerConnection, now: () => number): AsyncGenerator<Finding> {
  const endpoint = normalizeEndpoint(connection.endpoint.value);
  const asked = now();
  let response: Awaited<ReturnType<typeof exchange>>;
  try {
    response = await exchange({ method: 'GET', url: `${endpoint}/readyz`, headers: {} });
  } catch (error) {
    yield* unreachableFindings(connection, endpoint, error);
    return;
  }
  const server = serverFinding(connection, endpoint, response.status, Buffer.from(response.body).toString('utf8'));
  yield server;
  if (server.code === EXIT.failure) return;
  yield clockFinding(response.headers.get('date'), asked, now());
  yield await tokenFinding(connection, now());
}

async function* unreachableFindings(
  { endpoint: { from } }: ServerConnection,
  endpoint: string,
  error: unknown,
): AsyncGenerator<Finding> {
  const reason = error instanceof TailraceError ? error.message : String(error);
  const fix =
    from === 'the default' ? 'start it with `tailrace serve`, or name another with --endpoint' : UNREACHABLE_FIX;
  yield { check: 'server', level: 'fault', text: `${reason} (from ${from})`, fix, code: EXIT.temporary };
  const url = new URL(endpoint);
  if (url.port === GRPC_PORT) {
    url.port = HTTP_PORT;
    const text = `port ${GRPC_PORT} is for senders of OTLP over gRPC; commands and OTLP over HTTP go to ${HTTP_PORT} by default`;
    yield { check: 'port', level: 'fault', text, fix: `try --endpoint ${url.origin}`, code: EXIT.temporary };
    return;
  }
  const other = await otherScheme(url);
  if (other === undefined) return;
  const text = `there is a Tailrace on ${other}`;
  yield { check: 'port', level: 'fault', text, fix: `use --endpoint ${other}`, code: EXIT.temporary };
}

const UNREACHABLE_FIX = 'check that it runs there, that host and port are right, and that no firewall is in between';

/** The same host on the standard port, or with the other scheme. */
async function otherScheme({ protocol, hostname, host, port }: URL): Promise<string | undefined> {
  const others = [`${protocol === 'http:' ? 'https' : 'http'}://${host}`];
  if (port !== HTTP_PORT) others.push(`${protocol}//${hostname}:${HTTP_PORT}`);
  for (const origin of others) {
    try {
      const { body } = await exchange({ method: 'GET', url: `${origin}/readyz`, headers: {} });
      if (isReadiness(Buffer.from(body).toString('utf8'))) return origin;
    } catch {
      // No server there either.
    }
  }
  return undefined;
}

function serverFinding(
  { endpoint: { from } }: ServerConnection,
  endpoint: string,
  status: number,
  body: string,
): Finding {
  const where = `${endpoint} (from ${from})`;
  if (!isReadiness(body)) {
    const fix = pathHint(endpoint) ?? 'name a Tailrace server with --endpoint, or find out what else uses its port';
    const text = `${where} answers ${status}, but is not a Tailrace server`;
    return { check: 'server', level: 'fault', text, fix, code: EXIT.failure };
  }
  const { status: state, writes } = JSON.parse(body) as { status: string; writes: string };
  if (state === 'no_leader') {
    const text = `${where} is a node of a cluster that no node leads`;
    return { check: 'server', level: 'fault', text, fix: NO_LEADER_FIX, code: EXIT.temporary };
  }
  if (state !== 'ready') {
    const fix = 'wait until it is back; its log says why it stops';
    return { check: 'server', level: 'fault', text: `${where} is stopping`, fix, code: EXIT.temporary };
  }
  if (writes !== 'ok') {
    const fix = 'free space on its disk; restart it if that does not help; its log says more';
    return { check: 'server', level: 'fault', text: `${where} takes no writes: ${writes}`, fix, code: EXIT.temporary };
  }
  return { check: 'server', level: 'ok', text: `${where} answers and takes writes`, code: EXIT.ok };
}

/** `{"status":"ready","writes":"ok"}`, which no other server returns. */
function isReadiness(body: string): boolean {
  try {
    const { status, writes } = JSON.parse(body) as { status?: unknown; writes?: unknown };
    return typeof status === 'string' && typeof writes === 'string';
  } catch {
    return false;
  }
}

/** The header has whole seconds; the response was made between the two times. */
function clockFinding(date: string | null, asked: number, answered: number): Finding {
  const theirs = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(theirs)) {
    return { check: 'clock', level: 'ok', text: 'the server does not say what time it has', code: EXIT.ok };
  }
  const ahead = theirs > answered ? theirs - answered : Math.min(0, theirs + 1_000 - asked);
  const seconds = Math.round(Math.abs(ahead) / 1_000);
  if (Math.abs(ahead) <= CLOCK_OFF_MS) {
    return { check: 'clock', level: 'ok', text: `the clocks agree within ${seconds + 1} s`, code: EXIT.ok };
  }
  const text = `the clock of the server is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} this machine's`;
  const fix = 'set both clocks from NTP; after a jump of the clock of the server: `tailrace clock confirm`';
  return { check: 'clock', level: 'fault', text, fix, code: EXIT.failure };
}

async function tokenFinding(connection: ServerConnection, now: number): Promise<Finding> {
  const { client, token } = connection;
  const from = token === undefined ? 'no token' : `token from ${token.from}`;
  try {
    const me = await client.whoami();
    if (me.root) return { check: 'token', level: 'ok', text: `${from}: ${rootText(me.id)}`, code: EXIT.ok };
    const left = me.expires_at == null ? Number.POSITIVE_INFINITY : Date.parse(me.expires_at) - now;
    if (left >= EXPIRES_SOON_MS) return { check: 'token', level: 'ok', text: `${from}: ${me.id}`, code: EXIT.ok };
    const text = `${from}: ${me.id} ends ${me.expires_at}`;
    return { check: 'token', level: 'warning', text, fix: 'issue one that expires later, in time', code: EXIT.ok };
  } catch (error) {
    if (!(error instanceof TailraceError)) throw error;
    if (token !== undefined && JWT.test(token.value)) return jwtFinding(connection.endpoint.value, token.value, from);
    const fix = token === undefined ? NO_TOKEN_FIX : TOKEN_FIX;
    return { check: 'token', level: 'fault', text: `${from}: ${error.message}`, fix, code: EXIT_CODES[error.code] };
  }
}

/** JWTs are for OTLP data alone, so they are tried with an empty request, which stores nothing. */
async function jwtFinding(endpoint: string, jwt: string, from: string): Promise<Finding> {
  const answer = await postOtlp({
    url: `${normalizeEndpoint(endpoint)}/v1/logs`,
    body: Buffer.from('{"resourceLogs":[]}'),
    contentType: 'application/json',
    headers: { authorization: `Bearer ${jwt}` },
  });
  const refusal = otlpRefusal(answer, 'the token');
  if (refusal === undefined) {
    const text = `${from}: a JWT, which sends OTLP data and does nothing else`;
    return { check: 'token', level: 'ok', text, code: EXIT.ok };
  }
  const text = `${from}: a JWT for OTLP data is refused: ${refusal.message}`;
  return { check: 'token', level: 'fault', text, fix: JWT_FIX, code: EXIT_CODES[refusal.code] };
}

const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;
const JWT_FIX =
  'get a new one where it came from; `tailrace basins get` shows whom a basin trusts, and the log of the server says more';

const NO_TOKEN_FIX = 'set TAILRACE_TOKEN or --token-file, or keep one with `tailrace context add`';
const TOKEN_FIX =
  "it is another server's, or was revoked, rotated or expired: issue a new one, or `tailrace root-token reset` there";

function rootText(id: string): string {
  return id === 'root' ? 'the root token' : 'this server needs no token';
}
