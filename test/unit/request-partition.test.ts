/** Which partition a request is for: that of its basin, wherever a protocol names it or its caller. */

import { beforeEach, expect, test } from '@jest/globals';
import { BasinRule } from '../../src/access/basin-rule.ts';
import { ANYONE, type Principal } from '../../src/access/grant.ts';
import { ticketPrefix } from '../../src/access/tickets.ts';
import { hashToken } from '../../src/access/tokens/credential.ts';
import { type PortName, RequestPartitions, type RoutedRequest } from '../../src/node/request-partition.ts';

const SECRET = 'trk_of-shop';
const shopOnly = {
  ...ANYONE,
  token: { id: 'of-shop', scope: { basins: { exact: 'basin-bb' }, streams: {}, operations: [] } },
} as unknown as Principal;

/** What this node has followed, and what comes when it catches up. */
let places: Map<string, number>;
let tokens: Map<string, Principal>;
let late: { readonly places: Map<string, number>; readonly tokens: Map<string, Principal> };
/** JWTs, which are no secrets that are stored. */
const verified = new Set<string>();
let catchUps: number;
/** Basins whose place says a partition that this node leads, and that it does not have. */
let gone: Set<string>;
let isOpen: boolean;
let count: number;

const partitions = new RequestPartitions({
  basinRule: new BasinRule({ defaultBasin: 'telemetry' }),
  count: () => count,
  access: () => ({
    get isOpen() {
      return isOpen;
    },
    find: (hash) => tokens.get(hash),
    identifySender: (credential = '') =>
      verified.has(credential) ? shopOnly : (tokens.get(hashToken(credential)) ?? Promise.reject(new Error('unknown'))),
  }),
  placeOf: (basin) => places.get(basin),
  foundIn: (basin) => (gone.has(basin) ? undefined : places.get(basin)),
  catchUp: async () => {
    catchUps++;
    for (const [basin, place] of late.places) places.set(basin, place);
    for (const [secret, holder] of late.tokens) tokens.set(hashToken(secret), holder);
  },
});

const of = (request: Partial<RoutedRequest>, port: PortName = 'http'): number | Promise<number> =>
  partitions.of({ method: 'GET', url: '/', headers: {}, ...request }, port, {});

beforeEach(() => {
  places = new Map([
    ['telemetry', 0],
    ['basin-aa', 1],
    ['basin-bb', 2],
  ]);
  tokens = new Map([[hashToken(SECRET), shopOnly]]);
  late = { places: new Map(), tokens: new Map() };
  [catchUps, isOpen, count, gone] = [0, true, 3, new Set()];
});

test('the basin is found in header, parameter, Host and path, on both ports', () => {
  const headers = { 's2-basin': 'basin-aa' };
  for (const url of ['/v1/streams', '/v1/streams/a/records?seq_num=1', '/v1/records', '/v1/logs', '/otlp/v1/traces']) {
    expect([url, of({ url, headers })]).toEqual([url, 1]);
  }
  expect(of({ url: '/v1/streams/a/records?basin=basin-bb' })).toBe(2);
  expect(of({ url: '/v1/streams/a/records', headers: { host: 'basin-bb.localhost:4318' } })).toBe(2);
  expect([of({ url: '/v1/basins/basin-aa' }), of({ url: '/v1/metrics/basin-bb/a?set=storage' })]).toEqual([1, 2]);
  expect(of({ method: 'POST', url: '/v1/metrics', headers })).toBe(1);
  expect(
    of({ method: 'POST', url: '/opentelemetry.proto.collector.logs.v1.LogsService/Export', headers }, 'grpc'),
  ).toBe(1);
});

test('what is of no basin is for partition 0, whatever basin it names', () => {
  const headers = { 's2-basin': 'basin-aa' };
  for (const url of [
    '/v1/basins',
    '/v1/access-tokens',
    '/v1/tickets',
    '/v1/metrics',
    '/',
    '/v1/cluster',
    '/v1/streamsX',
  ]) {
    expect([url, of({ url, headers })]).toEqual([url, 0]);
  }
  expect(of({ url: '/grpc.health.v1.Health/Check', headers }, 'grpc')).toBe(0);
});

test('without a name it is the only basin of the token, else the default one', () => {
  expect(of({ url: '/v1/logs', method: 'POST' })).toBe(0);
  isOpen = false;
  const shown = [
    { authorization: `Bearer ${SECRET}` },
    { authorization: `Basic ${Buffer.from(`any:${SECRET}`).toString('base64')}` },
    { 'sec-websocket-protocol': `s2.json, bearer.${SECRET}` },
  ];
  for (const headers of shown) expect(of({ url: '/v1/streams/a/records', headers })).toBe(2);
  expect(catchUps).toBe(0);
});

test('a basin or a token that is not known here is looked for once more, when this node has caught up', async () => {
  isOpen = false;
  late = { places: new Map([['basin-new', 1]]), tokens: new Map([['trk_new', shopOnly]]) };
  const headers = { authorization: 'Bearer trk_new' };
  expect(await of({ url: '/v1/streams/a/records', headers })).toBe(2);
  expect(await of({ url: '/v1/streams', headers: { ...headers, 's2-basin': 'basin-new' } })).toBe(1);
  expect(await of({ url: '/v1/streams', headers: { ...headers, 's2-basin': 'basin-none' } })).toBe(0);
  expect(catchUps).toBe(2);
});

test('who has no valid token, and what names two basins, is refused by any server alike', async () => {
  isOpen = false;
  expect(await of({ url: '/v1/streams', headers: { authorization: 'Bearer wrong' } })).toBe(0);
  expect(of({ url: '/v1/streams?basin=basin-aa', headers: { 's2-basin': 'basin-bb' } })).toBe(0);
  expect(of({ url: '/v1/streams?basin=basin-aa&basin=basin-bb' })).toBe(0);
  expect(of({ url: '/v1/streams' })).toBe(0);
});

test('a ticket says which partition knows it, and one without a number is of partition 0', () => {
  const url = (partition: number): string =>
    `/v1/streams/a/records?ticket=${ticketPrefix(partition)}_abc&basin=basin-aa`;
  expect([of({ url: url(2) }), of({ url: url(0) })]).toEqual([2, 0]);
  // Anybody may write any number.
  expect([of({ url: url(3) }), of({ url: url(999) })]).toEqual([0, 0]);
});

test('with one partition nothing is looked at', () => {
  count = 1;
  expect(of({ url: '/v1/streams', headers: { 's2-basin': 'basin-aa', authorization: 'Bearer wrong' } })).toBe(0);
  expect(catchUps).toBe(0);
});

test('a client of a proxy, which names the whole URL, is sent to the same partition', () => {
  const headers = { 's2-basin': 'basin-aa' };
  expect(of({ method: 'POST', url: 'http://any.example/v1/logs', headers })).toBe(1);
  expect(of({ url: 'http://any.example/v1/basins/basin-bb' })).toBe(2);
});

test('a basin that may be made begins where places are given out, also where there was one of its name', () => {
  expect(of({ method: 'PUT', url: '/v1/basins/basin-aa' })).toBe(0);
  expect(['GET', 'PATCH', 'DELETE'].map((method) => of({ method, url: '/v1/basins/basin-aa' }))).toEqual([1, 1, 1]);
});

test('a basin that this node leads and does not have may be elsewhere by now', async () => {
  gone.add('basin-aa');
  late = { places: new Map([['basin-aa', 2]]), tokens: new Map() };
  const request = { method: 'POST', url: '/v1/logs', headers: { 's2-basin': 'basin-aa' } };
  expect(await of(request)).toBe(2);
  late = { places: new Map(), tokens: new Map() };
  expect(await of(request)).toBe(2);
  expect(catchUps).toBe(2);
});

test('a JWT that is verified needs no look at the log, and one that is not may be signed with a new key', async () => {
  isOpen = false;
  const authorization = 'Bearer jwt';
  const request = { method: 'POST', url: '/v1/logs', headers: { authorization, 's2-basin': 'basin-aa' } };
  expect(await of(request)).toBe(1);
  expect(catchUps).toBe(1);
  verified.add('jwt');
  expect(await of(request)).toBe(1);
  expect(catchUps).toBe(1);
});
