/** OTLP requests that use every field and every attribute type, as plain objects for protobufjs. */

const NANOS = 1_700_000_000_123_456_789n;
const TRACE_ID = Buffer.from('5b8efff798038103d269b633813fc60c', 'hex');
const SPAN_ID = Buffer.from('eee19b7ec3c1b174', 'hex');
const PARENT_ID = Buffer.from('eee19b7ec3c1b173', 'hex');

const EVERY_ATTRIBUTE = [
  { key: 'string', value: { stringValue: 'a "quoted" ü' } },
  { key: 'empty', value: { stringValue: '' } },
  { key: 'true', value: { boolValue: true } },
  { key: 'false', value: { boolValue: false } },
  { key: 'zero', value: { intValue: '0' } },
  { key: 'int', value: { intValue: '-42' } },
  { key: 'safe', value: { intValue: '9007199254740991' } },
  { key: 'large', value: { intValue: '9007199254740993' } },
  { key: 'least', value: { intValue: '-9223372036854775808' } },
  { key: 'double', value: { doubleValue: 1.5 } },
  { key: 'nan', value: { doubleValue: Number.NaN } },
  { key: 'inf', value: { doubleValue: Number.POSITIVE_INFINITY } },
  { key: '-inf', value: { doubleValue: Number.NEGATIVE_INFINITY } },
  { key: 'bytes', value: { bytesValue: Buffer.from([0, 255, 1]) } },
  { key: 'array', value: { arrayValue: { values: [{ stringValue: 'x' }, { intValue: '1' }, {}] } } },
  { key: 'map', value: { kvlistValue: { values: [{ key: 'inner', value: { boolValue: true } }] } } },
  { key: 'null', value: {} },
  { key: '__proto__', value: { stringValue: 'harmless' } },
  { key: 'twice', value: { intValue: '1' } },
  { key: 'twice', value: { intValue: '2' } },
];

/** What EVERY_ATTRIBUTE is in a row. */
export const EVERY_ATTRIBUTE_JSON =
  '{"string":"a \\"quoted\\" ü","empty":"","true":true,"false":false,"zero":0,"int":-42,"safe":9007199254740991,' +
  '"large":"9007199254740993","least":"-9223372036854775808","double":1.5,"nan":"NaN","inf":"Infinity",' +
  '"-inf":"-Infinity","bytes":"AP8B","array":["x",1,null],"map":{"inner":true},"null":null,' +
  '"__proto__":"harmless","twice":2}';

const RESOURCE = {
  attributes: [
    { key: 'service.name', value: { stringValue: 'checkout' } },
    { key: 'host.cpus', value: { intValue: '4' } },
  ],
};
const SCOPE = {
  name: 'my.scope',
  version: '1.2',
  attributes: [{ key: 'scope.flag', value: { boolValue: true } }],
};

export const LOGS = {
  resourceLogs: [
    {
      resource: RESOURCE,
      schemaUrl: 'https://schemas/1',
      scopeLogs: [
        {
          scope: SCOPE,
          schemaUrl: 'https://schemas/2',
          logRecords: [
            {
              timeUnixNano: String(NANOS),
              observedTimeUnixNano: String(NANOS + 1n),
              severityNumber: 17,
              severityText: 'ERROR',
              body: { stringValue: 'payment failed' },
              attributes: EVERY_ATTRIBUTE,
              droppedAttributesCount: 1,
              flags: 1,
              traceId: TRACE_ID,
              spanId: SPAN_ID,
              eventName: 'payment',
            },
            {
              observedTimeUnixNano: String(NANOS),
              severityText: 'Warning',
              body: { kvlistValue: { values: EVERY_ATTRIBUTE } },
            },
          ],
        },
      ],
    },
    { scopeLogs: [{ logRecords: [{ severityText: 'AUDIT' }] }] },
  ],
};

export const TRACES = {
  resourceSpans: [
    {
      resource: RESOURCE,
      scopeSpans: [
        {
          scope: SCOPE,
          spans: [
            {
              traceId: TRACE_ID,
              spanId: SPAN_ID,
              parentSpanId: PARENT_ID,
              traceState: 'a=b',
              flags: 257,
              name: 'GET /cart',
              kind: 2,
              startTimeUnixNano: String(NANOS),
              endTimeUnixNano: String(NANOS + 12_500_001n),
              attributes: EVERY_ATTRIBUTE,
              events: [
                {
                  timeUnixNano: String(NANOS + 5n),
                  name: 'retry',
                  attributes: [{ key: 'n', value: { intValue: '2' } }],
                },
              ],
              links: [
                { traceId: TRACE_ID, spanId: PARENT_ID, traceState: 'c=d', attributes: EVERY_ATTRIBUTE.slice(0, 1) },
              ],
              status: { code: 2, message: 'boom' },
            },
            { name: 'bare' },
          ],
        },
      ],
    },
  ],
};

const POINT = {
  attributes: [{ key: 'route', value: { stringValue: '/' } }],
  startTimeUnixNano: String(NANOS - 1_000n),
  timeUnixNano: String(NANOS),
};
const EXEMPLAR = {
  timeUnixNano: String(NANOS - 5n),
  asInt: '7',
  traceId: TRACE_ID,
  spanId: SPAN_ID,
  filteredAttributes: [{ key: 'user', value: { stringValue: 'u' } }],
};

export const METRICS = {
  resourceMetrics: [
    {
      resource: RESOURCE,
      scopeMetrics: [
        {
          scope: SCOPE,
          metrics: [
            {
              name: 'temperature',
              description: 'How warm it is',
              unit: 'Cel',
              metadata: [{ key: 'source', value: { stringValue: 'roof' } }],
              gauge: {
                dataPoints: [
                  { ...POINT, asDouble: 21.5 },
                  { ...POINT, asDouble: Number.NaN, flags: 1 },
                ],
              },
            },
            {
              name: 'requests',
              unit: '1',
              sum: {
                dataPoints: [{ ...POINT, asInt: '9007199254740993', exemplars: [EXEMPLAR] }],
                aggregationTemporality: 2,
                isMonotonic: true,
              },
            },
            {
              name: 'latency',
              histogram: {
                dataPoints: [
                  { ...POINT, count: '3', sum: 6.5, min: 1, max: 4, bucketCounts: ['1', '2'], explicitBounds: [2] },
                  { ...POINT, count: '0', bucketCounts: ['0'], explicitBounds: [] },
                ],
                aggregationTemporality: 1,
              },
            },
            {
              name: 'size',
              exponentialHistogram: {
                dataPoints: [
                  {
                    ...POINT,
                    count: '5',
                    sum: 10,
                    scale: -1,
                    zeroCount: '1',
                    zeroThreshold: 0.5,
                    positive: { offset: -2, bucketCounts: ['1', '3'] },
                    negative: { offset: 0, bucketCounts: [] },
                  },
                ],
                aggregationTemporality: 2,
              },
            },
            {
              name: 'quantiles',
              summary: {
                dataPoints: [
                  {
                    ...POINT,
                    count: '2',
                    sum: 3,
                    quantileValues: [
                      { quantile: 0.5, value: 1 },
                      { quantile: 1, value: 2 },
                    ],
                  },
                ],
              },
            },
            { name: 'nothing' },
          ],
        },
      ],
    },
  ],
};
