/** Acks of an append session: in order, together where they come together, and a failure only behind them. */

import { describe, expect, test } from '@jest/globals';
import { AckQueue } from '../../src/http/s2/ack-queue.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { AppendAck } from '../../src/model/position.ts';
import { FrameReader } from '../../src/s2/frame-reader.ts';

const FAILURE = new TailraceError('storage', 'the disk is gone');
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

interface Pending {
  readonly done: Promise<AppendAck>;
  resolve(ack: AppendAck): void;
  reject(error: unknown): void;
}

function pending(): Pending {
  let resolve: (ack: AppendAck) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const done = new Promise<AppendAck>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { done, resolve, reject };
}

function ack(seqNum: number): AppendAck {
  const position = { seqNum, timestamp: 1 };
  return { start: position, end: { seqNum: seqNum + 1, timestamp: 1 }, tail: position };
}

/** An outlet that counts the frames of each write, and takes them at once unless it is full. */
class Outlet {
  readonly writes: number[] = [];
  acked = 0;
  isFull = false;
  advised = false;
  flags: number[] = [];
  freeUp = (): void => {};

  write(bytes: Uint8Array): Promise<void> | undefined {
    const reader = new FrameReader();
    reader.push(Buffer.from(bytes));
    let count = 0;
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      count++;
      this.flags.push(frame.flag);
    }
    this.writes.push(count);
    if (!this.isFull) return undefined;
    return new Promise((resolve) => {
      this.freeUp = resolve;
    });
  }

  isReconnectAdvised(): boolean {
    return this.advised;
  }

  onAcked(inputs: number): void {
    this.acked += inputs;
  }
}

function queueWith(count: number): { outlet: Outlet; queue: AckQueue; inputs: Pending[] } {
  const outlet = new Outlet();
  const queue = new AckQueue(outlet);
  const inputs = Array.from({ length: count }, pending);
  for (const { done } of inputs) queue.add(done);
  return { outlet, queue, inputs };
}

describe('acks', () => {
  test('that come together go out in one write', async () => {
    const { outlet, inputs } = queueWith(5);
    for (const [i, { resolve }] of inputs.entries()) resolve(ack(i));
    await settled();
    expect([outlet.writes, outlet.acked]).toEqual([[5], 5]);
  });

  test('wait for those before them', async () => {
    const { outlet, inputs } = queueWith(3);
    inputs[2]?.resolve(ack(2));
    inputs[1]?.resolve(ack(1));
    await settled();
    expect(outlet.writes).toEqual([]);
    inputs[0]?.resolve(ack(0));
    await settled();
    expect(outlet.writes).toEqual([3]);
  });

  test('wait while the client takes none, and are not counted before', async () => {
    const { outlet, inputs } = queueWith(3);
    outlet.isFull = true;
    inputs[0]?.resolve(ack(0));
    await settled();
    inputs[1]?.resolve(ack(1));
    inputs[2]?.resolve(ack(2));
    await settled();
    expect([outlet.writes, outlet.acked]).toEqual([[1], 0]);
    outlet.isFull = false;
    outlet.freeUp();
    await settled();
    expect([outlet.writes, outlet.acked]).toEqual([[1, 2], 3]);
  });

  test('carry the advice from the moment on that there is one', async () => {
    const { outlet, inputs } = queueWith(2);
    inputs[0]?.resolve(ack(0));
    await settled();
    outlet.advised = true;
    inputs[1]?.resolve(ack(1));
    await settled();
    expect(outlet.flags).toEqual([0, 0x10]);
  });
});

describe('the end', () => {
  test('comes behind the last ack', async () => {
    const { outlet, queue, inputs } = queueWith(1);
    queue.close();
    let isOver = false;
    void queue.over.then(() => {
      isOver = true;
    });
    await settled();
    expect(isOver).toBe(false);
    inputs[0]?.resolve(ack(0));
    expect(await queue.over).toBeUndefined();
    expect(outlet.writes).toEqual([1]);
  });

  test('of a failed input comes behind the acks before it, and nothing comes behind that', async () => {
    const { outlet, queue, inputs } = queueWith(4);
    inputs[2]?.reject(FAILURE);
    inputs[3]?.resolve(ack(3));
    await settled();
    inputs[0]?.resolve(ack(0));
    inputs[1]?.resolve(ack(1));
    expect(await queue.over).toBe(FAILURE);
    await settled();
    expect(outlet.writes).toEqual([2]);
  });

  test('what was thrown and is no error of ours becomes one', async () => {
    const { queue, inputs } = queueWith(1);
    inputs[0]?.reject(new Error('a bug'));
    expect(await queue.over).toMatchObject({ code: 'internal' });
  });

  test('the first of two counts', async () => {
    const { queue } = queueWith(0);
    queue.close(FAILURE);
    queue.close();
    expect(await queue.over).toBe(FAILURE);
  });

  test('of a client that is gone comes at once', async () => {
    const { outlet, queue, inputs } = queueWith(2);
    queue.drop();
    expect(await queue.over).toBeUndefined();
    inputs[0]?.resolve(ack(0));
    inputs[1]?.reject(FAILURE);
    await settled();
    expect(outlet.writes).toEqual([]);
  });
});
