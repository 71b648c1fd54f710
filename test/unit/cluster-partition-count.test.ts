/** How many partitions a cluster has: nodes agree on the largest number, and nodes of older builds are not left behind. */

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { encodeEntry, keyOf, memberPrefix, type NodeInfo } from '../../src/cluster/node-info.ts';
import { PartitionCount } from '../../src/cluster/partition-count.ts';
import { MEMBER_TTL_MS, PARTITIONS_LOOK_MS } from '../../src/model/limits.ts';
import { TestClock } from '../support/log-harness.ts';
import { MemoryBucketStore, type MemoryKeyBucket } from '../support/memory-replicated-log.ts';

const OWN = 'http://a';

let clock: TestClock;
let store: MemoryBucketStore;
let bucket: MemoryKeyBucket;
let raised: number[];
let errors: string[];
let open: PartitionCount[];

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryBucketStore(() => clock.now());
  bucket = store.connect();
  raised = [];
  errors = [];
  open = [];
});

afterEach(() => {
  for (const count of open) count.close();
});

test('a cluster has one partition, of which nothing is written, until a node wants more; the largest number counts', async () => {
  expect((await agree(1)).count).toBe(1);
  expect(store.keys()).toEqual([]);
  expect((await agree(5)).count).toBe(5);
  expect((await agree(2)).count).toBe(5);
  expect((await agree(16)).count).toBe(16);
});

test('of nodes that want different numbers at the same time all get the largest in the end', async () => {
  const counts = await Promise.all([3, 7, 5].map(agree));
  await looks();
  expect(counts.map(({ count }) => count)).toEqual([7, 7, 7]);
});

test('a node that runs is told of more partitions, once', async () => {
  const count = await agree(1);
  await agree(3);
  expect([count.count, raised]).toEqual([1, []]);
  await looks();
  expect([count.count, raised]).toEqual([3, [3]]);
  await looks();
  expect(raised).toEqual([3]);
});

test('a look that fails is told, and the next one finds what was missed', async () => {
  await agree(1);
  bucket.isCutOff = true;
  await looks();
  expect(errors).toEqual(['unavailable']);
  bucket.isCutOff = false;
  await agree(2);
  await looks();
  expect(raised).toEqual([2]);
});

test('it is not raised while a node is there that knows one partition only', async () => {
  await say('http://b', 1);
  await expect(agree(2)).rejects.toMatchObject({
    code: 'config',
    message: expect.stringMatching(/http:\/\/b has version 1\.4\.0.* upgrade all nodes first/),
  });
  expect((await agree(1)).count).toBe(1);
  await say('http://b', 2);
  expect((await agree(2)).count).toBe(2);
});

test('what an older build of the same node said is no hindrance, nor what one said that is gone', async () => {
  await say(OWN, 1);
  expect((await agree(2)).count).toBe(2);
  await say('http://b', 1);
  clock.advance(MEMBER_TTL_MS);
  expect((await agree(3)).count).toBe(3);
});

test.each(['17', '0', '1.5', 'x', ''])(
  'a number of partitions of "%s", which this build does not know, is refused',
  async (text) => {
    await bucket.put('partitions', Buffer.from(text), {});
    await expect(agree(1)).rejects.toMatchObject({ code: 'config' });
  },
);

async function agree(wanted: number): Promise<PartitionCount> {
  const count = await PartitionCount.agree({
    ...{ bucket, clock, url: OWN, wanted },
    onRaised: (now) => raised.push(now),
    onError: ({ code }) => errors.push(code),
  });
  open.push(count);
  return count;
}

async function looks(): Promise<void> {
  clock.advance(PARTITIONS_LOOK_MS);
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function say(url: string, commandVersion: number): Promise<void> {
  const info: NodeInfo = {
    ...{ url, grpcUrl: undefined, version: '1.4.0', commandVersion, sequence: 0, durableSequence: 0 },
    ...{ role: 'following', isDraining: false, problems: [] },
  };
  await bucket.put(keyOf(memberPrefix(0), url), encodeEntry(info), { ttlMs: MEMBER_TTL_MS });
}
