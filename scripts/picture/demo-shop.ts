/** A small shop as OTLP/JSON, for pictures of the page: requests of a customer with logs, spans, metrics and an assistant. */

interface Sent {
  readonly path: 'logs' | 'traces' | 'metrics';
  readonly body: unknown;
}

type Value = string | number | boolean;

interface Span {
  readonly service: string;
  readonly name: string;
  /** After the beginning of the trace, and how long, in ms. */
  readonly at: number;
  readonly ms: number;
  readonly parent?: number;
  readonly kind?: number;
  readonly error?: string;
  readonly attributes?: Readonly<Record<string, Value>>;
}

const LANGUAGES: Readonly<Record<string, string>> = {
  frontend: 'nodejs',
  checkout: 'python',
  payment: 'java',
  cart: 'go',
  assistant: 'nodejs',
};

/** Everything that one customer causes, number `n`, who comes at `atMs`. The same for the same arguments. */
export function customer(n: number, atMs: number): readonly Sent[] {
  const traceId = hex(0x5b8aa5a2 + n, 32);
  const isRefused = n % 9 === 4;
  const spans = checkoutSpans(n, isRefused);
  return [
    ...byService(spans).map(([service, list]) => traces(service, list, spans, traceId, atMs)),
    ...customerLogs(n, traceId, atMs, isRefused),
    ...(n % 6 === 0 ? assistantTurn(n, atMs) : []),
    ...(n % 4 === 0 ? [metrics(n, atMs)] : []),
  ];
}

function checkoutSpans(n: number, isRefused: boolean): readonly Span[] {
  const slow = 40 + ((n * 37) % 220);
  const charged = { 'http.response.status_code': isRefused ? 402 : 200, 'payment.provider': 'acme' };
  return [
    {
      service: 'frontend',
      name: 'POST /checkout',
      at: 0,
      ms: 180 + slow,
      kind: 2,
      attributes: { 'http.route': '/checkout', 'http.response.status_code': isRefused ? 402 : 200 },
    },
    {
      service: 'cart',
      name: 'GET /cart/{id}',
      at: 6,
      ms: 31,
      parent: 0,
      kind: 2,
      attributes: { 'cart.items': 1 + (n % 5) },
    },
    {
      service: 'cart',
      name: 'SELECT carts',
      at: 11,
      ms: 18,
      parent: 1,
      kind: 3,
      attributes: { 'db.system.name': 'postgresql', 'db.operation.name': 'SELECT' },
    },
    {
      service: 'checkout',
      name: 'place order',
      at: 42,
      ms: 128 + slow,
      parent: 0,
      kind: 2,
      attributes: { 'order.id': orderOf(n) },
    },
    { service: 'checkout', name: 'price items', at: 46, ms: 22, parent: 3 },
    {
      service: 'checkout',
      name: 'INSERT orders',
      at: 71,
      ms: 14,
      parent: 3,
      kind: 3,
      attributes: { 'db.system.name': 'postgresql' },
    },
    {
      service: 'payment',
      name: 'POST /charge',
      at: 90,
      ms: 62 + slow,
      parent: 3,
      kind: 2,
      attributes: charged,
      ...(isRefused ? { error: 'card declined' } : {}),
    },
    {
      service: 'payment',
      name: 'call acme',
      at: 96,
      ms: 50 + slow,
      parent: 6,
      kind: 3,
      attributes: charged,
      ...(isRefused ? { error: '402 from acme' } : {}),
    },
    { service: 'checkout', name: 'publish order.placed', at: 158 + slow, ms: 9, parent: 3, kind: 4 },
  ];
}

function customerLogs(n: number, traceId: string, atMs: number, isRefused: boolean): readonly Sent[] {
  const said = [
    log('frontend', 9, atMs, `checkout started by customer ${4000 + n}`, traceId, 0, { 'customer.id': 4000 + n }),
    log('cart', 5, atMs + 12, `cache miss for cart ${n * 7}`, traceId, 2, { 'cart.id': n * 7 }),
  ];
  if (isRefused) {
    const stack = `CardDeclined: 402 from acme: insufficient funds\n    at Charge.run (payment/charge.java:88)\n    at Server.handle (payment/server.java:31)`;
    said.push(
      log('payment', 17, atMs + 150, stack, traceId, 7, { 'payment.provider': 'acme', 'order.id': orderOf(n) }),
    );
    said.push(
      log('checkout', 13, atMs + 170, `order ${orderOf(n)} is held: payment refused, retry 1 of 3`, traceId, 3, {
        'order.id': orderOf(n),
      }),
    );
  } else {
    said.push(
      log('checkout', 9, atMs + 190, `order ${orderOf(n)} placed`, traceId, 3, {
        'order.id': orderOf(n),
        total: 19.9 + (n % 7) * 10,
      }),
    );
  }
  return said;
}

/** A call of a language model with a tool, as today's conventions of OpenTelemetry have it. */
function assistantTurn(n: number, atMs: number): readonly Sent[] {
  const traceId = hex(0x7c11aa00 + n, 32);
  const question = `Where is my order ${orderOf(n)}?`;
  const tool = { type: 'tool_call', id: 'call_1', name: 'find_order', arguments: { order: orderOf(n) } };
  const result = {
    type: 'tool_call_response',
    id: 'call_1',
    response: { state: 'shipped', carrier: 'DHL', eta: 'tomorrow' },
  };
  const asked = [
    {
      role: 'system',
      parts: [{ type: 'text', content: 'You help customers of a shop. Be short, and look orders up.' }],
    },
    { role: 'user', parts: [{ type: 'text', content: question }] },
  ];
  const first = {
    'gen_ai.input.messages': JSON.stringify(asked),
    'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts: [tool] }]),
  };
  const all = [...asked, { role: 'assistant', parts: [tool] }, { role: 'tool', parts: [result] }];
  const told = `Your order **${orderOf(n)}** has left our warehouse.\n\n- carrier: DHL\n- expected: tomorrow`;
  const second = {
    'gen_ai.input.messages': JSON.stringify(all),
    'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts: [{ type: 'text', content: told }] }]),
  };
  const model = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-5-mini',
    'gen_ai.response.model': 'gpt-5-mini',
  };
  const spans: readonly Span[] = [
    {
      service: 'assistant',
      name: 'invoke_agent shop-help',
      at: 0,
      ms: 3100,
      kind: 1,
      attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'shop-help' },
    },
    {
      service: 'assistant',
      name: 'chat gpt-5-mini',
      at: 20,
      ms: 1280,
      parent: 0,
      kind: 3,
      attributes: {
        ...model,
        ...first,
        'gen_ai.usage.input_tokens': 412,
        'gen_ai.usage.output_tokens': 31,
        'gen_ai.usage.cost': 0.00041,
      },
    },
    {
      service: 'assistant',
      name: 'execute_tool find_order',
      at: 1310,
      ms: 140,
      parent: 0,
      kind: 1,
      attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'find_order' },
    },
    {
      service: 'assistant',
      name: 'chat gpt-5-mini',
      at: 1460,
      ms: 1600,
      parent: 0,
      kind: 3,
      attributes: {
        ...model,
        ...second,
        'gen_ai.usage.input_tokens': 498,
        'gen_ai.usage.output_tokens': 64,
        'gen_ai.usage.cost': 0.00058,
      },
    },
  ];
  return [traces('assistant', spans, spans, traceId, atMs)];
}

function metrics(n: number, atMs: number): Sent {
  const point = {
    timeUnixNano: nanos(atMs),
    startTimeUnixNano: nanos(atMs - 60_000),
    asInt: String(200 + n * 3),
    attributes: attributes({ route: '/checkout' }),
  };
  const sum = { aggregationTemporality: 2, isMonotonic: true, dataPoints: [point] };
  const gauge = { dataPoints: [{ timeUnixNano: nanos(atMs), asDouble: 0.42 + 0.2 * Math.sin(n / 3), attributes: [] }] };
  const list = [
    { name: 'http.server.requests', unit: '{request}', sum },
    { name: 'process.cpu.utilization', unit: '1', gauge },
  ];
  return {
    path: 'metrics',
    body: {
      resourceMetrics: [{ resource: resource('frontend'), scopeMetrics: [{ scope: { name: 'shop' }, metrics: list }] }],
    },
  };
}

function traces(service: string, list: readonly Span[], all: readonly Span[], traceId: string, atMs: number): Sent {
  const spans = list.map((span) => ({
    traceId,
    spanId: idOf(all.indexOf(span), traceId),
    ...(span.parent === undefined ? {} : { parentSpanId: idOf(span.parent, traceId) }),
    name: span.name,
    kind: span.kind ?? 1,
    startTimeUnixNano: nanos(atMs + span.at),
    endTimeUnixNano: nanos(atMs + span.at + span.ms),
    attributes: attributes(span.attributes ?? {}),
    status: span.error === undefined ? {} : { code: 2, message: span.error },
  }));
  return {
    path: 'traces',
    body: { resourceSpans: [{ resource: resource(service), scopeSpans: [{ scope: { name: 'shop' }, spans }] }] },
  };
}

function log(
  service: string,
  level: number,
  atMs: number,
  text: string,
  traceId: string,
  span: number,
  more: Readonly<Record<string, Value>>,
): Sent {
  const record = {
    timeUnixNano: nanos(atMs),
    observedTimeUnixNano: nanos(atMs),
    severityNumber: level,
    body: { stringValue: text },
    traceId,
    spanId: idOf(span, traceId),
    attributes: attributes(more),
  };
  return {
    path: 'logs',
    body: {
      resourceLogs: [
        { resource: resource(service), scopeLogs: [{ scope: { name: `${service}.logger` }, logRecords: [record] }] },
      ],
    },
  };
}

function byService(spans: readonly Span[]): readonly (readonly [string, readonly Span[]])[] {
  const names = [...new Set(spans.map(({ service }) => service))];
  return names.map((name) => [name, spans.filter(({ service }) => service === name)]);
}

function resource(service: string) {
  const stream = service === 'assistant' ? 'assistant' : `shop-${service}`;
  const language = LANGUAGES[service] ?? 'go';
  return {
    attributes: attributes({
      's2.stream': stream,
      'service.name': service,
      'service.version': '1.4.2',
      'host.name': 'shop-1',
      'telemetry.sdk.language': language,
      'telemetry.sdk.name': 'opentelemetry',
    }),
  };
}

function attributes(values: Readonly<Record<string, Value>>) {
  return Object.entries(values).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: Value) {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

function orderOf(n: number): string {
  return `A-${10_900 + n}`;
}

function nanos(ms: number): string {
  return `${BigInt(Math.round(ms)) * 1_000_000n}`;
}

function idOf(span: number, traceId: string): string {
  return hex((Number.parseInt(traceId.slice(-6), 16) + 1) * 64 + span, 16);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '1');
}
