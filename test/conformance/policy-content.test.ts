/** What the policy of a basin takes out of OTLP data or cuts in it, at the edge of each limit, and what the response says. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import { call } from '../support/http-call.ts';
import { makeOtlpBasin } from '../support/otlp-basin.ts';
import { encodeJsonFixture, type OtlpItem } from '../support/otlp-items.ts';
import { OtlpSender, storedItems } from '../support/otlp-sender.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: ControlClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new ControlClient(server);
});

afterAll(async () => {
  await server.stop();
});

const basinWith = (config: object): Promise<string> => makeOtlpBasin(s2, config);

const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
const numbered = (count: number) => Array.from({ length: count }, (_, i) => text(`k${i}`, 'v'));
const logs = (resource: object, scope: object, ...logRecords: readonly object[]) => ({
  resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords }] }],
});
const span = (fields: object) => {
  const whole = { traceId: '0102030405060708090a0b0c0d0e0f10', spanId: '0102030405060708', name: 's', ...fields };
  return { resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans: [whole] }] }] };
};

type Kept = readonly { readonly key: string; readonly value: unknown }[];
const keysOf = (holder: unknown): readonly string[] =>
  ((holder as { attributes?: Kept } | undefined)?.attributes ?? []).map(({ key }) => key);
const itemOf = ({ item }: OtlpItem) => item as Record<string, never> & { attributes?: Kept };

/** Sends in JSON, and the same in protobuf to another basin: both must come out alike. */
async function stored(signal: 'logs' | 'traces' | 'metrics', config: object, body: object) {
  const outcomes = [];
  const items: (readonly OtlpItem[])[] = [];
  for (const bytes of [body, encodeJsonFixture(signal, Buffer.from(JSON.stringify(body)))]) {
    const basin = await basinWith(config);
    outcomes.push(await new OtlpSender(server, basin).post(signal, bytes));
    items.push(await storedItems(s2, basin, 'all', signal));
  }
  expect(items[1]).toEqual(items[0]);
  expect(outcomes.map(({ status }) => status)).toEqual([200, 200]);
  return { outcome: outcomes[0], items: items[0] ?? [] };
}

/** The warnings of the server about a basin, once there are so many. */
async function warningsOf(basin: string, count: number): Promise<readonly Record<string, unknown>[]> {
  for (;;) {
    const lines = server.stderr().split('\n').slice(0, -1);
    const found = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line.basin === basin);
    const warnings = found.filter(({ level }) => level === 'warn');
    if (warnings.length >= count) return warnings;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// The first of all: of one sender the server tells only so many causes apart in a minute.
test('the server warns of what a basin drops and cuts, once a minute for each cause and basin', async () => {
  const config = {
    otlp_drop_attributes: ['gen_ai.*'],
    otlp_limits: { attribute_value_bytes_max: 4, record_attributes_max: 2 },
    otlp_required_resource_attributes: ['team'],
  };
  const attributes = [
    text('gen_ai.prompt', 'p'),
    text('gen_ai.x', 'x'),
    text('long', '12345'),
    text('a', ''),
    text('b', ''),
  ];
  const [first, second] = [await basinWith(config), await basinWith(config)];
  for (const basin of [first, first, second]) {
    const sender = new OtlpSender(server, basin);
    const kept = logs({ attributes: [text('team', 'blue')] }, {}, { attributes });
    const { resourceLogs: lacking } = logs({}, {}, {});
    const body = { resourceLogs: [...kept.resourceLogs, ...lacking] };
    expect(await sender.post('logs', body)).toMatchObject({ status: 200, rejected: 1 });
  }
  const said = (basin: string) => [
    { basin, sender: '127.0.0.1', signal: 'logs', count: 1, msg: expect.stringMatching(/^rejected logs: .*no team/) },
    {
      ...{ basin, sender: '127.0.0.1', signal: 'logs', count: 2 },
      msg: 'changed logs: attributes were dropped, as the basin asks for (otlp_drop_attributes)',
    },
    {
      ...{ basin, sender: '127.0.0.1', signal: 'logs', count: 1 },
      msg: 'changed logs: values of attributes were cut: the basin allows 4 (otlp_limits.attribute_value_bytes_max)',
    },
    {
      ...{ basin, sender: '127.0.0.1', signal: 'logs', count: 1 },
      msg: 'changed logs: attributes of records were left out: the basin allows 2 (otlp_limits.record_attributes_max)',
    },
  ];
  expect(await warningsOf(second, 4)).toMatchObject(said(second));
  expect(await warningsOf(first, 4)).toMatchObject(said(first));
});

describe('dropped attributes', () => {
  const config = { otlp_drop_attributes: ['gen_ai.prompt', 'http.*'] };
  const some = [
    text('gen_ai.prompt', 'secret'),
    text('gen_ai.prompts', 'kept'),
    text('http.url', 'secret'),
    text('http', 'kept'),
  ];
  const kept = ['gen_ai.prompts', 'http'];

  test('are gone from resources, scopes and records, and the response does not say it', async () => {
    const body = logs({ attributes: some }, { attributes: some }, { attributes: some, body: { stringValue: 'b' } }, {});
    const { outcome, items } = await stored('logs', config, body);
    expect(outcome).toMatchObject({ rejected: 0, message: '' });
    expect(items).toHaveLength(2);
    const [first] = items;
    expect([keysOf(first?.resource), keysOf(first?.scope), keysOf(first?.item)]).toEqual([kept, kept, kept]);
    expect(JSON.stringify(items)).not.toContain('secret');
  });

  test('are gone from events and links of spans, and from data points and exemplars of metrics', async () => {
    const events = [{ name: 'e', attributes: some }];
    const links = [{ traceId: '0102030405060708090a0b0c0d0e0f10', spanId: '0102030405060708', attributes: some }];
    const spans = await stored('traces', config, span({ events, links }));
    expect(JSON.stringify(spans.items)).not.toContain('secret');
    const exemplars = [{ asInt: '1', filteredAttributes: some }];
    const point = { timeUnixNano: '1', attributes: some };
    const metrics = [
      { name: 'g', gauge: { dataPoints: [{ ...point, asInt: '1', exemplars }] }, metadata: some },
      { name: 's', sum: { dataPoints: [{ ...point, asInt: '1', exemplars }] } },
      { name: 'h', histogram: { dataPoints: [{ ...point, exemplars }] } },
      { name: 'e', exponentialHistogram: { dataPoints: [{ ...point, exemplars }] } },
      { name: 'y', summary: { dataPoints: [point] } },
    ];
    const sent = { resourceMetrics: [{ resource: {}, scopeMetrics: [{ scope: {}, metrics }] }] };
    const points = await stored('metrics', config, sent);
    expect(points.items).toHaveLength(5);
    expect(JSON.stringify(points.items)).not.toContain('secret');
    expect(JSON.stringify(points.items).split('"gen_ai.prompts"')).toHaveLength(1 + 10);
  });

  test('are counted', async () => {
    const counted = async () => {
      const headers = { authorization: `Bearer ${server.token}` };
      const { body } = await call(server.port, { method: 'GET', path: '/metrics', headers });
      const line = /tailrace_otlp_changed_total\{signal="logs",change="drop_attributes"\} (\d+)/.exec(body.toString());
      return Number(line?.[1] ?? 0);
    };
    const before = await counted();
    await new OtlpSender(server, await basinWith(config)).post(
      'logs',
      logs({ attributes: some }, {}, { attributes: some }),
    );
    expect((await counted()) - before).toBe(4);
  });
});

describe('limits of counts', () => {
  test.each([
    ['resource_attributes_max', 'resource attributes were left out'],
    ['record_attributes_max', 'attributes of records were left out'],
  ] as const)('%s leaves out what is beyond it, and raises the count of dropped ones', async (name, said) => {
    const config = { otlp_limits: { [name]: 3 } };
    const holder = (count: number) => ({ attributes: numbered(count), droppedAttributesCount: 2 });
    const body = (count: number) =>
      name === 'resource_attributes_max' ? logs(holder(count), {}, {}) : logs({}, {}, holder(count));
    const read = (item: OtlpItem | undefined) => (name === 'resource_attributes_max' ? item?.resource : item?.item);
    const under = await stored('logs', config, body(3));
    expect(under.outcome).toMatchObject({ rejected: 0, message: '' });
    expect(keysOf(read(under.items[0]))).toHaveLength(3);
    const over = await stored('logs', config, body(5));
    expect(over.outcome).toMatchObject({ rejected: 0, message: `2 ${said}: the basin allows 3 (otlp_limits.${name})` });
    expect(keysOf(read(over.items[0]))).toEqual(['k0', 'k1', 'k2']);
    expect(read(over.items[0])).toMatchObject({ droppedAttributesCount: 4 });
  });

  test('of events and links leave out what is beyond them', async () => {
    const config = { otlp_limits: { span_events_max: 2, span_links_max: 1 } };
    const link = { traceId: '0102030405060708090a0b0c0d0e0f10', spanId: '0102030405060708' };
    const under = await stored('traces', config, span({ events: [{ name: 'a' }, { name: 'b' }], links: [link] }));
    expect(under.outcome?.message).toBe('');
    const events = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
    const over = await stored('traces', config, span({ events, links: [link, link, link], droppedLinksCount: 1 }));
    expect(over.outcome?.message).toContain('1 span events were left out: the basin allows 2');
    expect(over.outcome?.message).toContain('2 span links were left out: the basin allows 1');
    expect(over.items[0]?.item).toMatchObject({ droppedEventsCount: 1, droppedLinksCount: 3 });
  });
});

describe('limits of bytes', () => {
  test('cut long values at a character, also inside lists and maps, and say so', async () => {
    const config = { otlp_limits: { attribute_value_bytes_max: 10 } };
    const fits = await stored('logs', config, logs({}, {}, { attributes: [text('a', 'x'.repeat(10))] }));
    expect(fits.outcome?.message).toBe('');
    const inside = { kvlistValue: { values: [text('m', 'y'.repeat(11)), text('n', 'short')] } };
    const attributes = [
      text('a', 'x'.repeat(11)),
      text('b', `123456789é`),
      { key: 'c', value: { bytesValue: Buffer.alloc(12, 7).toString('base64') } },
      { key: 'd', value: { arrayValue: { values: [inside, { stringValue: 'é'.repeat(6) }] } } },
    ];
    const { outcome, items } = await stored('logs', config, logs({}, {}, { attributes }));
    expect(outcome?.message).toBe(
      '5 values of attributes were cut: the basin allows 10 (otlp_limits.attribute_value_bytes_max)',
    );
    const cut = { kvlistValue: { values: [text('m', 'y'.repeat(10)), text('n', 'short')] } };
    expect(items.map(itemOf)[0]?.attributes).toEqual([
      text('a', 'x'.repeat(10)),
      text('b', '123456789'),
      { key: 'c', value: { bytesValue: Buffer.alloc(10, 7).toString('base64') } },
      { key: 'd', value: { arrayValue: { values: [cut, { stringValue: 'é'.repeat(5) }] } } },
    ]);
  });

  test('cut log bodies to what the profile allows, and a single value replaces that', async () => {
    const body = (bytes: number) => logs({}, {}, { body: { stringValue: 'x'.repeat(bytes) } });
    const bytesOf = (item: OtlpItem | undefined) =>
      (item?.item as { body: { stringValue: string } } | undefined)?.body.stringValue.length;
    const free = { otlp_limits: { profile: 'activitylog-free' } };
    const under = await stored('logs', free, body(16_384));
    expect([under.outcome?.message, bytesOf(under.items[0])]).toEqual(['', 16_384]);
    const over = await stored('logs', free, body(16_385));
    expect(over.outcome?.message).toBe(
      '1 texts in log bodies were cut: the basin allows 16384 (otlp_limits.log_body_bytes_max)',
    );
    expect(bytesOf(over.items[0])).toBe(16_384);
    const more = { otlp_limits: { profile: 'activitylog-free', log_body_bytes_max: null } };
    expect(bytesOf((await stored('logs', more, body(20_000))).items[0])).toBe(20_000);
  });

  test('reject an item with a key that is too long, and those of a resource that has one', async () => {
    const config = { otlp_limits: { attribute_key_bytes_max: 5 } };
    const [fits, long] = [[text('12345', 'v')], [text('123456', 'v')]];
    const { outcome, items } = await stored('logs', config, logs({}, {}, { attributes: fits }, { attributes: long }));
    expect(outcome?.rejected).toBe(1);
    expect(outcome?.message).toContain('the basin allows keys of 5 bytes (otlp_limits.attribute_key_bytes_max)');
    expect(items.map(itemOf).map(keysOf)).toEqual([['12345']]);
    const whole = await stored('logs', config, logs({ attributes: long }, {}, {}, {}));
    expect([whole.outcome?.rejected, whole.items]).toEqual([2, []]);
  });

  test.each([60, 8_000])(
    'leave an item alone that is nested too deep and rejected for that: %i lists',
    async (lists) => {
      const basin = await basinWith({ otlp_limits: { attribute_value_bytes_max: 10 }, otlp_drop_attributes: ['x'] });
      const value = `${'{"arrayValue":{"values":['.repeat(lists)}{"stringValue":"a long text"}${']}}'.repeat(lists)}`;
      const records = `[{"attributes":[{"key":"deep","value":${value}}]},{}]`;
      const body = `{"resourceLogs":[{"scopeLogs":[{"logRecords":${records}}]}]}`;
      const outcome = await new OtlpSender(server, basin).postJson('logs', body);
      expect(outcome).toMatchObject({ status: 200, rejected: 1, message: expect.stringContaining('levels deep') });
      expect(await storedItems(s2, basin, 'all', 'logs')).toHaveLength(1);
    },
  );

  test('keep what was repaired in the warnings', async () => {
    const config = { otlp_drop_attributes: ['secret'] };
    const attributes = [text('secret', 's'), text('half', '\ud83d')];
    const basin = await basinWith(config);
    const outcome = await new OtlpSender(server, basin).post('logs', logs({}, {}, { attributes }));
    expect(outcome).toMatchObject({ status: 200, rejected: 0, message: expect.stringContaining('not UTF-8') });
    const [item] = await storedItems(s2, basin, 'all', 'logs');
    expect(keysOf(item?.item)).toEqual(['half']);
  });

  test('let a record in that would be too large without the cut', async () => {
    const config = { otlp_limits: { attribute_value_bytes_max: 1_000 } };
    const attributes = [text('prompt', 'x'.repeat(2_000_000))];
    const { outcome, items } = await stored('logs', config, logs({}, {}, { attributes }));
    expect([outcome?.rejected, items.length]).toEqual([0, 1]);
  });
});
