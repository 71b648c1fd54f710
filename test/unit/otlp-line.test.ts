/** Lines of a Collector's file: what is sent on is their text, and only the stream is named in it. */

import { describe, expect, test } from '@jest/globals';
import { isOtlp, otlpLine, requestOf } from '../../cli/move/otlp-line.ts';

const line = (text: string, stream?: string) => otlpLine(text, JSON.parse(text) as Record<string, unknown>, stream);
const NAMED = '{"key":"s2.stream","value":{"stringValue":"new \\"one\\""}}';

describe('a line', () => {
  test('says its signal, its streams and how many items it holds', () => {
    const logs = line(
      '{"resourceLogs":[{"resource":{"attributes":[{"key":"s2.stream","value":{"stringValue":"a"}}]},"scopeLogs":[{"logRecords":[{},{}]}]},{}]}',
    );
    expect(logs).toMatchObject({ signal: 'logs', items: 2, streams: new Set(['a', undefined]) });
    expect(line('{"resource_spans":[{"scope_spans":[{"spans":[{}]},{"spans":[{},{}]}]}]}')).toMatchObject({
      signal: 'traces',
      items: 3,
    });
    const metrics =
      '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"dataPoints":[{},{}]}},{"summary":{"dataPoints":[{}]}}]}]}]}';
    expect(line(metrics)).toMatchObject({ signal: 'metrics', items: 3 });
    expect(isOtlp({ body: 'x' })).toBe(false);
  });

  test.each(['{"resourceLogs":[],"resourceSpans":[]}', '{"resourceLogs":7}', '{"resourceLogs":null}'])(
    '%s is refused',
    (text) => {
      expect(() => line(text)).toThrow(expect.objectContaining({ code: 'invalid' }));
    },
  );

  test('several lines of one signal are one request, digit for digit', () => {
    const parts = [
      ' { "resourceLogs" : [ {"a":-0.0,"b":18446744073709551615} , {"c":"]}\\"\\\\"} ] } ',
      '{"resource_logs":[]}',
      '{"resourceLogs":[{"d":[[],{}]}]}',
    ];
    const lines = parts.map((text) => line(text).resources);
    const request = requestOf('logs', lines);
    expect(request.replace(/\s+/g, '')).toBe(
      '{"resourceLogs":[{"a":-0.0,"b":18446744073709551615},{"c":"]}\\"\\\\"},{"d":[[],{}]}]}',
    );
  });
});

test.each([
  ['{}', `{"resource":{"attributes":[${NAMED}]}}`],
  ['{"scopeLogs":[1e5]}', `{"resource":{"attributes":[${NAMED}]},"scopeLogs":[1e5]}`],
  ['{"resource":null,"x":1}', `{"resource":{"attributes":[${NAMED}]},"x":1}`],
  ['{"resource":{}}', `{"resource":{"attributes":[${NAMED}]}}`],
  ['{"resource":{"droppedAttributesCount":1}}', `{"resource":{"attributes":[${NAMED}],"droppedAttributesCount":1}}`],
  ['{"resource":{"attributes":null}}', `{"resource":{"attributes":[${NAMED}]}}`],
  ['{"resource":{"attributes":[]}}', `{"resource":{"attributes":[${NAMED}]}}`],
  ['{"resource":{"attributes":[{"key":"a"} ]}}', `{"resource":{"attributes":[{"key":"a"},${NAMED} ]}}`],
  [
    '{"resource":{"attributes":[{"key":"s2.stream","value":{"stringValue":"old"}},{"key":"a"}]}}',
    `{"resource":{"attributes":[${NAMED},{"key":"a"}]}}`,
  ],
])('the stream is named in %s and nothing else is changed', (resource, expected) => {
  const text = `{"resourceLogs":[${resource},${resource}]}`;
  expect(line(text, 'new "one"').resources).toBe(`${expected},${expected}`);
});
