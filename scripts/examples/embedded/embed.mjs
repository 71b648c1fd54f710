// embed.mjs, in this folder after `npm run build`: node embed.mjs
import { randomBytes } from 'node:crypto';
import { createClient, createServer, openTailrace } from 'tailrace';

// A store in your own process, without a port.
const store = await openTailrace({ dataDir: 'embedded' });
await store.append('notes', [{ body: 'hello' }]);
for await (const record of store.read('notes', { start: { seqNum: 0 } })) {
  console.log(record.seqNum, record.timestamp, String(record.body));
}

// OTLP, as exporters send it; then the rows that a filter wants, and how many records there are of each level.
const attributes = [{ key: 's2.stream', value: { stringValue: 'shop' } }];
const log = (severityNumber, stringValue) => ({ severityNumber, body: { stringValue } });
const logRecords = [log(9, 'order placed'), log(17, 'charge failed'), log(9, 'order shipped')];
const request = { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] };
await store.ingestOtlp(JSON.stringify(request), { signal: 'logs', contentType: 'application/json' });
const start = { seqNum: 0 };
for await (const row of store.rows('shop', { start, filter: 'level>=warn' })) console.log(row.level, row.body);
for await (const { complete, rows } of store.aggregate('shop', { by: ['level'] })) {
  if (complete) for (const { group, count } of rows) console.log(group.level, count);
}
await store.close();

// The whole server, and a client for it; the client works as well with a server elsewhere.
const token = randomBytes(24).toString('hex');
const server = await createServer({ port: 0, dataDir: 'embedded', rootToken: token });
const { url } = await server.listen();
const client = createClient({ endpoint: url, token, basin: 'telemetry' });
for await (const frame of client.read('notes', { view: 'text', start, waitSeconds: 0 })) {
  if (frame.type === 'batch') console.log(frame.lines);
}
await server.close();
