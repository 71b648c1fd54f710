/** Records encrypted with the caller's key: who can read them, and which keys are invalid. */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { codeOf, makeBasin, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

const KEY = { 's2-encryption-key': randomBytes(32).toString('base64') };
const OTHER = { 's2-encryption-key': randomBytes(32).toString('base64') };
const ONE = { records: [{ body: 'x' }] };

const CIPHERS = ['aes-256-gcm', 'aegis-256'];

let server: TestServer;
let s2: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  for (const cipher of CIPHERS) {
    const both = { create_stream_on_append: true, create_stream_on_read: true };
    await makeBasin(server, nameOf(cipher), { ...both, stream_cipher: cipher });
  }
});

afterAll(async () => {
  await server.stop();
});

describe.each(CIPHERS)('records encrypted with %s', (cipher) => {
  beforeAll(() => {
    s2 = new RecordsClient(server, nameOf(cipher));
  });

  test('are read with the key that wrote them, in every form', async () => {
    const input = { records: [{ body: 'secret é', headers: [['k', 'v']] }, { body: '' }] };
    expect((await s2.append('safe', input, KEY))[0]).toBe(200);
    const trimmed = { 's2-encryption-key': `  ${KEY['s2-encryption-key']} ` };
    const { records, tail } = await s2.batch('safe', '?seq_num=0', trimmed);
    expect(records).toMatchObject([{ body: 'secret é', headers: [['k', 'v']] }, { seq_num: 1 }]);
    expect(tail).toMatchObject({ seq_num: 2 });
    const proto = await s2.get('safe', '?seq_num=0', { ...KEY, accept: 'application/protobuf' });
    expect(proto.body.includes('secret é')).toBe(true);
    const events = await (await s2.sse('safe', '?seq_num=0&count=1', KEY)).rest();
    expect(events[0]?.id).toBe(`0,1,${8 + 2 + 2 + 9}`);
    const both = await (await s2.sse('safe', '?seq_num=0&count=2', KEY)).rest();
    expect(both.at(-2)?.id).toBe(`1,2,${8 + 2 + 2 + 9 + 8}`);
    expect(await s2.tail('safe')).toMatchObject([200, { tail: { seq_num: 2 } }]);
  });

  test('are metered by their content, not by their stored size', async () => {
    expect((await s2.append('metered', { records: [{ body: 'x'.repeat(1_048_568) }] }, KEY))[0]).toBe(200);
    expect((await s2.batch('metered', '?seq_num=0&bytes=1048576', KEY)).records).toHaveLength(1);
    expect((await s2.batch('metered', '?seq_num=0&bytes=1048575', KEY)).records).toHaveLength(0);
  });

  test('are not readable with a wrong key, and the error says so', async () => {
    await s2.append('wrong', ONE, KEY);
    expect(codeOf(await s2.read('wrong', '?seq_num=0', OTHER))).toEqual([400, 'decryption_failed']);
    const events = await (await s2.sse('wrong', '?seq_num=0&count=5', OTHER)).rest();
    expect(events).toHaveLength(1);
    expect([events[0]?.event, JSON.parse(events[0]?.data ?? '')]).toMatchObject([
      'error',
      { code: 'decryption_failed' },
    ]);
  });

  test('may follow records of another key; each key reads its own', async () => {
    await s2.append('both', ONE, KEY);
    await s2.append('both', { records: [{ body: 'y' }] }, OTHER);
    expect((await s2.batch('both', '?seq_num=0&count=1', KEY)).records).toMatchObject([{ body: 'x' }]);
    expect((await s2.batch('both', '?seq_num=1', OTHER)).records).toMatchObject([{ body: 'y' }]);
  });

  test('leave commands in the clear, which take effect', async () => {
    const fence = { records: [{ headers: [['', 'fence']], body: 'tok' }] };
    await s2.append('fenced', fence, KEY);
    expect(await s2.append('fenced', { ...ONE, fencing_token: 'no' }, KEY)).toEqual([
      412,
      { fencing_token_mismatch: 'tok' },
    ]);
    const [status, body] = await s2.read('fenced', '?seq_num=0', OTHER);
    expect([status, body]).toMatchObject([200, { records: [{ headers: [['', 'fence']], body: 'tok' }] }]);
  });
});

describe.each(CIPHERS)('an encryption key of %s', (cipher) => {
  beforeAll(() => {
    s2 = new RecordsClient(server, nameOf(cipher));
  });

  test.each([
    ['none', {}],
    ['of 31 bytes', { 's2-encryption-key': Buffer.alloc(31).toString('base64') }],
    ['of 16 bytes', { 's2-encryption-key': Buffer.alloc(16).toString('base64') }],
    ['no base64', { 's2-encryption-key': '*'.repeat(44) }],
    ['without its padding', { 's2-encryption-key': Buffer.alloc(32).toString('base64').slice(0, 43) }],
    ['empty', { 's2-encryption-key': ' ' }],
    ['too long', { 's2-encryption-key': `${Buffer.alloc(33).toString('base64')}A` }],
  ])('that is %s is a bad header, before any response', async (_what, headers) => {
    await s2.append('keyed', ONE, KEY);
    const refusals = [
      await s2.append('keyed', ONE, headers),
      await s2.read('keyed', '?seq_num=0', headers),
      await s2.read('keyed', '?seq_num=0&count=0', headers),
      await s2.read('keyed', '?seq_num=0', { ...headers, accept: 'text/event-stream' }),
    ];
    expect(refusals.map(codeOf)).toEqual(refusals.map(() => [400, 'bad_header']));
    // It names the cipher, for which the key is wanted.
    for (const refusal of refusals) expect(JSON.stringify(refusal)).toMatch(new RegExp(`s2-encryption-key.*${cipher}`));
  });

  test('is repeated in no message', async () => {
    const secret = `${'S'.repeat(40)}!!!!`;
    for (const key of [secret, `${secret}x`]) {
      const answer = await s2.post('keyed', JSON.stringify(ONE), { 's2-encryption-key': key });
      expect(answer.body.toString()).not.toContain('SSSS');
    }
    expect(server.stderr() + server.stdout()).not.toContain('SSSS');
  });

  test('is ignored by a stream without a cipher, unless it is empty or too long', async () => {
    const plain = new RecordsClient(server);
    for (const key of ['x', '*'.repeat(44), KEY['s2-encryption-key']]) {
      expect((await plain.append('open', ONE, { 's2-encryption-key': key }))[0]).toBe(200);
      expect((await plain.read('open', '?seq_num=0', { 's2-encryption-key': key }))[0]).toBe(200);
    }
    for (const key of ['', '  ', 'x'.repeat(45)]) {
      expect(codeOf(await plain.append('open', ONE, { 's2-encryption-key': key }))).toEqual([400, 'bad_header']);
      expect(codeOf(await plain.read('open', '?seq_num=0', { 's2-encryption-key': key }))).toEqual([400, 'bad_header']);
    }
  });

  test('does not change the cipher that a stream was created with', async () => {
    const basin = await makeBasin(server, `change-${cipher}`, { create_stream_on_append: true });
    await basin.append('old', ONE);
    const path = `/v1/basins/${basin.basin}`;
    expect((await basin.control('PATCH', path, { stream_cipher: cipher }))[0]).toBe(200);
    expect((await basin.append('old', ONE))[0]).toBe(200);
    expect(codeOf(await basin.append('new', ONE))).toEqual([400, 'bad_header']);
    expect((await basin.append('new', ONE, KEY))[0]).toBe(200);
  });
});

function nameOf(cipher: string): string {
  return `encrypted-${cipher}`;
}
