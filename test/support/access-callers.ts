/** Callers for the authorization matrix: every kind of credential, with the verdict that each route should give it. */

import { GRANTED_OPERATIONS, type GrantedOperation } from '../../src/model/operation.ts';
import { type Credential, takesTickets, type Verdict } from './access-forms.ts';
import type { AccessRow } from './access-rows.ts';
import { call } from './http-call.ts';

/** The basin of the calls, another one, and the prefix of all stream and token names. */
export const MINE = 'matrix-mine';
const OTHER = 'matrix-other';
export const NAMES_PREFIX = 'matrix-';

export interface Caller {
  readonly name: string;
  credential(): Promise<Credential>;
  /** The expected verdict of a row in a form of it. */
  verdict(row: string, needs: AccessRow, form: string): Verdict;
}

interface Scope {
  readonly ops?: readonly GrantedOperation[];
  readonly basins?: object | null;
  readonly streams?: object | null;
  readonly access_tokens?: object | null;
}

const ALL = { prefix: '' };

/** Issues tokens, each kind once. */
export class TokenBook {
  readonly #port: number;
  readonly root: string;
  readonly #issued = new Map<string, Promise<string>>();
  #count = 0;

  constructor(port: number, root: string) {
    this.#port = port;
    this.root = root;
  }

  /** The secret of a token with every operation everywhere, except for the given scope. */
  token(scope: Scope = {}): Promise<string> {
    const key = JSON.stringify(scope);
    const issued = this.#issued.get(key) ?? this.issue(scope).then(({ secret }) => secret);
    this.#issued.set(key, issued);
    return issued;
  }

  /** A token used by one test only. */
  async issue(scope: Scope = {}, more: object = {}): Promise<{ id: string; secret: string }> {
    const id = `book-${this.#count++}`;
    const whole = { basins: ALL, streams: ALL, access_tokens: ALL, ops: GRANTED_OPERATIONS, ...scope };
    const answer = await this.control('POST', '/v1/access-tokens', { id, scope: whole, ...more });
    return { id, secret: (answer as { access_token: string }).access_token };
  }

  /** A short-lived token. */
  async jwt(credential: string): Promise<string> {
    return ((await this.control('POST', '/v1/ingest-token/exchange', { credential })) as { token: string }).token;
  }

  /** A ticket for all streams of the basin that begin with a prefix. */
  async ticket(prefix: string): Promise<string> {
    const body = { basin: MINE, prefix, operation: 'read' };
    return ((await this.control('POST', '/v1/tickets', body)) as { ticket: string }).ticket;
  }

  /** A call as root that must succeed. */
  async control(method: string, path: string, body?: unknown): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.root}`, 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await call(this.#port, { method, path, headers, ...sent });
    const text = answer.body.toString();
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Whether a secret authenticates. */
  async isKnown(secret: string): Promise<boolean> {
    const headers = { authorization: `Bearer ${secret}` };
    return (await call(this.#port, { method: 'GET', path: '/v1/whoami', headers })).status === 200;
  }
}

const EXPIRES_MS = 1_500;

/** Callers that are the same for each row. Everything they need is created before it resolves. */
export async function callersOf(book: TokenBook): Promise<readonly Caller[]> {
  const soon = new Date(Date.now() + EXPIRES_MS).toISOString();
  const [every, expired, revoked, rotated, exchanged] = await Promise.all([
    book.token(),
    book.issue({}, { expires_at: soon }),
    book.issue(),
    book.issue(),
    book.issue(),
  ]);
  const jwtOfRevoked = await book.jwt(exchanged.secret);
  await book.control('DELETE', `/v1/access-tokens/${revoked.id}`);
  await book.control('DELETE', `/v1/access-tokens/${exchanged.id}`);
  await book.control('POST', `/v1/access-tokens/${rotated.id}/rotate`);
  while (await book.isKnown(expired.secret));
  return [
    header('no token', undefined, unknown),
    header('an empty header', '', unknown),
    header('nothing after Bearer', 'Bearer ', unknown),
    header('another scheme', `Basic ${every}`, unknown),
    header('a scheme that is glued on', `Bearer${every}`, unknown),
    header('an encoded space', `Bearer%20${every}`, unknown),
    header('an encoded space in the token', `Bearer %20${every}`, unknown),
    header('a token that is too long', `Bearer ${every}0`, unknown),
    header('a token in upper case', `Bearer ${every.toUpperCase()}`, unknown),
    bearer('an unknown token', `trk_${'0'.repeat(48)}`, unknown),
    bearer('an expired token', expired.secret, unknown),
    bearer('a revoked token', revoked.secret, unknown),
    bearer('a token rotated away', rotated.secret, unknown),
    bearer('the root token', book.root, () => 'allowed'),
    bearer('every operation', every, ({ needs }) => (needs === 'root' ? 'denied' : 'allowed')),
    header('a scheme in lower case', `bearer ${every}`, ({ needs }) => (needs === 'root' ? 'denied' : 'allowed')),
    bearer('another basin', await book.token({ basins: { exact: OTHER } }), outside('basin')),
    bearer('no basins', await book.token({ basins: null }), outside('basin')),
    bearer('another stream', await book.token({ streams: { exact: OTHER } }), outside('stream')),
    bearer('no streams', await book.token({ streams: null }), outside('stream')),
    bearer('other tokens', await book.token({ access_tokens: { exact: OTHER } }), outside('id')),
    bearer('read only', await book.token({ ops: READS }), holds(READS)),
    bearer('append only', await book.token({ ops: ['append'] }), holds(['append'])),
    ...(await shortLived(book, every, jwtOfRevoked)),
  ];
}

/** Tokens for a row: with exactly what it needs, and with everything except one thing it needs. */
export async function callersFor(book: TokenBook, { needs, about }: AccessRow): Promise<readonly Caller[]> {
  if (typeof needs === 'string') return [];
  const enough = await book.token({
    ops: needs,
    basins: about.includes('basin') ? { prefix: MINE } : null,
    streams: about.includes('stream') ? { prefix: NAMES_PREFIX } : null,
    access_tokens: about.includes('id') ? { prefix: NAMES_PREFIX } : null,
  });
  const missing = needs.map(async (one) => {
    const ops = GRANTED_OPERATIONS.filter((operation) => operation !== one);
    return bearer(`every operation but ${one}`, await book.token({ ops }), () => 'denied');
  });
  return [bearer('just enough', enough, () => 'allowed'), ...(await Promise.all(missing))];
}

/** Credentials that allow one thing each, and nothing else. */
async function shortLived(book: TokenBook, every: string, jwtOfRevoked: string): Promise<readonly Caller[]> {
  const elsewhere = await book.jwt(await book.token({ basins: { exact: OTHER } }));
  return [
    bearer('a JWT', await book.jwt(every), ({ isOtlp }) => (isOtlp ? 'allowed' : 'unknown')),
    bearer('a JWT of another basin', elsewhere, ({ isOtlp }) => (isOtlp ? 'denied' : 'unknown')),
    bearer('a JWT whose token was revoked', jwtOfRevoked, unknown),
    bearer('a ticket as a token', await book.ticket(''), unknown),
    ticketed(
      'a ticket',
      () => book.ticket(NAMES_PREFIX),
      () => 'allowed',
    ),
    ticketed('a ticket for other streams', () => book.ticket('elsewhere/'), unknown),
  ];
}

const READS = GRANTED_OPERATIONS.filter((one) => /^(list|get)-|-metrics$|^(read|check-tail)$/.test(one));

type Judge = (needs: AccessRow) => Verdict;

const unknown: Judge = () => 'unknown';

function outside(kind: 'basin' | 'stream' | 'id'): Judge {
  return ({ needs, about }) => (needs === 'root' || about.includes(kind) ? 'denied' : 'allowed');
}

function holds(operations: readonly GrantedOperation[]): Judge {
  return ({ needs }) => {
    if (needs === 'root') return 'denied';
    return typeof needs === 'string' || needs.every((one) => operations.includes(one)) ? 'allowed' : 'denied';
  };
}

function bearer(name: string, secret: string, judge: Judge): Caller {
  return header(name, `Bearer ${secret}`, judge);
}

function header(name: string, value: string | undefined, judge: Judge): Caller {
  return {
    name,
    credential: async () => (value === undefined ? {} : { header: value }),
    verdict: (_row, needs) => (needs.needs === 'nothing' ? 'allowed' : judge(needs)),
  };
}

/** A ticket is valid once: each call gets one of its own. */
function ticketed(name: string, issue: () => Promise<string>, judge: Judge): Caller {
  return {
    name,
    credential: async () => ({ ticket: await issue() }),
    verdict: (row, needs, form) => {
      if (needs.needs === 'nothing') return 'allowed';
      return takesTickets(row, form) ? judge(needs) : 'unknown';
    },
  };
}
