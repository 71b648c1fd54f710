/**
 * Tokens of an outside issuer that a basin trusts: they send OTLP data to that basin, as the project in their claims,
 * and do nothing else.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CryptoKey, exportSPKI, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import protobuf from 'protobufjs/light.js';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { type CliResult, runCli } from '../support/cli.ts';
import { ControlClient } from '../support/control-calls.ts';
import { type CallResponse, call, connectRaw } from '../support/http-call.ts';
import { type IssuerKey, makeKey, signed, TestIssuer } from '../support/oidc-issuer.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const REQUEST = root.lookupType('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest');
const ONE = 'trusting-one';
const TWO = 'trusting-two';

let dataDir: string;
let server: TestServer;
let control: ControlClient;
let issuer: TestIssuer;
let key: IssuerKey;

beforeAll(async () => {
  key = await makeKey('first');
  issuer = await TestIssuer.start(key);
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-oidc-'));
  await start();
  await put(ONE, { oidc: issuer.trustedFor('one') });
  await put(TWO, { oidc: issuer.trustedFor('two') });
});

afterAll(async () => {
  await server.stop();
  await issuer.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await startServer({ dataDir });
  control = new ControlClient(server);
}

async function put(basin: string, config: object): Promise<void> {
  const all = { create_stream_on_append: true, otlp_default_stream: 'logs', ...config };
  expect((await control.call(`PUT /basins/${basin}`, { body: { config: all } })).status).toBeLessThan(300);
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;

/** A valid token of basin one, with changes. */
function token(claims: object = {}, by = key, head: object = {}): Promise<string> {
  return signed(by, { iss: issuer.url, aud: 'one', sub: 'shop', exp: inSeconds(300), ...claims }, head);
}

interface Sent {
  readonly basin?: string;
  readonly stream?: string;
  readonly encoding?: 'application/json' | 'application/x-protobuf';
  readonly project?: string;
}

function send(jwt: string, { basin, stream = 'logs', encoding = 'application/json', project }: Sent = {}) {
  const attributes = { 's2.stream': stream, ...(project === undefined ? {} : { 'project.id': project }) };
  const pairs = Object.entries(attributes).map(([name, value]) => ({ key: name, value: { stringValue: value } }));
  const message = {
    resourceLogs: [
      { resource: { attributes: pairs }, scopeLogs: [{ logRecords: [{ body: { stringValue: 'said' } }] }] },
    ],
  };
  return call(server.port, {
    path: '/v1/logs',
    headers: {
      authorization: `Bearer ${jwt}`,
      'content-type': encoding,
      ...(basin === undefined ? {} : { 's2-basin': basin }),
    },
    body:
      encoding === 'application/json' ? JSON.stringify(message) : REQUEST.encode(REQUEST.fromObject(message)).finish(),
  });
}

const statusOf = async (jwt: string, sent: Sent = {}) => (await send(jwt, sent)).status;

/** The bodies of stored records, or nothing when there is no stream. */
async function stored(stream: string, basin = ONE): Promise<string> {
  const { body } = await control.call(`GET /streams/${stream}/records?seq_num=0`, { basin });
  return (JSON.stringify(body) ?? '').includes('"records"') ? JSON.stringify(body) : '';
}

function messageOf({ body }: CallResponse): string {
  return (JSON.parse(body.toString()) as { message: string }).message;
}

describe('a token of a trusted issuer', () => {
  test.each(['application/json', 'application/x-protobuf'] as const)('sends %s as its subject', async (encoding) => {
    const stream = `stamped-${encoding.length}`;
    expect(await statusOf(await token(), { stream, encoding, project: 'bank' })).toBe(200);
    const records = await stored(stream);
    expect(records).toMatch(/project\.id.{1,20}shop/);
    expect(records).not.toContain('bank');
  });

  test.each(['RS256', 'RS512', 'PS384', 'ES384', 'ES512', 'EdDSA', 'Ed25519'])('may be signed with %s', async (alg) => {
    const other = await makeKey('other', alg);
    const basin = `signed-${alg.toLowerCase()}`;
    await put(basin, { oidc: { issuer: issuer.url, jwks: { keys: [other.jwk] }, audience: alg } });
    expect(await statusOf(await token({ aud: alg }, other))).toBe(200);
    expect(await stored('logs', basin)).toContain('said');
  });

  test('needs no key id when only one key fits, and may have several audiences', async () => {
    const [ec, rsa] = [await makeKey('ec'), await makeKey('rsa', 'RS256')];
    await put('nameless-keys', { oidc: { issuer: issuer.url, jwks: { keys: [ec.jwk, rsa.jwk] }, audience: 'keys' } });
    for (const by of [ec, rsa]) {
      expect(await statusOf(await token({ aud: ['other', 'keys'] }, by, { kid: undefined }))).toBe(200);
    }
  });

  test('sends to the basin of its audience, also when that is named, and to no other', async () => {
    const two = await token({ aud: 'two' });
    expect(await statusOf(two, { stream: 'by-audience' })).toBe(200);
    expect(await stored('by-audience', TWO)).toContain('said');
    expect(await statusOf(two, { stream: 'by-name', basin: TWO })).toBe(200);
    for (const [basin, why] of [
      [ONE, /audience/],
      ['telemetry', /not trusted by the basin/],
      ['no-such-basin', /not trusted by the basin/],
    ] as const) {
      const refused = await send(two, { stream: 'astray', basin });
      expect([basin, refused.status, messageOf(refused)]).toEqual([basin, 401, expect.stringMatching(why)]);
    }
    expect(await stored('astray', ONE)).toBe('');
  });

  test('with an audience that several basins trust must name the basin', async () => {
    for (const basin of ['shared-audience-a', 'shared-audience-b']) {
      await put(basin, { oidc: issuer.trustedFor('shared') });
    }
    const jwt = await token({ aud: 'shared' });
    const refused = await send(jwt);
    expect([refused.status, messageOf(refused)]).toEqual([400, expect.stringContaining('S2-Basin')]);
    expect(await statusOf(jwt, { basin: 'shared-audience-b' })).toBe(200);
    expect(await stored('logs', 'shared-audience-a')).toBe('');
    expect(await statusOf(await token({ aud: 'shared' }, await makeKey('first')))).toBe(401);
  });

  test('creates streams where the basin allows it', async () => {
    await put('no-new-streams', { oidc: issuer.trustedFor('closed'), create_stream_on_append: false });
    const { status, body } = await send(await token({ aud: 'closed' }));
    expect([status, body.toString()]).toEqual([200, expect.stringContaining('"rejectedLogRecords":"1"')]);
  });

  test('is unknown at other endpoints', async () => {
    const jwt = await token();
    expect(await statusOf(jwt)).toBe(200);
    const headers = { authorization: `Bearer ${jwt}`, 's2-basin': ONE, 'content-type': 'application/json' };
    for (const [method, path, body] of [
      ['GET', '/v1/whoami'],
      ['GET', '/v1/streams'],
      ['GET', '/v1/streams/logs/records?seq_num=0'],
      ['POST', '/v1/streams/logs/records', { records: [{ body: 'x' }] }],
      ['GET', `/v1/basins/${ONE}`],
      ['POST', '/v1/access-tokens', { id: 'x', scope: { ops: ['append'] } }],
      ['POST', '/v1/tickets', { basin: ONE, stream: 'logs', operation: 'read' }],
      ['POST', '/v1/ingest-token/exchange', { credential: jwt }],
      ['GET', '/metrics'],
    ] as const) {
      const answer = await call(server.port, { method, path, headers, ...(body && { body: JSON.stringify(body) }) });
      expect([path, answer.status]).toEqual([path, 401]);
    }
    const url = `ws://127.0.0.1:${server.port}/v1/streams/logs/records?seq_num=0&wait=0&basin=${ONE}`;
    const reader = new Reader(url, 's2.json', { headers: { authorization: `Bearer ${jwt}` } });
    expect((await reader.ended).code).not.toBe(1000);
    expect(reader.got.map((frame) => JSON.stringify(frame)).join('')).not.toContain('said');
  });

  test('has a principal name that no token of ours can have', async () => {
    const scope = { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['append'] };
    expect(await control.refusal('POST /access-tokens', { body: { id: 'oidc:shop', scope } })).toBe('422 invalid');
  });
});

const UNKNOWN_TOKEN = /^the token is not known here, or has expired$/;
/** What the sender is told, by the check. */
const SAID: Readonly<Record<string, RegExp>> = {
  audience: /^the audience of the token \("aud"\)/,
  issuer: /^the issuer of the token \("iss"\)/,
  expired: /^the token has expired/,
  expiry: /^the token does not say when it expires/,
  'not yet valid': /^the token is not valid yet/,
  subject: /^the subject of the token/,
  signature: /^the signature of the token/,
  key: /^the issuer of the token has no key for it/,
  algorithm: /^the algorithm of the token/,
  form: /^the token is not a JWT/,
};

describe('a token is refused', () => {
  test.each<readonly [string, () => Promise<string>, string | undefined]>([
    ['for another audience', () => token({ aud: 'three' }), 'audience'],
    ['without an audience', () => token({ aud: undefined }), 'audience'],
    ['of another issuer', () => token({ iss: `${issuer.url}/` }), 'issuer'],
    ['of an issuer with our name', () => token({ iss: 'tailrace' }), undefined],
    ['without an issuer', () => token({ iss: undefined }), 'issuer'],
    ['that has expired', () => token({ exp: inSeconds(-60) }), 'expired'],
    ['that never expires', () => token({ exp: undefined }), 'expiry'],
    ['that is not good yet', () => token({ nbf: inSeconds(120) }), 'not yet valid'],
    ['without a subject', () => token({ sub: undefined }), 'subject'],
    ['with an empty subject', () => token({ sub: '' }), 'subject'],
    ['with a subject that is a number', () => token({ sub: 7 }), 'form'],
    ['with half a character', () => token({ sub: '\ud800' }), 'subject'],
    ['with a subject that is too long', () => token({ sub: 'x'.repeat(4_096 - 'project.id'.length + 1) }), 'subject'],
    ['of a foreign key under a known id', async () => token({}, await makeKey('first')), 'signature'],
    ['of an unknown key', async () => token({}, await makeKey('unknown')), 'key'],
    ['of an unknown key without id', async () => token({}, await makeKey(undefined)), 'signature'],
    ['without a signature', async () => `${unsecured()}AAAA`, 'algorithm'],
    ['signed with the public key as a secret', async () => symmetric(JSON.stringify(key.jwk)), 'algorithm'],
    ['signed with its PEM as a secret', async () => symmetric(await publicPem()), 'algorithm'],
  ])('%s, and its sender and the log are told so', async (_name, make, check) => {
    const jwt = await make();
    const said = check === undefined ? UNKNOWN_TOKEN : SAID[check];
    for (const basin of [undefined, ONE]) {
      const refused = await send(jwt, { stream: 'refused', ...(basin === undefined ? {} : { basin }) });
      expect([refused.status, messageOf(refused)]).toEqual([401, expect.stringMatching(said ?? /^$/)]);
    }
    if (check !== undefined) expect(server.stderr()).toMatch(new RegExp(`was refused, check ${check}`));
    expect(await stored('refused')).toBe('');
    expect(server.stderr()).not.toContain(jwt);
    expect(server.stderr()).not.toContain(jwt.split('.')[1]);
  });

  test('without a word on basins, when its sender cannot sign as the issuer', async () => {
    const forged = await token({ aud: 'two' }, await makeKey('first'));
    for (const basin of [ONE, TWO, 'telemetry', 'no-such-basin']) {
      expect([basin, messageOf(await send(forged, { basin }))]).toEqual([
        basin,
        expect.stringMatching(/^the signature/),
      ]);
    }
  });

  test('when it was changed', async () => {
    const [head, , signature] = (await token()).split('.');
    const [, claims] = (await token({ sub: 'bank' })).split('.');
    expect(await statusOf(`${head}.${claims}.${signature}`)).toBe(401);
  });

  test('but not when its times are just within the limits', async () => {
    const longest = 'x'.repeat(4_096 - 'project.id'.length);
    expect(await statusOf(await token({ sub: longest }))).toBe(200);
    expect(await statusOf(await token({ nbf: inSeconds(10), exp: inSeconds(20) }))).toBe(200);
    expect(await statusOf(await token({ exp: inSeconds(-10) }))).toBe(200);
  });

  function unsecured(): string {
    const claims = { iss: issuer.url, aud: 'one', sub: 'shop', exp: inSeconds(300) };
    return new UnsecuredJWT(claims).encode();
  }

  function symmetric(secret: string): Promise<string> {
    const claims = { iss: issuer.url, aud: 'one', sub: 'shop', exp: inSeconds(300) };
    return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(Buffer.from(secret));
  }

  async function publicPem(): Promise<string> {
    return exportSPKI((await importJWK(key.jwk, key.alg, { extractable: true })) as CryptoKey);
  }
});

describe('a change of the trusted issuer takes effect at once', () => {
  const basin = 'changing-mind';

  test('for another audience, for no issuer, and back', async () => {
    const oidc = issuer.trustedFor('before');
    await put(basin, { oidc });
    const jwt = await token({ aud: 'before' });
    expect(await statusOf(jwt)).toBe(200);
    const patch = (body: object) => control.call(`PATCH /basins/${basin}`, { body });
    await patch({ create_stream_on_read: true });
    expect(await statusOf(jwt)).toBe(200);
    await patch({ oidc: issuer.trustedFor('after') });
    expect(await statusOf(jwt)).toBe(401);
    expect(await statusOf(await token({ aud: 'after' }))).toBe(200);
    await patch({ oidc: null });
    expect(await statusOf(await token({ aud: 'after' }))).toBe(401);
    await put(basin, { oidc });
    expect(await statusOf(jwt)).toBe(200);
  });

  test('for other keys of the same issuer', async () => {
    const [old, fresh] = [await makeKey('k'), await makeKey('k')];
    const oidc = (by: IssuerKey) => ({ issuer: issuer.url, jwks: { keys: [by.jwk] }, audience: 'keys-change' });
    await put(basin, { oidc: oidc(old) });
    const jwt = await token({ aud: 'keys-change' }, old);
    expect(await statusOf(jwt)).toBe(200);
    await put(basin, { oidc: oidc(fresh) });
    expect(await statusOf(jwt)).toBe(401);
    expect(await statusOf(await token({ aud: 'keys-change' }, fresh))).toBe(200);
  });

  test.each([
    [{ create_stream_on_read: false }, 'HTTP/1.1 200'],
    [{ oidc: null }, 'HTTP/1.1 401'],
  ])('also while a body is still arriving: %j', async (change, answer) => {
    await put(basin, { create_stream_on_read: true, oidc: issuer.trustedFor('slow') });
    const body = '{"resourceLogs":[]}';
    const connection = await connectRaw(server.port);
    const head = [
      ...[
        'POST /v1/logs HTTP/1.1',
        'Host: 127.0.0.1',
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
      ],
      ...[`Authorization: Bearer ${await token({ aud: 'slow' })}`, 'Expect: 100-continue', 'Connection: close'],
    ];
    connection.send(`${head.join('\r\n')}\r\n\r\n`);
    // It asks for the body once it knows the sender.
    await connection.until(/HTTP\/1\.1 100/);
    await control.call(`PATCH /basins/${basin}`, { body: change });
    connection.send(body);
    await connection.closed;
    expect(connection.received()).toContain(answer);
  });

  test('and so does the deletion of the basin, with or without its name in the request', async () => {
    await put('going-basin', { oidc: issuer.trustedFor('going') });
    const jwt = await token({ aud: 'going' });
    expect(await statusOf(jwt)).toBe(200);
    await control.call('DELETE /basins/going-basin');
    expect(await statusOf(jwt)).toBe(401);
    expect(await statusOf(jwt, { basin: 'going-basin' })).toBe(401);
  });
});

test('an issuer is returned as given, refused with a reason, and kept across a restart', async () => {
  const { body } = await control.call(`GET /basins/${ONE}`);
  expect(body).toMatchObject({ oidc: issuer.trustedFor('one') });
  const wrong = { ...issuer.trustedFor('one'), issuer: 'http://issuer.example' };
  expect(await control.refusal(`PATCH /basins/${ONE}`, { body: { oidc: wrong } })).toBe('422 invalid');
  expect(await control.refusal(`PATCH /basins/${ONE}`, { body: { oidc: 'yes' } })).toBe('400 bad_json');
  const jwt = await token({ sub: 'after a restart' });
  await server.stop();
  await start();
  expect((await control.call(`GET /basins/${ONE}`)).body).toEqual(body);
  expect(await statusOf(jwt, { stream: 'restarted' })).toBe(200);
  expect(await stored('restarted')).toContain('after a restart');
});

describe('tailrace doctor', () => {
  const doctor = (jwt: string): Promise<CliResult> =>
    runCli(['doctor', '--endpoint', server.url], { env: { TAILRACE_TOKEN: jwt }, cwd: dataDir });

  test('finds that a token of a trusted issuer is good for OTLP data', async () => {
    const found = await doctor(await token());
    expect([found.code, found.stdout]).toEqual([
      0,
      expect.stringMatching(/^ok +token .*a JWT, which sends OTLP data/m),
    ]);
    expect(found.stdout).not.toContain('root-token');
  });

  test('says which check a token fails, and does not propose a new root token', async () => {
    for (const [claims, said] of [
      [{ exp: inSeconds(-60) }, /fault +token .*the token has expired/],
      [{ aud: 'three' }, /fault +token .*the audience of the token/],
      [{ iss: 'https://issuer.example' }, /fault +token .*the issuer of the token/],
    ] as const) {
      const found = await doctor(await token(claims));
      expect([found.code, found.stdout]).toEqual([3, expect.stringMatching(said)]);
      expect(found.stdout).not.toContain('root-token');
    }
  });
});
