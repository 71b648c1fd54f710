/** The engine of a cluster over a log in memory: what counts, what is refused, and who may write. */

import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { PASSED_OVER_IN_A_ROW_MAX } from '../../src/model/limits.ts';
import type { Write } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { decodeCommand, encodeCommand } from '../../src/storage/replicated/command.ts';
import { Replica } from '../../src/storage/replicated/replica.ts';
import { catchUp, ReplicatedEngine } from '../../src/storage/replicated/replicated-engine.ts';
import { MemoryLogStore, type MemoryReplicatedLog } from '../support/memory-replicated-log.ts';

const UNAVAILABLE = { code: 'unavailable', detail: { retryAfterSeconds: 1 } };

let store: MemoryLogStore;

beforeEach(() => {
  store = new MemoryLogStore();
});

interface Node {
  readonly log: MemoryReplicatedLog;
  readonly replica: Replica;
  readonly superseded: string[];
}

async function node(base?: Uint8Array): Promise<Node> {
  return { log: store.connect(), replica: await Replica.open(openMemoryEngine(), base), superseded: [] };
}

function lead({ log, replica, superseded }: Node): Promise<ReplicatedEngine> {
  return ReplicatedEngine.takeOver({ log, replica, onSuperseded: (reason) => superseded.push(reason.code) });
}

/** Each version as it is in logs, byte by byte. */
const FROZEN_COMMANDS = [
  {
    version: 1,
    bytes: '019f7ac568a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2' + '010302c3a902010202020478',
    writes: [write('02c3a9', '0102'), write('0478')],
  },
  {
    version: 2,
    bytes: '024f64e2e5a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2' + '01010d0301910302020478',
    writes: [write('0d', '019103'), write('0478')],
  },
];

describe('a command', () => {
  test.each(FROZEN_COMMANDS)('of version $version is written and read as ever', ({ bytes, writes }) => {
    const command = { id: Buffer.alloc(16, 0xa1), after: Buffer.alloc(16, 0xb2), writes };
    expect(encodeCommand(command).toString('hex')).toBe(bytes);
    expect(decodeCommand(Buffer.from(bytes, 'hex'))).toEqual(command);
  });

  test('of a newer version is said to be too new, and one of no version is damaged', () => {
    for (const [version, code] of [
      [3, 'format_too_new'],
      [0, 'corrupt'],
    ] as const) {
      const bytes = encodeCommand({ id: randomBytes(16), after: randomBytes(16), writes: [put('a', '1')] });
      bytes[0] = version;
      bytes.writeUInt32LE(crc32(bytes.subarray(5), version), 1);
      expect(() => decodeCommand(bytes)).toThrow(expect.objectContaining({ code }));
    }
  });

  test('a flip of any bit is found, and so is a missing byte', () => {
    const bytes = encodeCommand({ id: randomBytes(16), after: randomBytes(16), writes: [put('a', '1'), remove('b')] });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeCommand(flipped)).toThrow(expect.objectContaining({ code: 'corrupt' }));
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeCommand(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: 'corrupt' }));
    }
  });
});

describe('who leads', () => {
  test('what one node commits, every replica has, in the same order', async () => {
    const [first, second] = [await node(), await node()];
    const engine = await lead(first);
    await Promise.all([engine.commit([put('a', '1')]), engine.commit([put('a', '2'), put('b', '1')])]);
    await engine.commit([remove('b')]);
    await catchUp(second.log, second.replica);
    for (const { replica } of [first, second]) {
      expect(await text(replica, 'a')).toBe('2');
      expect(await text(replica, 'b')).toBeUndefined();
    }
    expect(second.replica.sequence).toBe(first.replica.sequence);
  });

  test('a node that takes over has all that was acknowledged, and the one before it is refused', async () => {
    const [old, next] = [await node(), await node()];
    const before = await lead(old);
    await before.commit([put('a', '1')]);
    const after = await lead(next);
    expect(await text(next.replica, 'a')).toBe('1');
    await expect(before.commit([put('a', 'stale')])).rejects.toMatchObject(UNAVAILABLE);
    await expect(before.confirm()).rejects.toMatchObject(UNAVAILABLE);
    expect(old.superseded).toEqual(['unavailable']);
    expect((await before.stat()).state).toBe('superseded');
    await after.commit([put('a', '2')]);
    await catchUp(old.log, old.replica);
    expect(await text(old.replica, 'a')).toBe('2');
  });

  test('a command of the old leader that arrives behind the take-over counts on no replica', async () => {
    const [old, next, third] = [await node(), await node(), await node()];
    const before = await lead(old);
    await before.commit([put('a', '1')]);
    const late = encodeCommand({ id: randomBytes(16), after: old.replica.lastId, writes: [put('a', 'late')] });
    const after = await lead(next);
    // A server of the log that stored it without a look at what it expects.
    store.append(late);
    await expect(after.commit([put('a', 'new')])).rejects.toMatchObject(UNAVAILABLE);
    for (const { log, replica } of [next, third]) {
      await catchUp(log, replica);
      expect(await text(replica, 'a')).toBe('1');
      expect(replica.passedOver).toBe(1);
    }
    const again = await lead(third);
    await again.commit([put('a', '3')]);
    await catchUp(next.log, next.replica);
    expect(await text(next.replica, 'a')).toBe('3');
  });

  test('a replica that nothing of the log counts for any more says so, and one for which something does goes on', async () => {
    const [first, second] = [await node(), await node()];
    await (await lead(first)).commit([put('a', '1')]);
    await catchUp(second.log, second.replica);
    const other = (): Uint8Array =>
      encodeCommand({ id: randomBytes(16), after: randomBytes(16), writes: [put('a', 'other')] });
    for (let i = 1; i < PASSED_OVER_IN_A_ROW_MAX; i++) store.append(other());
    await catchUp(second.log, second.replica);
    await (await lead(first)).commit([put('a', '2')]);
    for (let i = 1; i < PASSED_OVER_IN_A_ROW_MAX; i++) store.append(other());
    await catchUp(second.log, second.replica);
    expect(await text(second.replica, 'a')).toBe('2');
    store.append(other());
    await expect(catchUp(second.log, second.replica)).rejects.toMatchObject({ code: 'corrupt' });
    expect(await text(second.replica, 'a')).toBe('2');
  });

  test('without the chain that late command would be there: the negative control', async () => {
    const [old, next] = [await node(), await node()];
    await (await lead(old)).commit([put('a', '1')]);
    await lead(next);
    // As the late command, but it names what counted last.
    store.append(encodeCommand({ id: randomBytes(16), after: next.replica.lastId, writes: [put('a', 'late')] }));
    await catchUp(next.log, next.replica);
    expect(await text(next.replica, 'a')).toBe('late');
  });

  test('a node that was told that it leads, and does not, answers nothing from its state', async () => {
    const [old, next] = [await node(), await node()];
    const before = await lead(old);
    await lead(next);
    await expect(before.confirm()).rejects.toMatchObject(UNAVAILABLE);
  });
});

describe('a commit', () => {
  test('is not answered before a majority has it', async () => {
    const first = await node();
    const engine = await lead(first);
    const release = first.log.hold();
    let settled = false;
    const commit = engine.commit([put('a', '1')]).then(() => {
      settled = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    expect(await text(first.replica, 'a')).toBeUndefined();
    release();
    await commit;
    expect(await text(first.replica, 'a')).toBe('1');
  });

  test.each(['command-lost', 'answer-lost', 'delayed'] as const)(
    'whose outcome is not known (%s) is refused, with all behind it, and the log tells the next leader',
    async (fault) => {
      const [first, second] = [await node(), await node()];
      const engine = await lead(first);
      first.log.failNext(fault);
      const commits = [engine.commit([put('a', '1')]), engine.commit([put('b', '1')]), engine.confirm()];
      for (const outcome of await Promise.allSettled(commits)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: UNAVAILABLE });
      }
      first.log.deliverDelayed();
      await lead(second);
      expect(await text(second.replica, 'a')).toBe(fault === 'command-lost' ? undefined : '1');
      expect(await text(second.replica, 'b')).toBeUndefined();
      await catchUp(first.log, first.replica);
      expect(await text(first.replica, 'a')).toBe(await text(second.replica, 'a'));
    },
  );

  test('that waits while another is published shares a command with the others that wait', async () => {
    const first = await node();
    const engine = await lead(first);
    const before = store.commands.length;
    const release = first.log.hold();
    const commits = Array.from({ length: 50 }, (_, i) => engine.commit([put(`k${i}`, 'x')]));
    release();
    await Promise.all(commits);
    expect(store.commands.length - before).toBe(2);
  });

  test('is refused as full while the log is full, and the next one is taken when it is not', async () => {
    const first = await node();
    const engine = await lead(first);
    store.isFull = true;
    await expect(engine.commit([put('a', '1')])).rejects.toMatchObject({ code: 'storage_full' });
    store.isFull = false;
    await engine.commit([put('a', '2')]);
    expect(await text(first.replica, 'a')).toBe('2');
  });

  test('a confirmation that waits is given by the next command, and alone takes one without writes', async () => {
    const first = await node();
    const engine = await lead(first);
    const before = store.commands.length;
    await engine.confirm();
    expect(store.commands.length).toBe(before + 1);
    await Promise.all([engine.commit([put('a', '1')]), engine.confirm(), engine.confirm()]);
    expect(store.commands.length).toBeLessThanOrEqual(before + 3);
  });
});

function put(name: string, value: string): Write {
  return { type: 'put', key: Buffer.from(name), value: Buffer.from(value) };
}

function remove(name: string): Write {
  return { type: 'delete', key: Buffer.from(name) };
}

async function text({ local }: Replica, name: string): Promise<string | undefined> {
  const value = await local.get(Buffer.from(name));
  return value === undefined ? undefined : Buffer.from(value).toString();
}

function write(key: string, value?: string): Write {
  const of = Buffer.from(key, 'hex');
  return value === undefined ? { type: 'delete', key: of } : { type: 'put', key: of, value: Buffer.from(value, 'hex') };
}
