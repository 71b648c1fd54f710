// app.cjs (CommonJS): node app.cjs
const { logs, metrics, trace } = require('@opentelemetry/api');
const { NodeSDK } = require('@opentelemetry/sdk-node');

const sdk = new NodeSDK();
sdk.start();
logs.getLogger('my-app').emit({ severityNumber: 9, severityText: 'INFO', body: 'hello from Node (CommonJS)' });
trace.getTracer('my-app').startSpan('checkout').end();
metrics.getMeter('my-app').createCounter('orders').add(1);
sdk.shutdown();
