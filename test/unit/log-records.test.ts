/** S2 batches in the log: limits, conditions, commands, and refusals that wait for the state they were decided on. */

import { describe, expect, test } from '@jest/globals';
import type { Header, RecordInput } from '../../src/model/record.ts';
import { openHarness, readAll, turn } from '../support/log-harness.ts';

const MiB = 1024 * 1024;

function record(body = 'x', headers: readonly (readonly [string, string | Uint8Array])[] = []): RecordInput {
  const bytes = headers.map(([name, value]): Header => [Buffer.from(name), Buffer.from(value)]);
  return { headers: bytes, body: Buffer.from(body), timestamp: undefined };
}

function trimTo(seqNum: bigint): RecordInput {
  const body = Buffer.alloc(8);
  body.writeBigUInt64BE(seqNum);
  return { ...record('', [['', 'trim']]), body };
}

const fence = (token: string): RecordInput => record(token, [['', 'fence']]);

async function one() {
  const harness = await openHarness();
  const stream = await harness.stream('a');
  const append = (records: readonly RecordInput[], more: object = {}) =>
    harness.log.appendRecords({ stream, records, ...more });
  return { ...harness, stream, append };
}

describe('limits', () => {
  test('accept 1,000 records and 1 MiB, and one more of either is refused', async () => {
    const { append } = await one();
    expect((await append(Array.from({ length: 1_000 }, () => record()))).end.seqNum).toBe(1_000);
    await expect(append(Array.from({ length: 1_001 }, () => record()))).rejects.toMatchObject({ code: 'invalid' });
    expect((await append([record('x'.repeat(MiB - 8))])).end.seqNum).toBe(1_001);
    await expect(append([record('x'.repeat(MiB - 7))])).rejects.toMatchObject({ code: 'invalid' });
    const half = record('x'.repeat(MiB / 2 - 8));
    expect((await append([half, half])).end.seqNum).toBe(1_003);
    await expect(append([half, half, record('')])).rejects.toMatchObject({ code: 'invalid' });
    await expect(append([])).rejects.toMatchObject({ message: 'record batch must not be empty' });
  });

  test.each([
    ['unknown command', [record('', [['', 'erase']])]],
    [
      'invalid header: empty name',
      [
        record('', [
          ['', 'fence'],
          ['a', 'b'],
        ]),
      ],
    ],
    ['fencing token must not exceed 36 bytes in length', [fence('x'.repeat(37))]],
    ['invalid `trim` command: earliest seq_num was 3 bytes, must be 8', [record('abc', [['', 'trim']])]],
  ])('refuse the batch: %s', async (message, records) => {
    const { append, log, stream } = await one();
    await expect(append([record(), ...records])).rejects.toMatchObject({ code: 'invalid', message });
    expect(await log.checkTail(stream)).toEqual({ seqNum: 0, timestamp: 0 });
  });
});

describe('conditions', () => {
  test('match_seq_num and fencing token hold or refuse without effect, and the token is checked first', async () => {
    const { append, log, stream } = await one();
    await append([record()], { matchSeqNum: 0, fencingToken: '' });
    await expect(append([record()], { matchSeqNum: 0 })).rejects.toMatchObject({
      code: 'seq_num_mismatch',
      detail: { seqNum: 1 },
    });
    await append([record(), fence('one'), fence('two')], { fencingToken: '' });
    await expect(append([record()], { fencingToken: 'one', matchSeqNum: 0 })).rejects.toMatchObject({
      code: 'fencing_token_mismatch',
      detail: { fencingToken: 'two' },
    });
    await append([record()]);
    await append([record(), fence('')], { fencingToken: 'two', matchSeqNum: 5 });
    await append([record()], { fencingToken: '' });
    expect((await log.checkTail(stream)).seqNum).toBe(8);
  });

  test('an accepted fence applies to the next batch, before it is durable, and after a restart', async () => {
    const harness = await one();
    const first = harness.append([fence('mine')]);
    await expect(harness.append([record()], { fencingToken: '' })).rejects.toMatchObject({
      detail: { fencingToken: 'mine' },
    });
    await first;
    const after = await harness.reopen();
    const stream = await after.stream('a');
    await expect(after.log.appendRecords({ stream, records: [record()], fencingToken: 'x' })).rejects.toMatchObject({
      detail: { fencingToken: 'mine' },
    });
  });

  test('a refusal waits until the state it reports is durable, and is a storage error when that state is lost', async () => {
    const { append, engine, log } = await one();
    await append([record()]);
    await log.backgroundSettled();
    engine.hold();
    const pending = append([record()]);
    let answer: unknown;
    const refused = append([record()], { matchSeqNum: 1 }).catch((error: unknown) => {
      answer = error;
    });
    while (engine.waiting === 0) await turn();
    expect(answer).toBeUndefined();
    await engine.settleOne();
    await pending;
    await refused;
    expect(answer).toMatchObject({ code: 'seq_num_mismatch', detail: { seqNum: 2 } });
    const lost = append([record()]);
    const second = append([record()], { matchSeqNum: 2 });
    await engine.settleOne('fail');
    await expect(lost).rejects.toMatchObject({ code: 'storage' });
    await expect(second).rejects.toMatchObject({ code: 'storage' });
    engine.release();
    expect((await append([record()], { matchSeqNum: 2 })).start.seqNum).toBe(2);
  });

  test('a session learns at once whether a batch was accepted, so nothing is handed in after a refused one', async () => {
    const { log, stream } = await one();
    const taken = log.tryAppendRecords({ stream, records: [record()], matchSeqNum: 0 });
    const refused = log.tryAppendRecords({ stream, records: [record()], matchSeqNum: 0 });
    expect([taken.accepted, refused.accepted]).toEqual([true, false]);
    await expect(refused.done).rejects.toMatchObject({ code: 'seq_num_mismatch' });
    expect((await taken.done).end.seqNum).toBe(1);
  });
});

describe('trim commands', () => {
  test.each([
    ['below what was trimmed', 0n, [2, 3, 4, 5]],
    ['into the middle', 3n, [3, 4, 5]],
    ['up to itself', 5n, [5]],
    ['through itself', 6n, []],
    ['beyond everything', 2n ** 64n - 1n, []],
  ])('trim correctly: %s', async (_, to, left) => {
    const { append, log, stream, engine } = await one();
    for (let i = 0; i < 5; i++) await append([record(`r${i}`)]);
    await log.trim(stream, 2);
    await append([trimTo(to)]);
    const seqNums = async () => (await readAll(log, stream, { count: 100 })).map(({ seqNum }) => seqNum);
    expect(await seqNums()).toEqual(left);
    await log.backgroundSettled();
    expect(await seqNums()).toEqual(left);
    const stored = await engine.scan({ from: Buffer.of(5), to: Buffer.of(6), limit: 100 });
    expect(stored).toHaveLength(left.length);
    expect(await log.checkTail(stream)).toMatchObject({ seqNum: 6 });
  });
});

describe.each(['aes-256-gcm', 'aegis-256'] as const)('encryption with %s', (streamCipher) => {
  test('returns records with the same key, not with another key, and not without one', async () => {
    const { log } = await openHarness();
    const { it: basin } = await log.createBasin('basin-sealed', { streamCipher });
    const { it: stream } = await log.createStream(basin, 'a', {});
    const encryptionKey = Buffer.alloc(32, 7);
    const records = [record('secret', [['k', 'v']]), fence('f')];
    await log.appendRecords({ stream, records, encryptionKey });
    await expect(log.appendRecords({ stream, records })).rejects.toMatchObject({ code: 'bad_header' });
    const range = { start: { seqNum: 0 }, clamp: false, count: 10, bytes: 1_000, until: undefined, waitMs: 0 };
    const read = async (key: Uint8Array | undefined): Promise<unknown> => {
      const bodies: string[] = [];
      for await (const event of log.read(stream, range, new AbortController().signal, { encryptionKey: key })) {
        if (event.type !== 'records') continue;
        for (let i = event.from; i < event.to; i++) bodies.push(Buffer.from(event.block.record(i).body).toString());
      }
      return bodies;
    };
    expect(await read(encryptionKey)).toEqual(['secret', 'f']);
    await expect(read(Buffer.alloc(32, 8))).rejects.toMatchObject({ code: 'decryption_failed' });
    await expect(read(undefined)).rejects.toMatchObject({ code: 'bad_header' });
    await expect(log.append([{ stream, drafts: [] }])).rejects.toMatchObject({ code: 'bad_header' });
  });
});
