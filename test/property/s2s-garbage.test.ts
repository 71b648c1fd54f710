/** Append sessions that receive any bytes: each ends in a way that the protocol allows, and only whole inputs count. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from '../support/fast-check.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { encodeInput, frame, S2sConnection } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { shareOf } from '../support/share-of.ts';

let server: TestServer;
let connection: S2sConnection;

beforeAll(async () => {
  server = await startServer();
  connection = new S2sConnection(server);
});

afterAll(async () => {
  connection.close();
  await server.stop();
});

const good = encodeInput({ records: [{ body: 'good' }, { body: 'as well' }] });

/** Parts of a session: whole inputs, frames of any content, and bytes that are not frames. */
const pieces = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant({ isGood: true, bytes: frame(good) }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 255 }))
        .map(([body, flag]) => ({ isGood: false, bytes: frame(body, flag) })),
    },
    {
      weight: 1,
      arbitrary: fc.uint8Array({ maxLength: 30 }).map((bytes) => ({ isGood: false, bytes: Buffer.from(bytes) })),
    },
    {
      weight: 1,
      arbitrary: fc.nat(good.length + 3).map((length) => ({ isGood: false, bytes: frame(good).subarray(0, length) })),
    },
  ),
  { maxLength: 12 },
);

test('every session ends as the protocol says, and what it acknowledged is stored', async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 64 }), async (sent, size) => {
      const stream = `garbage ${count++}`;
      const session = connection.append(stream);
      const wire = Buffer.concat(sent.map(({ bytes }) => bytes));
      for (let at = 0; at < wire.length; at += size) session.send(wire.subarray(at, at + size));
      session.halfClose();
      const { acks, end } = await session.restOfAcks();
      if (end !== 'clean') expect([400, 422]).toContain(end.status);
      const goodOnes = sent.findIndex(({ isGood }) => !isGood);
      expect(acks.length).toBeGreaterThanOrEqual(goodOnes < 0 ? sent.length : goodOnes);
      const records = new RecordsClient(server);
      const tail = acks.at(-1)?.end.seqNum ?? 0;
      expect(await records.tail(stream)).toMatchObject(
        tail === 0 ? [404, { code: 'stream_not_found' }] : [200, { tail: { seq_num: tail } }],
      );
    }),
    { numRuns: shareOf(150) },
  );
  expect(server.stderr()).not.toMatch(/"level":"(error|fatal)"/);
});
