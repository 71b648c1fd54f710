/** `GET /v1/audit`: the root token sees the last lines of the audit log without looking into the log, and no one else does. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { GRANTED_OPERATIONS } from '../../src/model/operation.ts';
import { call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

interface Answer {
  readonly since: string;
  readonly now: string;
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  readonly has_more: boolean;
  readonly forgotten: number;
}

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server.stop());

async function ask(method: string, path: string, body?: unknown, token = server.token) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-correlation-id': 'mine' };
  const { status, body: bytes } = await call(server.port, {
    ...{ method, path, headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status, text: bytes.toString() };
}

async function audit(query = ''): Promise<Answer> {
  const { status, text } = await ask('GET', `/v1/audit${query}`);
  expect(status).toBe(200);
  return JSON.parse(text) as Answer;
}

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

test('what the start of the server did is there, and looking leaves no line', async () => {
  const first = await audit();
  expect(first).toMatchObject({ since: TIME, now: TIME, has_more: false, forgotten: 0 });
  expect(first.lines.length).toBeGreaterThan(0);
  for (const line of first.lines) expect(line).toMatchObject({ time: TIME, outcome: 'done', protocol: 'start' });
  expect((await audit()).lines).toEqual(first.lines);
});

test('the newest line is the first, with who did what to what, from where, when and with what result', async () => {
  const before = (await audit()).lines.length;
  await ask('POST', '/v1/basins', { basin: 'audited-one' });
  await ask('DELETE', '/v1/basins/not-there');
  await ask('GET', '/v1/basins', undefined, 'unknown-token');
  const { lines } = await audit();
  expect(lines).toHaveLength(before + 3);
  const from = { time: TIME, protocol: 'http', sender: '127.0.0.1', correlation_id: 'mine' };
  expect(lines.slice(0, 3)).toEqual([
    {
      ...from,
      ...{ action: 'list-basins', outcome: 'refused', error: 'authn', principal: 'unknown' },
      reason: expect.stringContaining('token'),
    },
    {
      ...from,
      ...{ action: 'delete-basin', outcome: 'failed', error: 'basin_not_found', principal: 'root', basin: 'not-there' },
      reason: expect.stringContaining('not-there'),
    },
    { ...from, action: 'create-basin', outcome: 'done', principal: 'root', basin: 'audited-one' },
  ]);
  expect(await audit('?limit=2')).toMatchObject({ lines: lines.slice(0, 2), has_more: true, forgotten: 0 });
});

test('a token is named by its id and number, and a token with every operation may not look', async () => {
  const scope = {
    basins: { prefix: '' },
    streams: { prefix: '' },
    access_tokens: { prefix: '' },
    ops: GRANTED_OPERATIONS,
  };
  const issued = await ask('POST', '/v1/access-tokens', { id: 'all-but-root', scope });
  const { access_token: secret } = JSON.parse(issued.text) as { access_token: string };
  const refused = await ask('GET', '/v1/audit', undefined, secret);
  expect(refused).toMatchObject({ status: 403, text: expect.not.stringContaining('"lines"') });
  const { lines } = await audit('?limit=2');
  expect(lines).toMatchObject([
    { action: 'list-audit', outcome: 'refused', principal: 'all-but-root', principal_number: expect.any(Number) },
    { action: 'issue-access-token', outcome: 'done', principal: 'root', token_id: 'all-but-root' },
  ]);
});

test('what looks like a secret is in no line, wherever a caller put it', async () => {
  const secret = `trk_${'5e'.repeat(24)}`;
  await ask('DELETE', `/v1/access-tokens/${secret}`);
  await ask('GET', `/v1/streams/${secret}`, undefined, secret);
  await ask('DELETE', `/v1/streams/${secret}`);
  const { status, text } = await ask('GET', '/v1/audit?limit=3');
  expect(status).toBe(200);
  expect(text).not.toContain(secret);
  expect(text.match(/"(?:token_id|stream)":"\[secret\]"/g)?.length).toBeGreaterThanOrEqual(2);
});
