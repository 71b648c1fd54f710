// app.mjs (ES module): node app.mjs
import { logs, metrics, trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK();
sdk.start();
logs.getLogger('my-app').emit({ severityNumber: 9, severityText: 'INFO', body: 'hello from Node (ESM)' });
trace.getTracer('my-app').startSpan('checkout').end();
metrics.getMeter('my-app').createCounter('orders').add(1);
await sdk.shutdown();
