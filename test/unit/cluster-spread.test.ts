/** Nodes of a cluster of several partitions, in memory: who leads which of them, and that this comes to an end. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { leaderKey, type NodeInfo } from '../../src/cluster/node-info.ts';
import { Spread } from '../../src/cluster/spread.ts';
import { HAND_OVER_PAUSE_MS, SPREAD_SETTLED_MS } from '../../src/model/limits.ts';
import type { Write } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { MemoryLogStore } from '../support/memory-replicated-log.ts';
import { type ReplicationNode, ReplicationNodes } from '../support/replication-nodes.ts';

interface SpreadNode {
  readonly name: string;
  readonly parts: readonly ReplicationNode[];
  readonly spread: Spread;
}

let dir: string;
let nodes: ReplicationNodes;
let stores: MemoryLogStore[];
let started: SpreadNode[];

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tailrace-spread-'));
  nodes = new ReplicationNodes(dir);
  started = [];
});

afterEach(async () => {
  for (const { spread } of started) spread.close();
  await nodes.close();
  await rm(dir, { recursive: true, force: true });
});

test.each([1, 2, 3, 4, 5, 6, 7])(
  'three nodes that start together lead %d partitions evenly, and keep them',
  async (count) => {
    await cluster(count, ['a', 'b', 'c']);
    await settle();
    expectEven(count);
    await expectNoChange();
  },
);

test.each([
  [2, 1],
  [5, 3],
  [7, 4],
])(
  'nodes that come later get their part of %d partitions by %d hand-overs, one after the other',
  async (count, changes) => {
    await cluster(count, ['a']);
    await nodes.until(() => led('a') === count);
    await join('b', count);
    await join('c', count);
    const times = await settle();
    expectEven(count);
    expect(times).toHaveLength(changes);
    for (const [i, time] of times.entries()) {
      expect(time - (times[i - 1] ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(SPREAD_SETTLED_MS);
    }
    await expectNoChange();
  },
);

test('a partition that no other node takes is led by the one again that handed it over', async () => {
  await cluster(2, ['a']);
  await nodes.until(() => led('a') === 2);
  const part = started[0]?.parts[1];
  await nodes.settled(part?.it.handOver('a test') ?? Promise.reject());
  expect(led('a')).toBe(1);
  await pass(HAND_OVER_PAUSE_MS - 500);
  expect(led('a')).toBe(1);
  await nodes.until(() => led('a') === 2 && part?.it.role === 'leading');
  expect(part?.ends).toEqual(['draining']);
});

test('a node that stops while it hands over ends when the key is given up', async () => {
  await cluster(1, ['a']);
  const part = started[0]?.parts[0];
  if (part === undefined) throw new Error('there is no node');
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    const remove = part.bucket.remove.bind(part.bucket);
    jest.spyOn(part.bucket, 'remove').mockImplementationOnce(async (...given) => {
      release = resolve;
      await held;
      await remove(...given);
    });
  });
  void part.it.handOver('a test');
  await nodes.until(() => release !== undefined);
  let isClosed = false;
  const closing = part.it.close().then(() => {
    isClosed = true;
  });
  await pass(5_000);
  expect([isClosed, led('a')]).toEqual([false, 1]);
  release?.();
  await nodes.settled(closing);
  expect(led('a')).toBe(0);
});

test('partitions do not mix up what nodes say of themselves', async () => {
  await cluster(12, ['a', 'b']);
  await nodes.until(() => started.every(({ parts }) => parts.every(({ it }) => it.nodes.length === 2)));
  const engine = started.flatMap(({ parts }) => parts).find(({ it }) => it.partition === 11 && it.engine)?.it.engine;
  const row: Write = { type: 'put', key: Buffer.from('k'), value: Buffer.from('v') };
  for (let i = 0; i < 3; i++) await nodes.settled(engine?.commit([row]) ?? Promise.reject());
  const said = (partition: number) =>
    started.map(({ parts }) => Math.max(0, ...(parts[partition]?.it.nodes ?? []).map(({ sequence }) => sequence)));
  await nodes.until(() => said(11).every((sequence) => sequence === 4));
  expect(said(1)).toEqual([1, 1]);
});

test('one node alone leads all partitions soon', async () => {
  await cluster(16, ['a']);
  const since = nodes.clock.monotonicMs();
  await nodes.until(() => led('a') === 16);
  expect(nodes.clock.monotonicMs() - since).toBeLessThanOrEqual(2_000);
});

test('what a node led that is gone is led by the others, and it gets as many back', async () => {
  await cluster(6, ['a', 'b', 'c']);
  await settle();
  expectEven(6);
  const gone = started.find(({ name }) => name === 'c');
  await crash(gone);
  await nodes.until(() => led('a') + led('b') === 6);
  await settle();
  expect([led('a'), led('b')]).toEqual([3, 3]);
  await join('c', 6);
  await settle();
  expectEven(6);
});

test('who waits for whom is about nodes that could lead, and not about the one that has just led', () => {
  const info = (name: string, more: Partial<NodeInfo> = {}): NodeInfo => ({
    ...{ url: `http://${name}`, grpcUrl: undefined, version: '1', commandVersion: 2, sequence: 0, durableSequence: 0 },
    ...{ role: 'following', isDraining: false, problems: [], ...more },
  });
  const excess = (own: number, nodeInfos: readonly NodeInfo[], ledByC: number, lastLeader?: string): number => {
    const partition = (number: number, name: string | undefined, last = name) => ({
      ...{ partition: number, claimsLead: name === 'a', nodes: nodeInfos, handOver: async () => {} },
      leader: name === undefined ? undefined : { ...info(name), start: name },
      lastLeader: last === undefined ? undefined : { ...info(last), start: last },
    });
    const led = [...Array.from({ length: own }, () => 'a'), ...Array.from({ length: ledByC }, () => 'c')];
    const all = [partition(0, undefined, lastLeader), ...led.map((name, i) => partition(i + 1, name))];
    const spread = new Spread({ clock: nodes.clock, url: 'http://a', partitions: () => all, onError: () => {} });
    return spread.excessIn(0);
  };
  expect(excess(3, [info('a'), info('c')], 1)).toBe(2);
  expect(excess(1, [info('a'), info('c')], 3)).toBe(0);
  expect(excess(3, [info('a'), info('b'), info('c')], 3)).toBe(3);
  expect(excess(3, [info('a'), info('b'), info('c')], 3, 'b')).toBe(0);
  for (const cannot of [{ isDraining: true }, { isDamaged: true }]) {
    expect(excess(3, [info('a'), info('b', cannot), info('c')], 3)).toBe(0);
  }
  expect(excess(3, [info('a'), info('b', { role: 'joining' }), info('c')], 3)).toBe(3);
  expect(excess(3, [info('a')], 0)).toBe(1);
});

test('a node that leads no more gets nothing, and gives all', async () => {
  await cluster(4, ['a', 'b', 'c']);
  await settle();
  const [first] = started;
  await nodes.settled(first?.parts[0]?.it.drain('http://a', true) ?? Promise.reject());
  await nodes.until(() => led('a') === 0 && led('b') + led('c') === 4);
  await settle();
  expect([led('a'), led('b'), led('c')]).toEqual([0, 2, 2]);
});

test('without a look at the others, one node leads all that it led before they came', async () => {
  await cluster(6, ['a']);
  await nodes.until(() => led('a') === 6);
  await join('b', 6);
  for (const { spread } of started) spread.close();
  await settle();
  expect([led('a'), led('b')]).toEqual([6, 0]);
});

async function cluster(count: number, names: readonly string[]): Promise<void> {
  stores = Array.from({ length: count }, () => new MemoryLogStore());
  const opened = await Promise.all(names.map((name) => open(name, count)));
  await nodes.settled(Promise.all(opened.flatMap(({ parts }) => parts.map(({ it }) => it.start()))));
  await nodes.until(() => names.reduce((sum, name) => sum + led(name), 0) === count);
}

async function join(name: string, count: number): Promise<void> {
  const { parts } = await open(name, count);
  await nodes.settled(Promise.all(parts.map(({ it }) => it.start())));
}

async function open(name: string, count: number): Promise<SpreadNode> {
  const parts: ReplicationNode[] = [];
  const spread = new Spread({
    ...{ clock: nodes.clock, url: `http://${name}`, partitions: () => parts.map(({ it }) => it) },
    onError: (error) => nodes.warned.push(error.message),
  });
  for (const [partition, store] of stores.entries()) {
    const part = await nodes.open(name, {
      ...{ partition, log: store.connect(), openStore: async () => openMemoryEngine() },
      excess: () => spread.excessIn(partition),
    });
    parts.push(part);
  }
  spread.start();
  const node = { name, parts, spread };
  started = [...started.filter((other) => other.name !== name), node];
  expect(parts).toHaveLength(count);
  return node;
}

async function crash(node: SpreadNode | undefined): Promise<void> {
  node?.spread.close();
  for (const part of node?.parts ?? []) await nodes.endAtOnce(part);
}

/** How many partitions a node leads, as the bucket says. */
function led(name: string): number {
  return leaders().filter((url) => url === `http://${name}`).length;
}

function leaders(): readonly (string | undefined)[] {
  return stores.map((_, partition) => {
    const entry = nodes.bucketStore.get(leaderKey(partition));
    return entry === undefined ? undefined : (JSON.parse(Buffer.from(entry.value).toString()) as { url: string }).url;
  });
}

/** Moves the clock until as many hand-overs as there could be had their time. Returns when partitions got another leader. */
function settle(): Promise<readonly number[]> {
  return pass(stores.length * (SPREAD_SETTLED_MS + 5_000));
}

async function pass(ms: number): Promise<readonly number[]> {
  const until = nodes.clock.monotonicMs() + ms;
  const last = [...leaders()];
  const times: number[] = [];
  while (nodes.clock.monotonicMs() < until) {
    await nodes.turn();
    for (const [partition, leader] of leaders().entries()) {
      if (leader === undefined || leader === last[partition]) continue;
      if (last[partition] !== undefined) times.push(nodes.clock.monotonicMs());
      last[partition] = leader;
    }
  }
  return times;
}

function expectEven(count: number): void {
  const counts = started.map(({ name }) => led(name));
  expect(counts.reduce((sum, one) => sum + one, 0)).toBe(count);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
}

async function expectNoChange(): Promise<void> {
  const before = leaders();
  await pass(4 * SPREAD_SETTLED_MS);
  expect(leaders()).toEqual(before);
}
