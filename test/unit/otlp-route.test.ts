/** Which stream a resource goes to: `s2.stream`, then the basin's template, then nowhere, each with its reason. */

import { describe, expect, test } from '@jest/globals';
import type { Signal } from '../../src/model/record.ts';
import { routeResource, type StreamRoute } from '../../src/otlp/routing/route.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { field, varint } from '../support/otlp-wire.ts';

type Bytes = readonly number[];

const text = (value: string): Bytes => field(1, value);
const attribute = (key: string, ...values: readonly Bytes[]): Bytes =>
  field(1, [...field(1, key), ...values.flatMap((value) => field(2, value))]);
const resource = (...fields: readonly Bytes[]): Bytes => field(1, fields.flat());
const ITEM: Bytes = field(2, field(2, []));

function routed(fields: readonly Bytes[], fallback = '', signal: Signal = 'logs'): StreamRoute {
  const scanned = scanRequest(signal, Uint8Array.from(field(1, fields.flat())), { requestRecordsMax: 10 });
  return routeResource(scanned, 0, { fallback });
}

describe('s2.stream', () => {
  test.each<readonly [name: string, fields: readonly Bytes[], stream: string]>([
    ['names the stream', [resource(attribute('s2.stream', text('app'))), ITEM], 'app'],
    ['the attribute after the scopes counts', [ITEM, resource(attribute('s2.stream', text('app')))], 'app'],
    [
      'among others',
      [resource(attribute('a', text('x')), attribute('s2.stream', text('äpp/1')), attribute('z')), ITEM],
      'äpp/1',
    ],
    [
      'the last one counts',
      [resource(attribute('s2.stream', text('one')), attribute('s2.stream', text('two'))), ITEM],
      'two',
    ],
    [
      'also over repeated resources',
      [resource(attribute('s2.stream', text('one'))), ITEM, resource(attribute('s2.stream', text('two')))],
      'two',
    ],
    ['the last value counts', [resource(attribute('s2.stream', text('one'), text('two'))), ITEM], 'two'],
    [
      'the last member of a oneof counts',
      [resource(attribute('s2.stream', [...varint(0x18), 5, ...text('two')])), ITEM],
      'two',
    ],
    ['an empty value adds nothing', [resource(attribute('s2.stream', text('one'), [])), ITEM], 'one'],
    [
      'the last key counts',
      [resource(field(1, [...field(1, 'other'), ...field(1, 's2.stream'), ...field(2, text('app'))])), ITEM],
      'app',
    ],
    ['a value before its key', [resource(field(1, [...field(2, text('app')), ...field(1, 's2.stream')])), ITEM], 'app'],
    [
      'unknown fields do not matter',
      [
        [0x43, 0x0a, 0x00, 0x44],
        resource([0x48, 1], attribute('s2.stream', [...field(900, 'x'), ...text('app')])),
        ITEM,
      ],
      'app',
    ],
    ['a name of 512 bytes', [resource(attribute('s2.stream', text('é'.repeat(256)))), ITEM], 'é'.repeat(256)],
  ])('decides: %s', (_, fields, stream) => {
    expect(routed(fields)).toEqual({ stream });
    // The template is not used.
    expect(routed(fields, 'fallback')).toEqual({ stream });
  });

  test.each<readonly [name: string, value: Bytes, says: RegExp]>([
    ['empty', text(''), /not a valid stream name.*empty/],
    ['too long', text('x'.repeat(513)), /not a valid stream name.*512/],
    ['a dot', text('.'), /not a valid stream name/],
    ['a NUL', text('a\0b'), /not a valid stream name.*NUL/],
    ['a number', [...varint(0x18), 5], /must be a string/],
    ['bytes', field(7, 'app'), /must be a string/],
    ['a string and then a number', [...text('app'), ...varint(0x18), 5], /must be a string/],
    ['a list', field(5, field(1, text('app'))), /must be a string/],
    ['nothing', [], /must be a string/],
  ])('is refused and never replaced by the template: %s', (_, value, says) => {
    for (const fallback of ['', 'fallback']) {
      expect(routed([resource(attribute('s2.stream', value)), ITEM], fallback)).toEqual({
        rejected: expect.stringMatching(says),
      });
    }
  });

  test('does not count when another key overrides it', () => {
    const overridden = field(1, [...field(1, 's2.stream'), ...field(1, 'other'), ...field(2, text('app'))]);
    expect(routed([resource(overridden), ITEM], 'fallback')).toEqual({ stream: 'fallback' });
  });
});

describe('the fallback template', () => {
  const service = (name: string): Bytes => attribute('service.name', text(name));

  test.each<readonly [template: string, attributes: readonly Bytes[], stream: string]>([
    ['{service.name}', [service('shop')], 'shop'],
    ['{service.name}', [], 'unknown_service'],
    ['{service.name}', [service('')], 'unknown_service'],
    ['{service.name}', [service('one'), service('two')], 'two'],
    ['otlp/{signal}/{service.name}', [service('shop')], 'otlp/traces/shop'],
    [
      '{k8s.pod}-{index}',
      [attribute('k8s.pod', text('web')), attribute('index', [...varint(0x18), ...varint(2n ** 64n - 3n)])],
      'web--3',
    ],
    ['{flag}', [attribute('flag', [0x10, 1])], 'true'],
    ['{flag}', [attribute('flag', [0x10, 0x80, 0x00])], 'false'],
    ['{share}', [attribute('share', [0x21, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f])], '1.5'],
    ['fixed', [], 'fixed'],
  ])('%s names the stream', (template, attributes, stream) => {
    expect(routed([resource(...attributes), ITEM], template, 'traces')).toEqual({ stream });
  });

  test('gives a reason that names an attribute that is missing or not text', () => {
    const says = { rejected: expect.stringContaining('tenant') };
    expect(routed([ITEM], '{tenant}/{service.name}')).toEqual(says);
    expect(routed([resource(attribute('tenant', text(''))), ITEM], '{tenant}')).toEqual(says);
    expect(routed([resource(attribute('tenant', field(7, 'x'))), ITEM], '{tenant}')).toEqual(says);
  });

  test('must result in a stream name', () => {
    const long = resource(service('x'.repeat(600)));
    expect(routed([long, ITEM], '{service.name}')).toEqual({ rejected: expect.stringMatching(/512.*s2\.stream/) });
  });

  test('is off when empty: the reason says how to name a stream', () => {
    expect(routed([resource(service('shop')), ITEM])).toEqual({
      rejected: expect.stringContaining('OTEL_RESOURCE_ATTRIBUTES=s2.stream='),
    });
  });
});
