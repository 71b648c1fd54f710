/** What the client makes of arguments: texts are UTF-8, and a wrong one is refused before anything is sent. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';

/** A client as JavaScript sees it, and whatever a program may pass by mistake. */
type Anything = ReturnType<typeof JSON.parse>;

let server: Server;
let endpoint: string;
let client: Anything;
let heard: { readonly url: string; readonly auth: string | undefined; readonly body: string }[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    heard.push({ url: request.url ?? '', auth: request.headers.authorization, body });
    const at = { seq_num: 0, timestamp: 0 };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ start: at, end: at, tail: at }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = createClient({ endpoint });
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const first = (frames: AsyncGenerator<unknown>) => frames.next();
const x = [{ body: 'x' }];
const holdsItself: Anything = {};
holdsItself.itself = holdsItself;

test('texts are sent as UTF-8, in bodies, in headers and as requests of OTLP', async () => {
  heard = [];
  await client.append('s', [{ body: 'grüße', headers: [['naïve', Buffer.from('v')]] }]);
  await client.sendOtlp('logs', '{"a":"ü"}', 'application/json');
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  expect(JSON.parse(heard[0]?.body ?? '')).toEqual({
    records: [{ headers: [[base64('naïve'), base64('v')]], body: base64('grüße') }],
  });
  expect(heard[1]?.body).toBe('{"a":"ü"}');
});

test('a token is sent without the line break that its file ends with', async () => {
  heard = [];
  await createClient({ endpoint, token: 'secret\n' }).checkTail('s');
  expect(heard[0]?.auth).toBe('Bearer secret');
});

describe('a wrong argument is invalid and nothing is sent:', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['a number as a body', () => client.append('s', [{ body: 42 }])],
    ['no body', () => client.append('s', [{}])],
    ['an array as a body', () => client.append('s', [{ body: [1] }])],
    ['a typed array of other numbers', () => client.append('s', [{ body: new Float64Array(1) }])],
    ['NaN as a timestamp', () => client.append('s', [{ body: 'x', timestamp: Number.NaN }])],
    ['NaN as a condition', () => client.append('s', x, { matchSeqNum: Number.NaN })],
    ['a misspelt condition', () => client.append('s', x, { matchSeqnum: 0 })],
    ['a number as a fencing token', () => client.append('s', x, { fencingToken: 1 })],
    ['a signal that is none', () => client.append('s', x, { signal: {} })],
    ['a basin with a line break', () => client.append('s', x, { basin: 'a\nb' })],
    ['a key with a line break', () => client.append('s', x, { encryptionKey: 'a\nb' })],
    ['no records', () => client.append('s')],
    ['a stream without a name', () => client.append('', x)],
    ['a stream that is undefined', () => client.append(undefined, x)],
    ['half of a surrogate pair in a name', () => client.checkTail('\ud800')],
    ['a name that leads out of the path', () => client.deleteStream('..')],
    ['a basin that is undefined', () => client.deleteBasin(undefined)],
    ['a token that is undefined', () => client.revokeToken(undefined)],
    ['a signal that is a number', () => client.getStream('s', { signal: 1 })],
    ['a configuration that holds itself', () => client.createStream('s', holdsItself)],
    ['a configuration with a bigint', () => client.createStream('s', { retention_bytes: 1n })],
    ['a request token with a line break', () => client.createStream('s', {}, { requestToken: 'a\nb' })],
    ['a number as a request', () => client.sendOtlp('logs', 42, 'application/json')],
    ['an unknown signal', () => client.sendOtlp('../streams', '{}', 'application/json')],
    ['an unknown content type', () => client.sendOtlp('logs', '{}', 'text/plain')],
    ['metrics of nothing', () => client.metrics()],
    ['metrics without an end', () => client.metrics({ set: 'storage', start: 0 })],
    ['a backup with a signal that is none', () => first(client.backup({ signal: {} }))],
    ['a read without a view', () => first(client.read('s'))],
    ['a read of an unknown view', () => first(client.read('s', { view: 'xml' }))],
    ['a read from a number', () => first(client.read('s', { view: 'raw', start: 0 }))],
    ['a read of a negative count', () => first(client.read('s', { view: 'raw', count: -1 }))],
    ['a read with a key that has a line break', () => first(client.read('s', { view: 'raw', encryptionKey: 'a\nb' }))],
    ['an unknown option of a read', () => first(client.read('s', { view: 'raw', from: 0 }))],
    ['a read of a number', () => first(client.read(7, { view: 'raw' }))],
  ])('%s', async (_, call) => {
    heard = [];
    await expect((async () => call())()).rejects.toMatchObject({ name: 'TailraceError', code: 'invalid' });
    expect(heard).toEqual([]);
  });

  test.each([
    ['no options', undefined],
    ['a number as the endpoint', { endpoint: 42 }],
    ['no endpoint', {}],
    ['a token with a line break in it', { endpoint: 'http://localhost', token: 'secret\nvalue' }],
    ['an unknown option', { endpoint: 'http://localhost', tokens: 'x' }],
  ])('a client with %s cannot be made', (_, options) => {
    const make = () => createClient(options as Anything);
    expect(make).toThrow(expect.objectContaining({ name: 'TailraceError', code: 'config' }));
    expect(make).not.toThrow(/secret/);
  });
});
