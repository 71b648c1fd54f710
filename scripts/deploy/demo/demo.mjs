/**
 * A shop that takes an order now and then: each is a trace with a query, a call of a language model and a log line, and
 * counts in metrics; every fifth fails. Where it sends to is said by the variables of OpenTelemetry.
 *
 *   DEMO_EVERY_MS   time between two orders, 2000 unless it is set
 *   DEMO_ORDERS     how many orders; without it until SIGTERM
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { logs, SeverityNumber } from '@opentelemetry/api-logs';
import { NodeSDK } from '@opentelemetry/sdk-node';

const every = Number(process.env.DEMO_EVERY_MS ?? 2_000);
const most = Number(process.env.DEMO_ORDERS ?? Number.POSITIVE_INFINITY);
const ending = new AbortController();

const sdk = new NodeSDK();
sdk.start();
const tracer = trace.getTracer('shop');
const logger = logs.getLogger('shop');
const meter = metrics.getMeter('shop');
const orders = meter.createCounter('shop.orders', { description: 'orders by outcome' });
const durations = meter.createHistogram('shop.order.duration', { unit: 'ms' });

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => ending.abort());
for (let number = 1; number <= most && !ending.signal.aborted; number++) {
  await order(number);
  if (number < most) await sleep(every, undefined, { signal: ending.signal }).catch(() => {});
}
await sdk.shutdown();

async function order(number) {
  const started = performance.now();
  const id = `A-${String(number).padStart(5, '0')}`;
  const hasFailed = number % 5 === 0;
  await tracer.startActiveSpan('POST /orders', { kind: SpanKind.SERVER }, async (span) => {
    span.setAttributes({ 'http.request.method': 'POST', 'http.route': '/orders', 'order.id': id });
    await query(id);
    const note = await noteFor(id);
    if (hasFailed) {
      const error = new Error(`the payment of ${id} was refused`);
      span.recordException(error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      logger.emit({ severityNumber: SeverityNumber.ERROR, severityText: 'ERROR', body: error.message });
    } else {
      const attributes = { 'order.id': id, 'order.note': note };
      logger.emit({
        severityNumber: SeverityNumber.INFO,
        severityText: 'INFO',
        body: `order ${id} placed`,
        attributes,
      });
    }
    span.setAttribute('http.response.status_code', hasFailed ? 402 : 201);
    span.end();
  });
  orders.add(1, { outcome: hasFailed ? 'refused' : 'placed' });
  durations.record(performance.now() - started);
}

function query(id) {
  return tracer.startActiveSpan('INSERT orders', { kind: SpanKind.CLIENT }, async (span) => {
    span.setAttributes({ 'db.system.name': 'postgresql', 'db.query.text': 'INSERT INTO orders VALUES ($1)' });
    await sleep(3);
    span.setAttribute('order.id', id);
    span.end();
  });
}

/** What a language model would say; none is asked. */
function noteFor(id) {
  const question = `Write a short note for order ${id}.`;
  return tracer.startActiveSpan('chat example-model', { kind: SpanKind.CLIENT }, async (span) => {
    await sleep(5);
    const answer = `Thank you for ${id}: it leaves us today.`;
    span.setAttributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'example',
      'gen_ai.request.model': 'example-model',
      'gen_ai.usage.input_tokens': question.length,
      'gen_ai.usage.output_tokens': answer.length,
      'gen_ai.input.messages': messages('user', question),
      'gen_ai.output.messages': messages('assistant', answer),
    });
    span.end();
    return answer;
  });
}

function messages(role, content) {
  return JSON.stringify([{ role, parts: [{ type: 'text', content }] }]);
}
