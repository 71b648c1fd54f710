/** Each kind of value at its limits: how it may be written in JSON, what it becomes, what is refused. */

import { describe, expect, test } from '@jest/globals';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import { type JsonTally, transcodeJson } from '../../src/otlp/json/transcode.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { exponential, item, log } from '../support/json-item.ts';
import { REQUEST_TYPES } from '../support/json-oracle.ts';

describe('enums', () => {
  test('are integers; names are tolerated and counted', () => {
    const tally: JsonTally = { enumNames: 0 };
    expect(log('{"severityNumber":9}', tally)).toEqual({ severityNumber: 9 });
    expect(log('{"severityNumber":"10"}', tally)).toEqual({ severityNumber: 10 });
    expect(log('{"severityNumber":-1}', tally)).toEqual({ severityNumber: -1 });
    expect(tally.enumNames).toBe(0);
    expect(log('{"severityNumber":"SEVERITY_NUMBER_INFO"}', tally)).toEqual({ severityNumber: 9 });
    expect(item('traces', '{"kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_ERROR"}}', tally)).toEqual({
      kind: 2,
      status: { code: 2 },
    });
    expect(tally.enumNames).toBe(3);
  });

  test('are refused when their name is unknown', () => {
    expect(() => log('{"severityNumber":"INFO"}')).toThrow('severityNumber must be an integer, the number of the enum');
  });
});

describe('doubles', () => {
  test.each([
    ['0', 0],
    ['-0', -0],
    ['-0.0', -0],
    ['0.1', 0.1],
    ['637.704', 637.704],
    ['123456789012345', 123456789012345],
    ['0.30000000000000004', 0.30000000000000004],
    ['9007199254740993', 9007199254740992],
    ['1e22', 1e22],
    ['5e-324', 5e-324],
    ['2e-400', 0],
    ['1.7976931348623157e308', Number.MAX_VALUE],
    ['"1.5"', 1.5],
    ['"-2E3"', -2000],
    ['"NaN"', Number.NaN],
    ['"Infinity"', Number.POSITIVE_INFINITY],
    ['"-Infinity"', Number.NEGATIVE_INFINITY],
  ])('are read from %s', (text, value) => {
    expect(log(`{"body":{"doubleValue":${text}}}`)).toEqual({ body: { doubleValue: value } });
  });

  test.each(['1e400', '"-1e309"'])('are refused as %s', (text) => {
    expect(() => log(`{"body":{"doubleValue":${text}}}`)).toThrow('beyond the range of a double: send "Infinity"');
  });

  test.each(['1.', '.5', '01.5', '+1', 'NaN', '"nan"', '""', '" 1"', '"1,5"', 'true', '[]', '1e', '--1'])(
    'are refused as %s',
    (text) => {
      expect(() => log(`{"body":{"doubleValue":${text}}}`)).toThrow('doubleValue must be a number, or one of "NaN"');
    },
  );

  test('of few digits become more bytes than their JSON, and arrays of them are still correct', () => {
    const bounds = Array.from({ length: 100_000 }, (_, i) => i % 10);
    const text = `{"histogram":{"dataPoints":[{"explicitBounds":[${bounds.join()}],"bucketCounts":[${bounds.join()}]}]}}`;
    const [point] = (item('metrics', text) as { histogram: { dataPoints: [Record<string, unknown>] } }).histogram
      .dataPoints;
    expect(point.explicitBounds).toEqual(bounds);
    expect(point.bucketCounts).toEqual(bounds.map(String));
  });
});

describe('ids', () => {
  const trace = '5B8EFFF798038103D269B633813FC60C';

  test('are hex in any case, the empty string or null', () => {
    const both = `{"traceId":"${trace}","spanId":"eee19b7ec3c1b174"}`;
    expect(log(both)).toEqual({ traceId: trace.toLowerCase(), spanId: 'eee19b7ec3c1b174' });
    expect(log(both.toLowerCase().replaceAll('id', 'Id'))).toEqual(log(both));
    expect(log('{"traceId":"","spanId":null}')).toEqual({});
    expect(log(`{"traceId":"\\u0035${trace.slice(1)}"}`)).toEqual({ traceId: trace.toLowerCase() });
  });

  test.each([
    ['traceId', trace.slice(1)],
    ['traceId', `${trace}0`],
    ['traceId', 'W47/95gDgQPSabYzgT/GDA=='],
    ['traceId', trace.slice(16)],
    ['spanId', 'eee19b7ec3c1b17g'],
    ['spanId', 'eight ch'],
    ['spanId', trace],
  ])('that are malformed are written as text that no id can be taken for: %s %s', (key, text) => {
    expect(log(`{"${key}":"${text}"}`)).toEqual({ [key]: `${'00'.repeat(17)}${Buffer.from(text).toString('hex')}` });
  });

  test.each(['12', 'true', '[1,2]', '{"a":"b"}'])('that are no strings are malformed ones: %s', (text) => {
    expect(log(`{"spanId":${text}}`)).toEqual({ spanId: `${'00'.repeat(17)}${Buffer.from(text).toString('hex')}` });
  });

  test('are hex in parentSpanId, links and exemplars too', () => {
    const ids = `"traceId":"${trace.toLowerCase()}","spanId":"eee19b7ec3c1b174"`;
    const span = `{${ids},"parentSpanId":"eee19b7ec3c1b173","links":[{${ids}}]}`;
    expect(item('traces', span)).toEqual(JSON.parse(span));
    const metric = `{"gauge":{"dataPoints":[{"exemplars":[{${ids}}]}]}}`;
    expect(item('metrics', metric)).toEqual(JSON.parse(metric));
  });
});

describe('bytes', () => {
  test.each(['+/+/AQ==', '-_-_AQ==', '-_-_AQ', '+/-_AQ', '+\\/+\\/AQ=='])('are read from base64 %s', (text) => {
    expect(log(`{"body":{"bytesValue":"${text}"}}`)).toEqual({ body: { bytesValue: 'fbffbf01' } });
  });

  test('may be empty or many', () => {
    const many = Buffer.alloc(70_000, 'x');
    expect(log('{"body":{"bytesValue":""}}')).toEqual({ body: { bytesValue: '' } });
    expect(log(`{"body":{"bytesValue":"${many.toString('base64')}"}}`)).toEqual({
      body: { bytesValue: many.toString('hex') },
    });
  });

  test.each(['"A"', '"AQI=="', '"AQ="', '"A=Q="', '"===="', '"AQ ID"', '"é"', '5', '["1"]'])(
    'are refused as %s',
    (text) => {
      expect(() => log(`{"body":{"bytesValue":${text}}}`)).toThrow('base64');
    },
  );
});

describe('strings', () => {
  test.each([
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'],
    ['"\\u0000\\u007f\\u0080\\u07ff\\u0800\\uffff"', '\0\u007f\u0080\u07ff\u0800\uffff'],
    ['"\\ud83d\\ude00\\uDBFF\\uDFFF"', '😀\u{10ffff}'],
    ['"é€😀 plain"', 'é€😀 plain'],
  ])('are read from %s', (text, value) => {
    expect(log(`{"severityText":${text}}`)).toEqual({ severityText: value });
  });

  test.each([1, 2, 3, 4, 5, 126, 127, 128, 129, 16_383, 16_384, 70_000])('may have %i characters', (length) => {
    const value = 'abcdefghi '.repeat(length / 10 + 1).slice(0, length);
    expect(log(`{"body":{"stringValue":"${value}"}}`)).toEqual({ body: { stringValue: value } });
    expect(log(`{"attributes":[{"key":"${value}","value":{"stringValue":"${value}"}}]}`)).toEqual({
      attributes: [{ key: value, value: { stringValue: value } }],
    });
  });

  test.each([
    ['"\\u12g4"', 'four hex digits after \\u'],
    ['"\\x41"', 'one of "\\/bfnrtu after a backslash'],
    ['"a\tb"', 'found the control character 0x09'],
    ['"a\0b"', 'found the control character 0x00'],
    ['"open', 'was it cut off?'],
  ])('are refused as %j', (text, why) => {
    expect(() => log(`{"severityText":${text}}`)).toThrow(why);
  });

  test.each([
    [[0xff]],
    [[0xc3]],
    [[0xe2, 0x82]],
    [[0xc0, 0x80]],
    [[0xed, 0xa0, 0x80]],
    [[0xf4, 0x90, 0x80, 0x80]],
    [[0x80]],
  ])('with the bytes %j are U+FFFD once they are scanned, and harm no other key', (bytes) => {
    const body = (key: string): Buffer =>
      Buffer.concat([Buffer.from(`{"resourceLogs":[{"${key}":"x`), Buffer.from(bytes), Buffer.from('"}]}')]);
    const readBack = (key: string): unknown => {
      const protobuf = transcodeJson('logs', body(key));
      scanRequest('logs', protobuf, OTLP_LIMITS);
      return REQUEST_TYPES.logs.toObject(REQUEST_TYPES.logs.decode(protobuf), { arrays: false });
    };
    const marks = new TextDecoder().decode(Uint8Array.from(bytes));
    expect(readBack('schemaUrl')).toEqual({
      resourceLogs: [{ schemaUrl: `x${bytes[0] === 0xed ? '\ufffd' : marks}` }],
    });
    expect(readBack('unknown')).toEqual({ resourceLogs: [{}] });
  });

  test.each([
    ['"\\ud83d"', '\ufffd'],
    ['"\\ude00"', '\ufffd'],
    ['"\\ud83d\\u0041"', '\ufffdA'],
    ['"\\ud83dx"', '\ufffdx'],
    ['"é\\ude00\\ud83d"', 'é\ufffd\ufffd'],
  ])('with half of a surrogate pair have U+FFFD for it: %j', (text, value) => {
    expect(log(`{"severityText":${text}}`)).toEqual({ severityText: value });
  });
});

describe('the presence of a field', () => {
  test('is kept: members of a oneof and optional fields are written with their defaults', () => {
    expect(log('{"body":{"intValue":"0"}}')).toEqual({ body: { intValue: '0' } });
    expect(log('{"body":{"boolValue":false}}')).toEqual({ body: { boolValue: false } });
    expect(log('{"body":{"stringValue":""}}')).toEqual({ body: { stringValue: '' } });
    expect(log('{"body":{"arrayValue":{}}}')).toEqual({ body: { arrayValue: {} } });
    expect(exponential('{"sum":0,"min":0,"max":-0}')).toEqual({ sum: 0, min: 0, max: -0 });
  });

  test('is absent for null, everywhere', () => {
    expect(log('{"body":null,"attributes":null,"timeUnixNano":null,"severityText":null}')).toEqual({});
    expect(log('{"body":{"stringValue":null,"intValue":"1","boolValue":null}}')).toEqual({ body: { intValue: '1' } });
    expect(transcodeJson('logs', Buffer.from('{"resourceLogs":null}'))).toHaveLength(0);
  });
});
