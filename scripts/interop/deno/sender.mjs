// Sends logs, spans and metrics with what is built into Deno, in rounds.
import { setTimeout as sleep } from 'node:timers/promises';
import { metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

const ATTRIBUTES = { text: 'häuser 世界 🌍', empty: '', yes: true, int: 42, double: 0.1, texts: ['a', '', 'ü'] };
const { INTEROP_ROUNDS, INTEROP_PAUSE_MS } = process.env;

const tracer = trace.getTracer('interop', '1.2.3');
const meter = metrics.getMeter('interop', '1.2.3');
const counter = meter.createCounter('sent', { unit: '1' });
const histogram = meter.createHistogram('size', { unit: 'By' });

for (let round = 0; round < Number(INTEROP_ROUNDS); round++) {
  for (let i = 0; i < 20; i++) console.log(`line ${round}.${i}`);
  for (let i = 0; i < 5; i++) {
    tracer.startActiveSpan(`span ${round}.${i}`, { kind: SpanKind.SERVER, attributes: ATTRIBUTES }, (span) => {
      span.addEvent('event', { at: i });
      const child = tracer.startSpan('child', { links: [{ context: span.spanContext() }] });
      child.setStatus({ code: SpanStatusCode.ERROR, message: 'broken' }).end();
      span.end();
    });
  }
  counter.add(25, ATTRIBUTES);
  histogram.record(round * 10.5);
  await sleep(Number(INTEROP_PAUSE_MS));
}
