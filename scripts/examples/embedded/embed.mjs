// embed.mjs, in this folder after `npm run build`: node embed.mjs
import { randomBytes } from 'node:crypto';
import { createClient, createServer, openTailrace } from 'tailrace';

// A store in your own process, without a port.
const store = await openTailrace({ dataDir: 'embedded' });
await store.append('notes', [{ body: 'hello' }]);
for await (const record of store.read('notes', { start: { seqNum: 0 } })) {
  console.log(record.seqNum, record.timestamp, String(record.body));
}
await store.close();

// The whole server, and a client for it; the client works as well with a server elsewhere.
const token = randomBytes(24).toString('hex');
const server = await createServer({ port: 0, dataDir: 'embedded', rootToken: token });
const { url } = await server.listen();
const client = createClient({ endpoint: url, token, basin: 'telemetry' });
for await (const frame of client.read('notes', { view: 'text', start: { seqNum: 0 }, waitSeconds: 0 })) {
  if (frame.type === 'batch') console.log(frame.lines);
}
await server.close();
