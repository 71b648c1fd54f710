/** Origins: how `--cors-origin` is written, and which pages belong to an origin that the operator configured. */

import { describe, expect, test } from '@jest/globals';
import { Origins, refusedOrigin } from '../../src/access/origins.ts';
import { parseConfig } from '../../src/config.ts';

describe('with named origins', () => {
  const origins = new Origins(['https://app.example', 'http://localhost:3000']);

  test.each(['https://app.example', 'http://localhost:3000'])('%s is allowed', (origin) => {
    expect(origins.allows(origin)).toBe(true);
  });

  test.each([
    undefined,
    '',
    'null',
    '*',
    'http://app.example',
    'https://app.example:8443',
    'https://app.example.evil',
    'https://evil-app.example',
    'https://app.example/',
    'http://localhost',
    'https://app.example, https://app.example',
  ])('%s is not allowed', (origin) => {
    expect(origins.allows(origin)).toBe(false);
    expect(new Origins([]).allows(origin)).toBe(false);
  });

  test('several Origin headers are not allowed, whatever they contain', () => {
    expect(origins.allows(['https://app.example'])).toBe(false);
    expect(new Origins(['*']).allows(['https://app.example'])).toBe(false);
  });
});

describe('with any origin', () => {
  const origins = new Origins(['*']);

  test.each(['https://any.example', 'null', 'capacitor://localhost', `https://${'a'.repeat(292)}`])(
    '%s is allowed',
    (one) => {
      expect(origins.allows(one)).toBe(true);
    },
  );

  test.each([
    undefined,
    '',
    '*',
    'https://a.example, https://b.example',
    'nonsense',
    `https://${'a'.repeat(293)}`,
    'http://evil.com#.localhost',
    'http://evil.com:80.localhost',
    'http://evil.com\\.localhost',
    'https://user@a.example',
    'https://a.example:99999',
    'https://a..example',
    'https://[a.example]',
  ])('%s is not allowed, since no browser sends it', (one) => {
    expect(origins.allows(one)).toBe(false);
  });
});

test.each([
  ['https://app.example', '"https://app.example" (--cors-origin https://app.example lets its pages in)'],
  ['HTTPS://App.Example:443', '"HTTPS://App.Example:443" (--cors-origin https://app.example lets its pages in)'],
  ['null', '"null" (a page without an origin, which --cors-origin * alone lets in)'],
  ['http://evil.com#.localhost', '"http://evil.com#.localhost" (no browser sends that)'],
  ['x\n', '"x\\n" (no browser sends that)'],
])('a refused origin %j is explained as %s', (origin, sentence) => {
  expect(refusedOrigin(origin)).toBe(sentence);
});

describe('--cors-origin', () => {
  test.each([
    ['https://app.example', ['https://app.example']],
    ['https://App.Example:443, http://localhost:3000,', ['https://app.example', 'http://localhost:3000']],
    [['http://a.example:80', 'http://a.example'], ['http://a.example']],
    ['*', ['*']],
    ['http://[::1]:8080', ['http://[::1]:8080']],
    ['https://bücher.example', ['https://xn--bcher-kva.example']],
    ['capacitor://localhost', ['capacitor://localhost']],
    ['', undefined],
    [[], undefined],
  ])('accepts the origins %j', (given, origins) => {
    expect(parseConfig({ corsOrigin: given }).corsOrigin).toEqual(origins);
    // A parsed value has the same meaning when it is parsed again.
    expect(parseConfig({ corsOrigin: origins }).corsOrigin).toEqual(origins);
  });

  test.each([
    ['https://app.example/', 'write https://app.example'],
    ['https://app.example:443/path?x#y', 'write https://app.example'],
    ['https://user:secret@app.example', 'write https://app.example'],
    ['app.example', 'write it as https://app.example'],
    ['localhost:3000', 'write it as https://app.example'],
    ['https://*.app.example', 'write it as https://app.example'],
    ['https://app.example:99999', 'write it as https://app.example'],
    ['null', 'write it as https://app.example'],
    ['file://', 'write it as https://app.example'],
  ])('refuses the origin %s: %s', (origin, advice) => {
    const refused = () => parseConfig({ corsOrigin: ['https://good.example', origin] });
    expect(refused).toThrow(expect.objectContaining({ code: 'config' }));
    expect(refused).toThrow(`--cors-origin (TAILRACE_CORS_ORIGIN) takes origins`);
    expect(refused).toThrow(advice);
  });

  test('refuses any origin without tokens, and accepts named ones', () => {
    expect(() => parseConfig({ corsOrigin: '*', noAuth: true })).toThrow(/--cors-origin .*--no-auth/);
    const named = { corsOrigin: ['https://app.example'], noAuth: true };
    expect(parseConfig(named)).toMatchObject(named);
  });
});
