/**
 * A client of the official SDK in a process of its own, as its users run it: appends numbered records over one session,
 * follows the stream over another, and continues while the server on its port restarts. Each batch has a condition on its
 * position, so a batch that was stored without an ack fails when it is sent again. Prints `submitted N` after each interval
 * of submitted records, and at the end one line of JSON with the acknowledged records and those the follower saw.
 *
 * argv: port, token, transport, records, records between two lines.
 */

import { AppendInput, AppendRecord, S2 } from '@s2-dev/streamstore';

const [port, token, forceTransport, total, every] = process.argv.slice(2);
const url = `http://127.0.0.1:${port}`;
const retry = { maxAttempts: 200, minBaseDelayMillis: 20, maxBaseDelayMillis: 50, appendRetryPolicy: 'all' };
const s2 = new S2({ accessToken: token, endpoints: { account: url, basin: url }, retry });
const stream = s2.basin('telemetry').stream('restarted', { forceTransport });

await stream.append(AppendInput.create([AppendRecord.string({ body: '0' })]));
const acked = [0];
const seen = [];
const follow = async () => {
  for await (const { seqNum, body } of await stream.readSession({ start: { from: { seqNum: 0 } } })) {
    seen.push([seqNum, Number(body)]);
    if (seen.length === Number(total)) return;
  }
};
const append = async () => {
  const session = await stream.appendSession({ maxInflightBatches: 8 });
  const acks = [];
  for (let i = 1; i < Number(total); i++) {
    const ticket = await session.submit(
      AppendInput.create([AppendRecord.string({ body: String(i) })], { matchSeqNum: i }),
    );
    acks.push(ticket.ack().then(({ start }) => acked.push(start.seqNum)));
    if (i % Number(every) === 0) process.stdout.write(`submitted ${i}\n`);
  }
  await Promise.all(acks);
};
await Promise.all([follow(), append()]);
process.stdout.write(`${JSON.stringify({ acked, seen })}\n`);
process.exit(0);
