/** The `text` view: one line per record, which nothing in the record can break. */

import { describe, expect, test } from '@jest/globals';
import { textLines } from '../../src/otlp/views/text.ts';
import type { Block } from '../../src/storage/block/block.ts';
import { header, otlpBlock, s2Block } from '../support/socket-blocks.ts';
import { EVERY_ATTRIBUTE_JSON, LOGS, METRICS, TRACES } from '../support/socket-requests.ts';

const TIME = '2023-11-14T22:13:20.123456789Z';

function linesOf(block: Block): readonly string[] {
  return textLines(block, 0, block.header.count);
}

const WITH_LABELS =
  `${EVERY_ATTRIBUTE_JSON.slice(0, -1)},"host.cpus":4,` +
  '"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174"}';

test('a line of a log has time, level, service, body, attributes, those of the resource, and ids', async () => {
  const lines = linesOf(await otlpBlock('logs', LOGS));
  expect(lines[0]).toBe(`${TIME} ERROR checkout payment failed ${WITH_LABELS}`);
  expect(lines[1]).toBe(`${TIME} WARN  checkout ${EVERY_ATTRIBUTE_JSON} {"host.cpus":4}`);
  expect(lines[2]).toMatch(/^2023-11-14T22:13:20\.\d{9}Z AUDIT -$/);
});

test('a line of a span has name, duration and status', async () => {
  const lines = linesOf(await otlpBlock('traces', TRACES));
  expect(lines[0]).toBe(`${TIME} SPAN  checkout GET /cart 12.500001ms error: boom ${WITH_LABELS}`);
  expect(lines[1]).toMatch(/ SPAN {2}checkout bare - unset \{"host.cpus":4\}$/);
});

test('a line of a metric has name, kind and values', async () => {
  const lines = linesOf(await otlpBlock('metrics', METRICS)).map((line) => line.slice(TIME.length + 1));
  expect(lines).toEqual([
    'METRIC checkout temperature gauge Cel 21.5 {"route":"/"}, NaN {"route":"/"} {"source":"roof","host.cpus":4}',
    'METRIC checkout requests sum 1 9007199254740993 {"route":"/"} {"host.cpus":4}',
    'METRIC checkout latency histogram count=3 sum=6.5 min=1 max=4 {"route":"/"}, count=0 {"route":"/"} {"host.cpus":4}',
    'METRIC checkout size exponentialHistogram count=5 sum=10 {"route":"/"} {"host.cpus":4}',
    'METRIC checkout quantiles summary count=2 sum=3 {"route":"/"} {"host.cpus":4}',
    'METRIC checkout nothing - {"host.cpus":4}',
  ]);
});

test('an attribute of the resource, which a token may have set, wins over one of the item with its name', async () => {
  const attribute = (stringValue: string) => ({ key: 'workspace_id', value: { stringValue } });
  const logRecords = [{ body: { stringValue: 'x' }, attributes: [attribute('forged')] }];
  const resource = { attributes: [attribute('w1')] };
  const [line] = linesOf(await otlpBlock('logs', { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }));
  expect(line).toContain('x {"workspace_id":"w1"}');
});

test('a line does not repeat the service, and not what is known of its SDK', async () => {
  const keys = ['service.name', 'telemetry.sdk.name', 's2.stream', 'host.name'];
  const attributes = keys.map((key) => ({ key, value: { stringValue: 'y' } }));
  const scopeLogs = [{ logRecords: [{ body: { stringValue: 'x' } }] }];
  const [line] = linesOf(await otlpBlock('logs', { resourceLogs: [{ resource: { attributes }, scopeLogs }] }));
  expect(line).toMatch(/ y x \{"s2.stream":"y","host.name":"y"\}$/);
});

describe('hostile content', () => {
  /** C0, DEL, C1, bidirectional controls, line separators, a byte order mark. */
  const HOSTILE =
    '\u0000\u0007\b\t\n\u000b\r\u001b[31m\u001b]0;t\u0007\u007f\u0085\u009b2J\u061c\u200e\u2028\u2029\u202e\u2066\ufeff';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not get through
  const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

  test('in any text of a log record cannot break the line', async () => {
    const text = { stringValue: HOSTILE };
    const attributes = [{ key: HOSTILE, value: { arrayValue: { values: [text] } } }];
    const request = {
      resourceLogs: [
        {
          resource: { attributes: [{ key: 'service.name', value: text }] },
          scopeLogs: [
            {
              logRecords: [
                { body: text, severityText: HOSTILE, attributes },
                { body: { kvlistValue: { values: attributes } }, eventName: HOSTILE },
                { eventName: HOSTILE },
              ],
            },
          ],
        },
      ],
    };
    const lines = linesOf(await otlpBlock('logs', request));
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).not.toMatch(HARMFUL);
    expect(lines[2]).toContain('\\u0000\\u0007\\u0008\\t\\n\\u000b\\r\\u001b[31m');
  });

  test('in spans, metrics and plain records cannot break the line either', async () => {
    const attributes = [{ key: HOSTILE, value: { stringValue: HOSTILE } }];
    const span = { name: HOSTILE, status: { code: 2, message: HOSTILE }, attributes };
    const metric = { name: HOSTILE, unit: HOSTILE, gauge: { dataPoints: [{ asInt: '1', attributes }] } };
    const blocks = [
      await otlpBlock('traces', { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
      await otlpBlock('metrics', { resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] }),
      await s2Block([
        { body: HOSTILE },
        { body: Buffer.from([0x1b, 0xff, 0x0a]), headers: [header(HOSTILE, HOSTILE)] },
      ]),
    ];
    const lines = blocks.flatMap(linesOf);
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).not.toMatch(HARMFUL);
  });

  test('as a service name with blanks stays one column', async () => {
    const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'a b' } }] };
    const request = { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }] };
    expect(linesOf(await otlpBlock('logs', request))[0]).toMatch(/ - {5}"a b" x$/);
  });

  test('is not confused with other scripts, emoji and backslashes, which stay readable', async () => {
    const body = { stringValue: 'C:\\temp größe 数 👩‍🚀' };
    const request = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body }] }] }] };
    expect(linesOf(await otlpBlock('logs', request))[0]).toContain('- C:\\temp größe 数 👩‍🚀');
  });
});
