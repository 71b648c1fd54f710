/** Trusted proxies: which address a request counts as coming from, whatever its headers claim. */

import { describe, expect, test } from '@jest/globals';
import { networkFault, type ProxyHeaders, TrustedProxies } from '../../src/access/trusted-proxies.ts';
import { parseConfig } from '../../src/config.ts';
import { PROXY_HOPS_MAX, PROXY_NETWORKS_MAX, REQUEST_HEADER_BYTES_MAX } from '../../src/model/limits.ts';

const NETWORKS = ['10.0.0.0/8', '127.0.0.1', 'fd00::/8'];
const listed = new TrustedProxies(NETWORKS);

const senderOf = (peer: string | undefined, headers: ProxyHeaders, proxies = listed): string | undefined =>
  proxies.read(peer, headers)?.sender;
const via = (list: string): ProxyHeaders => ({ 'x-forwarded-for': list });

describe('with addresses and networks', () => {
  test('a header counts only on the connection of a trusted proxy', () => {
    expect(senderOf('127.0.0.1', via('203.0.113.9'))).toBe('203.0.113.9');
    expect(senderOf('10.255.0.1', via('203.0.113.9'))).toBe('203.0.113.9');
    for (const peer of ['127.0.0.2', '11.0.0.1', '203.0.113.1', '::1', '', undefined]) {
      expect(listed.read(peer, via('198.51.100.7'))).toBeUndefined();
    }
  });

  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['198.51.100.7, 203.0.113.9', '203.0.113.9'],
    ['198.51.100.7, 203.0.113.9, 10.0.0.4', '203.0.113.9'],
    ['10.0.0.9, 203.0.113.9,10.0.0.4 ,  10.0.0.5', '203.0.113.9'],
    ['127.0.0.1, 203.0.113.9', '203.0.113.9'],
    ['10.0.0.4', '10.0.0.4'],
    ['203.0.113.9:55012', '203.0.113.9'],
    ['2001:DB8:0::9', '2001:db8::9'],
    ['[2001:db8::9]:55012', '2001:db8::9'],
    ['198.51.100.7, fd00::4', '198.51.100.7'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['203.0.113.8, ::ffff:0a00:0004', '203.0.113.8'],
  ])('X-Forwarded-For %p means %s: the last address that is no trusted proxy', (list, sender) => {
    expect(senderOf('127.0.0.1', via(list))).toBe(sender);
  });

  test.each([
    '',
    ' ',
    ',',
    'unknown',
    '203.0.113.9, unknown',
    '203.0.113.9, 10.0.0.300',
    'localhost',
    '1.2.3',
    '"10.0.0.4"',
  ])('what is no address ends the walk at the proxy that is known: %p', (list) => {
    expect(senderOf('127.0.0.1', via(list))).toBe('127.0.0.1');
    expect(senderOf('127.0.0.1', via(`${list}, 10.0.0.4`))).toBe('10.0.0.4');
  });

  test('the connection of a proxy is known by its address however that is written', () => {
    expect(senderOf('::ffff:10.0.0.4', via('203.0.113.9'))).toBe('203.0.113.9');
    expect(senderOf('fd00::1%eth0', via('203.0.113.9'))).toBe('203.0.113.9');
    expect(senderOf('::ffff:11.0.0.4', via('203.0.113.9'))).toBeUndefined();
  });

  test('a header that came several times is read as one list', () => {
    expect(senderOf('10.0.0.1', { 'x-forwarded-for': ['198.51.100.7', '203.0.113.9, 10.0.0.2'] })).toBe('203.0.113.9');
  });

  test('a chain of trusted proxies is followed up to its limit, however long the header is', () => {
    const chain = (length: number): string => Array.from({ length }, () => '10.0.0.4').join(',');
    expect(senderOf('10.0.0.1', via(`203.0.113.9,${chain(PROXY_HOPS_MAX - 1)}`))).toBe('203.0.113.9');
    expect(senderOf('10.0.0.1', via(`203.0.113.9,${chain(PROXY_HOPS_MAX)}`))).toBe('10.0.0.4');
    const garbage = 'x'.repeat(REQUEST_HEADER_BYTES_MAX);
    expect(senderOf('10.0.0.1', via(`${garbage},203.0.113.9`))).toBe('203.0.113.9');
    expect(senderOf('10.0.0.1', via(garbage))).toBe('10.0.0.1');
  });
});

describe('with a count of proxies', () => {
  test.each([
    [1, '198.51.100.7, 203.0.113.9', '203.0.113.9'],
    [2, '198.51.100.7, 203.0.113.9', '198.51.100.7'],
    [2, '192.0.2.1, 198.51.100.7, 203.0.113.9', '198.51.100.7'],
    [3, '198.51.100.7, 203.0.113.9', '198.51.100.7'],
    [2, 'unknown, 203.0.113.9', '203.0.113.9'],
  ])('%i of them and X-Forwarded-For %p mean %s', (hops, list, sender) => {
    expect(senderOf('192.0.2.200', via(list), new TrustedProxies(hops))).toBe(sender);
  });

  test('a connection without a header is its own sender', () => {
    expect(senderOf('192.0.2.200', {}, new TrustedProxies(1))).toBe('192.0.2.200');
  });
});

describe('the header Forwarded', () => {
  const forwarded = (text: string): string | undefined => senderOf('10.0.0.1', { forwarded: text });

  test.each([
    ['for=203.0.113.9', '203.0.113.9'],
    ['for=198.51.100.7, for=203.0.113.9;proto=https;by=10.0.0.1', '203.0.113.9'],
    ['For="[2001:db8::9]:4711"', '2001:db8::9'],
    ['for=203.0.113.9, for="10.0.0.4:80"', '203.0.113.9'],
    ['for=198.51.100.7, host="a,b";for=203.0.113.9', '203.0.113.9'],
    ['for="198.51.100.7, for=203.0.113.9', '203.0.113.9'],
    ['for="198.51.100.7" , for=203.0.113.9', '203.0.113.9'],
    ['for=_hidden', '10.0.0.1'],
    ['for=unknown, for=10.0.0.4', '10.0.0.4'],
    ['by=203.0.113.9', '10.0.0.1'],
    ['for=203.0.113.9 for=198.51.100.7', '10.0.0.1'],
  ])('%p means %s', (text, sender) => {
    expect(forwarded(text)).toBe(sender);
  });

  test('does not count beside X-Forwarded-For, which most proxies write and which then is theirs', () => {
    const both = { ...via('203.0.113.9'), forwarded: 'for=198.51.100.7' };
    expect(senderOf('10.0.0.1', both)).toBe('203.0.113.9');
  });
});

describe('scheme and host that the sender used', () => {
  const seen = (headers: ProxyHeaders, peer = '10.0.0.1') => {
    const { scheme, host } = listed.read(peer, headers) ?? {};
    return [scheme, host];
  };

  test.each<[ProxyHeaders, (string | undefined)[]]>([
    [{ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'logs.example' }, ['https', 'logs.example']],
    [{ 'x-forwarded-proto': 'HTTP, https', 'x-forwarded-host': 'a.example:8443, b' }, ['http', 'a.example:8443']],
    [{ 'x-forwarded-proto': 'javascript', 'x-forwarded-host': 'a b' }, [undefined, undefined]],
    [{ 'x-forwarded-host': 'a'.repeat(301) }, [undefined, undefined]],
    [{ forwarded: 'for=1.2.3.4;proto=https;host="a.example:8443"' }, ['https', 'a.example:8443']],
    [{ forwarded: 'for=9.9.9.9;host=bad, for=1.2.3.4;proto=http' }, ['http', undefined]],
    [{}, [undefined, undefined]],
  ])('of %j are taken when they are legal', (headers, expected) => {
    expect(seen(headers)).toEqual(expected);
  });

  test('do not count on the connection of a stranger', () => {
    expect(seen({ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example' }, '11.0.0.1')).toEqual([
      undefined,
      undefined,
    ]);
  });
});

describe('the setting', () => {
  const setting = (trustProxy: number | string | readonly string[]) => parseConfig({ trustProxy }).trustProxy;

  test('takes a count, and addresses and networks in one text or in several', () => {
    expect([setting(1), setting('2'), setting(['3']), setting(PROXY_HOPS_MAX)]).toEqual([1, 2, 3, PROXY_HOPS_MAX]);
    expect(setting('10.0.0.0/8, ::1')).toEqual(['10.0.0.0/8', '::1']);
    expect(setting(['10.0.0.7', 'fd00::/8,10.0.0.7'])).toEqual(['10.0.0.7', 'fd00::/8']);
    expect([setting(''), setting([]), parseConfig({}).trustProxy]).toEqual([undefined, undefined, undefined]);
  });

  test.each([
    [0, `from 1 to ${PROXY_HOPS_MAX}`],
    [PROXY_HOPS_MAX + 1, `from 1 to ${PROXY_HOPS_MAX}`],
    [1.5, 'how many there are'],
    ['0', 'how many there are'],
    ['1,10.0.0.1', '"1" is no IP address or network'],
    ['localhost', '"localhost" is no IP address or network: write 10.0.0.7, or 10.0.0.0/8'],
    ['10.0.0.0/33', 'needs a number from 1 to 32 behind the slash'],
    ['fd00::/129', 'needs a number from 1 to 128 behind the slash'],
    ['10.0.0.0/8/8', 'no IP address'],
    ['0.0.0.0/0', 'anyone could claim to be anyone'],
    ['::/0', 'anyone could claim to be anyone'],
    ['fe80::1%eth0', 'no IP address'],
  ])('%p is refused by name, with what to write', (value, reason) => {
    expect(() => setting(value)).toThrow('--trust-proxy (TAILRACE_TRUST_PROXY)');
    expect(() => setting(value)).toThrow(reason);
  });

  test('has a limit on how many networks there are', () => {
    const some = (count: number) => Array.from({ length: count }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`);
    expect(setting(some(PROXY_NETWORKS_MAX))).toHaveLength(PROXY_NETWORKS_MAX);
    expect(() => setting(some(PROXY_NETWORKS_MAX + 1))).toThrow(`at most ${PROXY_NETWORKS_MAX}`);
  });

  test.each(['10.0.0.1', '10.0.0.0/1', '10.0.0.0/32', '::1', 'fd00::/128'])('%s is a network to trust', (text) => {
    expect(networkFault(text)).toBeUndefined();
  });
});
