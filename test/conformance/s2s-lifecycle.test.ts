/** What sessions over s2s do when the server stops, the memory is used up, or the stream is deleted. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import { S2sConnection, type TestInput } from '../support/s2s-client.ts';
import { type ServerSetup, startServer, type TestServer } from '../support/server.ts';

const MiB = 1024 * 1024;
const ADVISED = 0x10;
/** Long enough for a test to act within it. */
const GRACE = ['--shutdown-timeout', '5s'];

let server: TestServer;
let connection: S2sConnection;

async function start(setup: ServerSetup = {}): Promise<void> {
  server = await startServer(setup);
  connection = new S2sConnection(server);
}

afterEach(async () => {
  connection.close();
  await server.stop('SIGKILL');
});

function input(body: string): TestInput {
  return { records: [{ body }] };
}

describe('a server that stops', () => {
  test('flags every frame, tells followers at once, and takes inputs until the client half-closes', async () => {
    await start({ args: GRACE });
    const writer = connection.append('advised');
    writer.sendInputs(input('before'));
    expect((await writer.nextFrame())?.flag).toBe(0);
    const follower = connection.read('advised', 'seq_num=0');
    expect((await follower.nextFrame())?.flag).toBe(0);
    expect((await follower.nextFrame())?.flag).toBe(0);

    const stopped = server.stop('SIGTERM');
    const advice = await follower.nextFrame();
    expect(advice?.flag).toBe(ADVISED);
    writer.sendInputs(input('meanwhile'), input('meanwhile too'));
    for (let i = 0; i < 2; i++) expect((await writer.nextFrame())?.flag).toBe(ADVISED);
    for (let i = 0; i < 2; i++) expect((await follower.nextFrame())?.flag).toBe(ADVISED);
    follower.cancel();
    writer.halfClose();
    expect(await writer.restOfAcks()).toEqual({ acks: [], end: 'clean' });
    // Not before: a client on hyper-h2 drops the connection with it.
    await connection.goneAway;
    expect((await stopped).code).toBe(0);
  });

  test('ends what is left with server_draining, behind the acks of everything accepted', async () => {
    await start({ args: ['--shutdown-timeout', '3s'] });
    const writer = connection.append('ended');
    const idle = connection.append('idle');
    const follower = connection.read('ended', 'tail_offset=0&clamp=true', {});
    expect((await follower.refusal()).status).toBe(404);
    writer.sendInputs(input('first'));
    await writer.nextAck();
    const reader = connection.read('ended', 'seq_num=0');
    await reader.records(1);
    const zipped = connection.read('ended', 'seq_num=0', { 'accept-encoding': 'gzip' });
    await zipped.records(1);
    await idle.status;

    const stopped = server.stop('SIGTERM');
    writer.sendInputs(...Array.from({ length: 20 }, (_, i) => input(`record ${i}`)));
    const draining = { status: 503, json: { code: 'server_draining', message: expect.any(String) } };
    const rest = await writer.restOfAcks();
    expect(rest.acks.map(({ start: first }) => first.seqNum)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(rest.end).toEqual(draining);
    expect(await idle.restOfAcks()).toEqual({ acks: [], end: draining });
    for (const session of [reader, zipped]) {
      const { batches, end } = await session.restOfBatches();
      expect(batches.flatMap((batch) => batch.records).length).toBe(20);
      expect(end).toEqual(draining);
    }
    expect((await stopped).code).toBe(0);
  });

  test('does not wait for sessions whose clients hung up in the middle', async () => {
    // Were one of them still there, the test would not end in time.
    await start({ args: ['--shutdown-timeout', '120s'] });
    const writer = connection.append('hung up');
    writer.sendInputs(...Array.from({ length: 10 }, () => input('x'.repeat(MiB - 8))));
    await writer.nextAck();
    const reader = connection.read('hung up', 'seq_num=0');
    await reader.nextBatch();
    reader.pause();
    connection.append('hung up as well');
    connection.close();
    expect((await server.stop('SIGTERM')).code).toBe(0);
  });

  test('does not wait for a client that takes nothing', async () => {
    await start({ args: ['--shutdown-timeout', '3s'] });
    const writer = connection.append('stalled');
    writer.sendInputs(...Array.from({ length: 20 }, () => input('x'.repeat(MiB - 8))));
    writer.halfClose();
    expect((await writer.restOfAcks()).end).toBe('clean');
    const reader = connection.read('stalled', 'seq_num=0');
    await reader.nextBatch();
    reader.pause();
    expect((await server.stop('SIGTERM')).code).toBe(0);
  });
});

describe('memory', () => {
  test('sessions wait for memory, and none is refused', async () => {
    await start({ args: ['--memory-limit', '16MiB'] });
    const records = new RecordsClient(server);
    const body = 'x'.repeat(MiB - 8);
    const sessions = Array.from({ length: 6 }, (_, i) => connection.append(`large ${i}`));
    for (const session of sessions) {
      session.sendInputs(...Array.from({ length: 6 }, () => input(body)));
      session.halfClose();
    }
    for (const session of sessions) {
      const { acks, end } = await session.restOfAcks();
      expect([acks.length, end]).toEqual([6, 'clean']);
    }
    // All of it was given back.
    const text = 'x'.repeat(MiB - 8);
    await records.texts('unary', text);
    const unary = Array.from({ length: 4 }, () => records.texts('unary', text));
    expect((await Promise.all(unary)).length).toBe(4);
  });
});
