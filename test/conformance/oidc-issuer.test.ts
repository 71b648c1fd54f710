/**
 * What an outside issuer does to senders with its tokens: an issuer that is down, slow to change or broken costs at
 * most a retry, and no sender makes us ask it all the time. A real server and a real issuer, with a clock that the test
 * sets forward.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Clock } from '../../src/model/clock.ts';
import {
  OIDC_ASK_AGAIN_MS,
  OIDC_FRESH_MS,
  OIDC_JWKS_BYTES_MAX,
  OIDC_KEYS_MAX,
  OIDC_RETRY_MS,
  OIDC_STALE_MS,
} from '../../src/model/limits.ts';
import { createServer, type TailraceServer } from '../../src/server.ts';
import { type CallResponse, call } from '../support/http-call.ts';
import { type IssuerKey, makeKey, signed, TestIssuer } from '../support/oidc-issuer.ts';

const ROOT = 'a-root-token-of-more-than-thirty-two-characters';
const BASIN = 'trusting-basin';

/** The clock of the machine, ahead by an offset that tests set. */
class AheadClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  monotonicMs(): number {
    return performance.now() + this.#aheadMs;
  }

  timer(delayMs: number, run: () => void): () => void {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  }

  goOn(ms: number): void {
    this.#aheadMs += ms;
  }
}

let dataDir: string;
let clock: AheadClock;
let server: TailraceServer;
let issuer: TestIssuer;
let key: IssuerKey;
let warnings: string[];

beforeEach(async () => {
  key = await makeKey('first');
  issuer = await TestIssuer.start(key);
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-oidc-issuer-'));
  clock = new AheadClock();
  warnings = [];
  const quiet = (): void => {};
  const warn = (_fields: object, message = ''): void => void warnings.push(message);
  const logger = { debug: quiet, info: quiet, error: quiet, warn };
  server = await createServer({ port: 0, dataDir, rootToken: ROOT }, { clock, logger });
  await server.listen();
  const config = { create_stream_on_append: true, otlp_default_stream: 'logs', oidc: issuer.trustedFor('shop') };
  expect((await api('PUT', `/v1/basins/${BASIN}`, ROOT, { config })).status).toBe(201);
});

afterEach(async () => {
  await server.close();
  await issuer.stop();
  await rm(dataDir, { recursive: true, force: true });
});

function api(method: string, path: string, token: string, body: unknown): Promise<CallResponse> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return call(server.address?.port ?? 0, { method, path, headers, body: JSON.stringify(body) });
}

const LOGS = { resourceLogs: [{ resource: {}, scopeLogs: [{ logRecords: [{ body: { stringValue: 'said' } }] }] }] };

function token(by = key, head: object = {}): Promise<string> {
  const exp = Math.floor(clock.now() / 1_000) + 300;
  return signed(by, { iss: issuer.url, aud: 'shop', sub: 'project', exp }, head);
}

const send = (jwt: string): Promise<CallResponse> => api('POST', '/v1/logs', jwt, LOGS);
const statusOf = async (jwt: string): Promise<number> => (await send(jwt)).status;

describe('an issuer that is down', () => {
  test('causes a 503 before its keys were ever fetched, and nothing is lost when it is up again', async () => {
    await issuer.stop();
    const jwt = await token();
    const { status, headers, body } = await send(jwt);
    expect([status, body.toString()]).toEqual([503, expect.stringContaining(issuer.url)]);
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(warnings.join('\n')).toMatch(new RegExp(`keys of the issuer ${issuer.url} .*ECONNREFUSED`));
    expect(warnings.join('\n')).not.toContain(jwt);
    await issuer.listen();
    clock.goOn(OIDC_RETRY_MS);
    expect(await statusOf(jwt)).toBe(200);
  });

  test('is not asked again for every token', async () => {
    issuer.answer = (_request, response) => void response.writeHead(500).end();
    for (let i = 0; i < 5; i++) expect(await statusOf(await token())).toBe(503);
    expect(issuer.asked).toBe(1);
    clock.goOn(OIDC_RETRY_MS);
    expect(await statusOf(await token())).toBe(503);
    expect(issuer.asked).toBe(2);
  });

  test('leaves its keys valid for a day, and not longer', async () => {
    expect(await statusOf(await token())).toBe(200);
    await issuer.stop();
    clock.goOn(OIDC_FRESH_MS);
    expect(await statusOf(await token())).toBe(200);
    expect(await statusOf(await token(await makeKey('unknown')))).toBe(503);
    expect(await statusOf(await token(await makeKey('first')))).toBe(401);
    clock.goOn(OIDC_STALE_MS - OIDC_FRESH_MS - 60_000);
    expect(await statusOf(await token())).toBe(200);
    clock.goOn(60_000);
    expect(await statusOf(await token())).toBe(503);
    await issuer.listen();
    clock.goOn(OIDC_RETRY_MS);
    expect(await statusOf(await token())).toBe(200);
  });
});

describe('keys of an issuer', () => {
  test('are fetched once for any number of senders, and again when they are due', async () => {
    const jwts = await Promise.all(Array.from({ length: 20 }, () => token()));
    expect(await Promise.all(jwts.map(statusOf))).toEqual(jwts.map(() => 200));
    expect(issuer.asked).toBe(1);
    clock.goOn(OIDC_FRESH_MS - 60_000);
    expect(await statusOf(await token())).toBe(200);
    expect(issuer.asked).toBe(1);
    clock.goOn(60_000);
    expect(await statusOf(await token())).toBe(200);
    expect(issuer.asked).toBe(2);
  });

  test('that are new are fetched with the first token, but unknown keys do not make us ask all the time', async () => {
    expect(await statusOf(await token())).toBe(200);
    for (let i = 0; i < 5; i++) expect(await statusOf(await token(await makeKey(`made-up-${i}`)))).toBe(401);
    expect(issuer.asked).toBe(1);
    clock.goOn(OIDC_ASK_AGAIN_MS);
    const fresh = await makeKey('second');
    issuer.keys = [key, fresh];
    expect(await statusOf(await token(fresh))).toBe(200);
    expect(await statusOf(await token())).toBe(200);
    expect(issuer.asked).toBe(2);
  });

  test('without ids are fetched as well', async () => {
    issuer.keys = [await makeKey(undefined)];
    expect(await statusOf(await token(issuer.keys[0]))).toBe(200);
    clock.goOn(OIDC_ASK_AGAIN_MS);
    issuer.keys = [await makeKey(undefined)];
    expect(await statusOf(await token(issuer.keys[0]))).toBe(200);
  });

  test('that were removed are invalid when the set is due, also for tokens that were valid before', async () => {
    const jwt = await signed(key, {
      ...{ iss: issuer.url, aud: 'shop', sub: 'project' },
      exp: Math.floor((clock.now() + 10 * OIDC_FRESH_MS) / 1_000),
    });
    expect(await statusOf(jwt)).toBe(200);
    issuer.keys = [await makeKey('second')];
    expect(await statusOf(jwt)).toBe(200);
    clock.goOn(OIDC_FRESH_MS);
    expect(await statusOf(jwt)).toBe(401);
  });

  test('do not outlive a token', async () => {
    const jwt = await token();
    expect(await statusOf(jwt)).toBe(200);
    clock.goOn(300_000 + 31_000);
    expect(await statusOf(jwt)).toBe(401);
  });
});

describe('a response that is not a key set is a 503', () => {
  const padded = (bytes: number): string => {
    const text = JSON.stringify({ keys: [key.jwk], pad: '' });
    return text.replace('"pad":""', `"pad":"${'x'.repeat(bytes - text.length)}"`);
  };
  const many = (count: number): string => JSON.stringify({ keys: [key.jwk, ...Array(count - 1).fill({ kty: 'EC' })] });

  test.each<readonly [string, (response: ServerResponse) => unknown, RegExp]>([
    ['no JSON', (response) => response.end('<html>'), /no JSON$/],
    ['nothing', (response) => response.end(), /no JSON$/],
    ['JSON of another kind', (response) => response.end('{"keys":7}'), /no JSON Web Key Set/],
    ['an error', (response) => response.writeHead(404).end(padded(1_000)), /answered 404/],
    ['a set with more keys than there may be', (response) => response.end(many(OIDC_KEYS_MAX + 1)), /65 keys/],
    ['a set of too many bytes', (response) => response.end(padded(OIDC_JWKS_BYTES_MAX + 1)), /more than 262144/],
    [
      'a set of too many bytes after unpacking',
      (response) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(padded(OIDC_JWKS_BYTES_MAX + 1))),
      /more than 262144/,
    ],
    ['an endless one', (response) => endless(response), /more than 262144/],
    [
      'half of one',
      (response) => response.writeHead(200, { 'content-length': 1_000 }).write('{') && cut(response),
      /./,
    ],
  ])('when it is %s', async (_name, answer, reason) => {
    issuer.answer = (_request, response) => void answer(response);
    expect(await statusOf(await token())).toBe(503);
    expect(warnings[0]).toMatch(reason);
    issuer.answer = undefined;
    clock.goOn(OIDC_RETRY_MS);
    expect(await statusOf(await token())).toBe(200);
  });

  test.each([301, 302, 307, 308])('when it is a redirect (%i), to any target', async (status) => {
    issuer.answer = ({ url }, response) => {
      if (url === '/keys') response.writeHead(status, { location: '/elsewhere' }).end();
      else response.end(padded(1_000));
    };
    expect(await statusOf(await token())).toBe(503);
    expect(warnings[0]).toMatch(/redirects are not followed/);
    expect(issuer.asked).toBe(1);
  });

  test.each([
    ['as many bytes', () => padded(OIDC_JWKS_BYTES_MAX)],
    ['as many keys', () => many(OIDC_KEYS_MAX)],
  ])('but a set with %s as allowed is accepted', async (_name, answer) => {
    issuer.answer = (_request, response) => void response.end(answer());
    expect(await statusOf(await token())).toBe(200);
  });

  /** Writes as long as a client reads. */
  function endless(response: ServerResponse): void {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
    };
    response.on('drain', more);
    more();
  }

  function cut(response: ServerResponse): boolean {
    response.destroy();
    return true;
  }
});
