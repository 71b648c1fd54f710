/** Integers of all widths at their limits: how they may be written in JSON, what they become, what is refused. */

import { describe, expect, test } from '@jest/globals';
import type { JsonTally } from '../../src/otlp/json/transcode.ts';
import { exponential, item, log } from '../support/json-item.ts';

describe('64-bit integers', () => {
  test.each([
    ['"-9223372036854775808"', '-9223372036854775808'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['"9223372036854775807"', '9223372036854775807'],
    ['9223372036854775807', '9223372036854775807'],
    ['9007199254740993', '9007199254740993'],
    ['0', '0'],
    ['-0', '0'],
    ['"-1"', '-1'],
    ['-1', '-1'],
    ['999999999', '999999999'],
    ['1000000000', '1000000000'],
    ['4294967296', '4294967296'],
    ['18446744073709551e-3', undefined],
    ['1.0', '1'],
    ['1e3', '1000'],
    ['"1.50E+1"', '15'],
    ['9223372036854775807.000', '9223372036854775807'],
    ['922337203685477580700e-2', '9223372036854775807'],
    ['0e99999999999', '0'],
    ['"\\u0031\\u0032"', '12'],
  ])('are read from intValue %s', (text, value) => {
    if (value === undefined) expect(() => log(`{"body":{"intValue":${text}}}`)).toThrow('intValue must be an integer');
    else expect(log(`{"body":{"intValue":${text}}}`)).toEqual({ body: { intValue: value } });
  });

  test.each([
    ['"9223372036854775808"', 'out of range'],
    ['"-9223372036854775809"', 'out of range'],
    ['"1e19"', 'out of range'],
    ['"1e99999999999"', 'out of range'],
    ['"18446744073709551616"', 'out of range'],
    ['"100000000000000000000000"', 'out of range'],
    ['1e99999999999', 'beyond the range of a double'],
    ['1.5', 'must be an integer'],
    ['1e-1', 'must be an integer'],
    ['01', 'must be an integer'],
    ['"01"', 'must be an integer'],
    ['"+1"', 'must be an integer'],
    ['""', 'must be an integer'],
    ['" 1"', 'must be an integer'],
    ['"0x10"', 'must be an integer'],
    ['true', 'must be an integer'],
    ['{}', 'must be an integer'],
    ['-', 'must be an integer'],
  ])('are refused as intValue %s', (text, why) => {
    expect(() => log(`{"body":{"intValue":${text}}}`)).toThrow(why);
  });

  test.each([
    ['"18446744073709551615"', '18446744073709551615'],
    ['18446744073709551615', '18446744073709551615'],
    ['"1700000000000932606"', '1700000000000932606'],
    ['1700000000000932606', '1700000000000932606'],
    ['"9999999999999999999"', '9999999999999999999'],
    ['"1000000000000000000"', '1000000000000000000'],
    ['"999999999999999999"', '999999999999999999'],
    ['"1.7e18"', '1700000000000000000'],
    ['1700000000000932606.0', '1700000000000932606'],
  ])('are read from timeUnixNano %s', (text, value) => {
    expect(log(`{"timeUnixNano":${text}}`)).toEqual({ timeUnixNano: value });
  });

  test.each([
    '"18446744073709551616"',
    '-1',
    '"-1"',
    '"99999999999999999999"',
    '"0700000000000932606"',
    '"17000000000009326o6"',
  ])('are refused as timeUnixNano %s', (text) => {
    expect(() => log(`{"timeUnixNano":${text}}`)).toThrow(
      /^the body is not OTLP\/JSON: timeUnixNano (is out of|must be)/,
    );
  });
});

describe('integers that are too large for 64 bits', () => {
  // SDKs of JavaScript write every number without a fraction as intValue.
  test.each([
    ['9223372036854775808', 2 ** 63],
    ['-9223372036854775809', -(2 ** 63)],
    ['18446744073709552000', 2 ** 64],
    ['1e19', 1e19],
    ['-1e+21', -1e21],
    ['1.7976931348623157e+308', Number.MAX_VALUE],
    ['100000000000000000000000', 1e23],
  ])('are the double beside them when they are numbers: %s', (text, value) => {
    const tally: JsonTally = { enumNames: 0 };
    expect(log(`{"body":{"intValue":${text}}}`, tally)).toEqual({ body: { doubleValue: value } });
    expect(log(`{"body":{ "intValue" : ${text} }}`)).toEqual({ body: { doubleValue: value } });
    const attributes = (one: string) => `{"attributes":[{"key":"k","value":{${one}}}]}`;
    const wanted = { attributes: [{ key: 'k', value: { doubleValue: value } }] };
    expect(log(attributes(`"intValue":${text}`))).toEqual(wanted);
    const point = `{"asInt":${text},"exemplars":[{"asInt":${text}}],"timeUnixNano":1}`;
    expect(item('metrics', `{"gauge":{"dataPoints":[${point}]}}`)).toEqual({
      gauge: { dataPoints: [{ asDouble: value, exemplars: [{ asDouble: value }], timeUnixNano: '1' }] },
    });
    expect(tally.doublesForIntegers).toBe(1);
  });
});

// The exporters of HTTP/JSON of OpenTelemetry for JavaScript 0.44 write all times so.
describe('64-bit integers in two halves, as JavaScript keeps them,', () => {
  test.each([
    ['{"low":1032178965,"high":395812094}', 1_700_000_000_123_456_789n],
    ['{"low":-1386245121,"high":395812094}', 1_700_000_001_999_999_999n],
    ['{ "low" : 4294967295 ,\n "high" : 0 }', 2n ** 32n - 1n],
    ['{"low":5,"high":0,"unsigned":true}', 5n],
    ['{"low":-1,"high":-1,"unsigned":true}', 2n ** 64n - 1n],
    ['{"low":0,"high":-2147483648,"unsigned":false}', 2n ** 63n],
  ])('are read from %s', (text, value) => {
    const tally: JsonTally = { enumNames: 0 };
    expect(log(`{"timeUnixNano":${text},"severityText":"x"}`, tally)).toEqual({
      timeUnixNano: String(value),
      severityText: 'x',
    });
    expect(tally.integerHalves).toBe(1);
    const signed = String(BigInt.asIntN(64, value));
    expect(log(`{"body":{"intValue":${text}}}`)).toEqual({ body: { intValue: signed } });
    expect(exponential(`{"positive":{"bucketCounts":[1,${text}]}}`)).toEqual({
      positive: { bucketCounts: ['1', String(value)] },
    });
    expect(item('metrics', `{"gauge":{"dataPoints":[{"asInt":${text}}]}}`)).toEqual({
      gauge: { dataPoints: [{ asInt: signed }] },
    });
  });

  test.each([
    '{}',
    '{"low":1}',
    '{"high":1,"low":1}',
    '{"low":4294967296,"high":0}',
    '{"low":0,"high":-2147483649}',
    '{"low":0.5,"high":0}',
    '{"low":"0","high":"0"}',
    '{"low":0,"high":0,"more":1}',
  ])('are refused as %s', (text) => {
    expect(() => log(`{"timeUnixNano":${text}}`)).toThrow('timeUnixNano must be an integer');
    expect(() => log('{"flags":{"low":0,"high":0}}')).toThrow('flags must be an integer');
  });
});

describe('32-bit integers', () => {
  test('are accepted at both limits', () => {
    expect(log('{"flags":4294967295,"droppedAttributesCount":"4294967295"}')).toEqual({
      flags: 4294967295,
      droppedAttributesCount: 4294967295,
    });
    expect(exponential('{"scale":-2147483648}')).toEqual({ scale: -2147483648 });
    expect(exponential('{"scale":2147483647}')).toEqual({ scale: 2147483647 });
    expect(exponential('{"positive":{"offset":-1,"bucketCounts":["0",300,"18446744073709551615"]}}')).toEqual({
      positive: { offset: -1, bucketCounts: ['0', '300', '18446744073709551615'] },
    });
  });

  test.each([
    '{"flags":4294967296}',
    '{"flags":-1}',
    '{"droppedAttributesCount":"4294967296"}',
    '{"severityNumber":2147483648}',
  ])('are refused as %s', (text) => {
    expect(() => log(text)).toThrow('is out of range: send a number from ');
  });

  test('are refused for a scale beyond its limits', () => {
    expect(() => exponential('{"scale":2147483648}')).toThrow('from -2147483648 to 2147483647');
    expect(() => exponential('{"scale":-2147483649}')).toThrow('from -2147483648 to 2147483647');
  });
});
