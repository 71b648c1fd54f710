/** The contract of a replicated log, run on each one, and the faults of the one in memory. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { openJetstreamLog } from '../../src/storage/replicated/jetstream-log.ts';
import { openKeyBucket } from '../../src/storage/replicated/key-bucket.ts';
import { connectNats, type NatsLink } from '../../src/storage/replicated/nats-connection.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { MemoryBucketStore, MemoryLogStore } from '../support/memory-replicated-log.ts';
import { startNatsServers } from '../support/nats-servers.ts';
import { replicatedLogContract } from './replicated-log.ts';

replicatedLogContract('memory', async () => ({
  openLog: async () => {
    const store = new MemoryLogStore();
    return [store.connect(), store.connect()];
  },
  openBucket: async () => {
    const store = new MemoryBucketStore();
    return [store.connect(), store.connect()];
  },
  dispose: async () => {},
}));

describeWithNats('JetStream', () => {
  replicatedLogContract('JetStream, one server', async () => {
    const servers = await startNatsServers(1);
    const links = await Promise.all(
      ['a', 'b'].map((name) => connectNats({ servers: servers.urls, name, onConnected: () => {} })),
    );
    let opened = 0;
    const each = async <T>(open: (link: NatsLink, cluster: string) => Promise<T>) => {
      const cluster = `test-${++opened}`;
      const [first, second] = await Promise.all(links.map((link) => open(link, cluster)));
      if (first === undefined || second === undefined) throw new Error('two links open two');
      return [first, second] as const;
    };
    return {
      openLog: () => each((link, cluster) => openJetstreamLog(link, { cluster, partition: 0, replicas: 1 })),
      openBucket: () => each((link, cluster) => openKeyBucket(link, { cluster, replicas: 1 })),
      dispose: async () => {
        await Promise.all(links.map((link) => link.close()));
        await servers.dispose();
      },
    };
  });
});

describe('the faults of the log in memory', () => {
  const unknown = { type: 'unknown' };

  test('a lost command is not stored, and one whose answer is lost is', async () => {
    const store = new MemoryLogStore();
    const log = store.connect();
    log.failNext('command-lost', 'answer-lost');
    expect(await publish(log, 0)).toEqual(unknown);
    expect(store.bounds.last).toBe(0);
    expect(await publish(log, 0)).toEqual(unknown);
    expect(store.bounds.last).toBe(1);
    expect(await publish(log, 1)).toEqual({ type: 'stored', sequence: 2 });
  });

  test('a delayed command is stored when it arrives, unless another one took its place', async () => {
    const store = new MemoryLogStore();
    const log = store.connect();
    log.failNext('delayed', 'delayed');
    expect(await publish(log, 0)).toEqual(unknown);
    expect(await publish(log, 1)).toEqual(unknown);
    store.append(new Uint8Array(1));
    log.deliverDelayed();
    expect(store.bounds.last).toBe(2);
  });

  test('a held publish waits, and a full store refuses', async () => {
    const store = new MemoryLogStore();
    const log = store.connect();
    const release = log.hold();
    const waiting = publish(log, 0);
    expect(await publish(store.connect(), 0)).toEqual({ type: 'stored', sequence: 1 });
    release();
    expect(await waiting).toEqual({ type: 'superseded' });
    store.isFull = true;
    expect(await publish(log, 1)).toEqual({ type: 'full' });
  });

  test('a node that is cut off reaches neither the log nor the bucket, and the others go on', async () => {
    const store = new MemoryLogStore();
    const [log, other] = [store.connect(), store.connect()];
    const bucket = new MemoryBucketStore().connect();
    log.isCutOff = true;
    bucket.isCutOff = true;
    expect(await publish(log, 0)).toEqual(unknown);
    for (const call of [log.bounds(), log.read(0, 1), log.purge(1), log.changeLeader(), bucket.get('a')]) {
      await expect(call).rejects.toMatchObject({ code: 'unavailable', detail: { retryAfterSeconds: 1 } });
    }
    expect(await publish(other, 0)).toEqual({ type: 'stored', sequence: 1 });
  });

  test('a copy may be behind, and a damaged one has a hole', async () => {
    const store = new MemoryLogStore();
    const log = store.connect();
    for (let after = 0; after < 3; after++) await publish(log, after);
    log.copyEndsAt = 2;
    expect(await sequences(log, 0)).toEqual([1, 2]);
    log.copyEndsAt = 3;
    store.damage(2);
    expect(await sequences(log, 0)).toEqual([1]);
    expect(await log.read(1, 100)).toEqual({ type: 'gap', first: 3 });
    await log.changeLeader();
    expect(log.leaderChanges).toBe(1);
  });

  test('a value expires by the clock of the test', async () => {
    let now = 0;
    const bucket = new MemoryBucketStore(() => now).connect();
    await bucket.put('a', new Uint8Array(1), { ttlMs: 10_000 });
    now = 9_999;
    expect(await bucket.get('a')).toBeDefined();
    now = 10_000;
    expect(await bucket.get('a')).toBeUndefined();
  });
});

function publish(log: ReturnType<MemoryLogStore['connect']>, after: number) {
  return log.publish(new Uint8Array(1), new Uint8Array(randomBytes(16)), after);
}

async function sequences(log: ReturnType<MemoryLogStore['connect']>, after: number): Promise<readonly number[]> {
  const page = await log.read(after, 100);
  return page.type === 'gap' ? [] : page.commands.map(({ sequence }) => sequence);
}
