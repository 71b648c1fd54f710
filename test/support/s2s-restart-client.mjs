/**
 * The official SDK in a process of its own: appends a record every few milliseconds and reads them back, while its
 * server restarts. Takes port and token; prints the number of acknowledged records so far, line by line; when its input
 * ends it finishes, and prints the acks and the records it read as the last line. Inside a jest test, the SDK's errors
 * would be of other classes than the SDK knows.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { AppendInput, AppendRecord, S2 } from '@s2-dev/streamstore';

const PAUSE_MS = 5;

const [port, token] = process.argv.slice(2);
const url = `http://127.0.0.1:${port}`;
const s2 = new S2({
  accessToken: token,
  endpoints: { account: url, basin: url },
  // A refused connection is retried until the server is back; the condition of each input makes that harmless.
  retry: { maxAttempts: 400, minBaseDelayMillis: 20, maxBaseDelayMillis: 50, appendRetryPolicy: 'noSideEffects' },
});
const stream = s2.basin('telemetry').stream('restarted', { forceTransport: 's2s' });

let isOver = false;
process.stdin.on('end', () => {
  isOver = true;
});
process.stdin.resume();

const session = await stream.appendSession();
const acked = [];
const waiting = [];
const submit = async () => {
  const matchSeqNum = waiting.length;
  const input = AppendInput.create([AppendRecord.string({ body: `record ${matchSeqNum}` })], { matchSeqNum });
  const ticket = await session.submit(input);
  waiting.push(
    ticket.ack().then(({ start }) => {
      acked.push(start.seqNum);
      process.stdout.write(`${acked.length}\n`);
    }),
  );
};
await submit();
await Promise.all(waiting);

const reading = await stream.readSession({ start: { from: { seqNum: 0 } } });
while (!isOver) {
  await submit();
  await delay(PAUSE_MS);
}
await Promise.all(waiting);
await session.close();
const read = [];
const reader = reading.getReader();
while (read.length < acked.length) read.push((await reader.read()).value.body);
process.stdout.write(`${JSON.stringify({ acked, read })}\n`);
process.exit(0);
