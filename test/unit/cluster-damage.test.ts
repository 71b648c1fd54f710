/** Nodes of a cluster whose stores are damaged: they take a copy of another node by themselves, and not without end. */

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { takeSnapshot } from '../../src/cluster/take-snapshot.ts';
import { TailraceError } from '../../src/model/error.ts';
import { REPAIR_AGAIN_MS } from '../../src/model/limits.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { basinKey, usageKey } from '../../src/storage/keys.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { leading, type ReplicationNode, ReplicationNodes } from '../support/replication-nodes.ts';

/** A row that cannot be decoded. */
const DAMAGED = basinKey('damaged');
const FOUND = new TailraceError('corrupt', 'a block is missing');

let dir: string;
let nodes: ReplicationNodes;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tailrace-damage-'));
  nodes = new ReplicationNodes(dir);
});

afterEach(async () => {
  await nodes.close();
  await rm(dir, { recursive: true, force: true });
});

test('a node that follows finds its store damaged when it starts, and takes a copy of another node', async () => {
  const [first, second] = [await nodes.startShared('a'), await nodes.startShared('b')];
  await nodes.until(() => second.it.role === 'following');
  await nodes.settled(second.it.close());
  nodes.forget(second);
  await damageStopped('b');
  const again = await nodes.startShared('b');
  await nodes.until(() => again.it.describe().damages === 1);
  await nodes.until(() => again.it.role === 'following' && !isDamaged(again));
  expect(await hasDamage(again)).toBe(false);
  expect(again.it.describe()).toMatchObject({ damages: 1, problems: [] });
  // It goes on to follow.
  await nodes.settled(leading(first).commit([{ type: 'put', key: DAMAGED, value: Buffer.of(1) }]));
  await nodes.until(() => again.it.describe().sequence === first.it.describe().sequence);
});

test('a copy is taken of the partition that is asked for, and refused where it is of another one', async () => {
  const { it } = await nodes.startShared('a');
  const file = path.join(dir, 'copy.mdb');
  const { url } = it.describe();
  const { signal } = new AbortController();
  const take = (asked: number, base: number) => {
    const source = { url, path: `/snapshot?partition=${asked}`, headers: {}, caFile: undefined, signal };
    return nodes.settled(takeSnapshot(file, source, Buffer.alloc(16, base)));
  };
  await expect(take(1, 0)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(take(0, 7)).rejects.toMatchObject({
    code: 'corrupt',
    message: expect.stringContaining('of another partition'),
  });
  expect(existsSync(file)).toBe(false);
  await take(0, 0);
  expect(existsSync(file)).toBe(true);
});

test('a node that leads hands over before it takes a copy, and may lead again', async () => {
  const [first, second] = await twoNodes();
  await damage(first.it.local);
  first.onDamaged(FOUND);
  await nodes.until(() => second.it.role === 'leading' && !isDamaged(first));
  expect(first.ends).toEqual(['draining']);
  expect(await hasDamage(first)).toBe(false);
  await nodes.until(() => first.it.role === 'following');
  await nodes.settled(second.it.close());
  nodes.forget(second);
  await nodes.until(() => first.it.role === 'leading');
});

test('a node alone says that its store is damaged and leads on, until another node is there', async () => {
  const [first, second] = await twoNodes();
  await nodes.settled(second.it.close());
  nodes.forget(second);
  await nodes.until(() => first.it.nodes.length === 1);
  first.onDamaged(FOUND);
  await pass(30_000);
  expect([first.it.role, first.ends]).toEqual(['leading', []]);
  expect(first.it.describe().problems).toEqual([
    expect.stringMatching(/^Its store is damaged \(a block is missing\)\..*waits for another node/),
  ]);
  const again = await nodes.startShared('b');
  await nodes.until(() => again.it.role === 'leading' && !isDamaged(first));
  expect(first.it.describe().problems).toEqual([]);
});

test('a copy that is damaged itself is refused, and another node is asked', async () => {
  const [first, second] = await twoNodes();
  await damage(second.it.local);
  // So that the third one needs a copy.
  nodes.store.purge(first.it.describe().sequence);
  const third = await nodes.startShared('c');
  await nodes.until(() => third.it.role === 'following');
  expect(await hasDamage(third)).toBe(false);
  expect(nodes.warned.join('\n')).toMatch(/cannot join.*the copy that the node .* sent is refused: it is damaged: /);
  // The control: that of the other node is taken with it.
  expect(await hasDamage(second)).toBe(true);
  expect(first.it.role).toBe('leading');
});

test('what looks damaged in every copy does not make nodes copy from each other without end', async () => {
  const [first, second] = await twoNodes();
  second.onDamaged(FOUND);
  first.onDamaged(FOUND);
  await nodes.until(() => first.it.describe().damages === 1 && !isDamaged(first));
  await nodes.until(() => second.it.role === 'leading');
  second.onDamaged(FOUND);
  await nodes.until(() => second.it.describe().damages === 1 && !isDamaged(second));
  await nodes.until(() => first.it.role === 'leading');
  // Both had their copy: now they wait.
  first.onDamaged(FOUND);
  await nodes.until(() => second.it.role === 'leading');
  second.onDamaged(FOUND);
  await pass(REPAIR_AGAIN_MS / 4);
  expect([first, second].map(({ it }) => [it.role, isDamaged({ it })])).toEqual([
    ['following', true],
    ['leading', true],
  ]);
  expect(first.it.describe().problems).toEqual([expect.stringContaining('waits some minutes')]);
});

/** The first one leads, and each has a whole store. */
async function twoNodes(): Promise<[ReplicationNode, ReplicationNode]> {
  const [first, second] = [await nodes.startShared('a'), await nodes.startShared('b')];
  await nodes.until(() => second.it.role === 'following');
  await nodes.settled(leading(first).commit([{ type: 'put', key: usageKey('minutes', 1, 1), value: Buffer.of(1) }]));
  // Until both have read their stores once.
  await pass(30_000);
  return [first, second];
}

async function pass(ms: number): Promise<void> {
  const since = nodes.clock.monotonicMs();
  await nodes.until(() => nodes.clock.monotonicMs() - since > ms);
}

async function damageStopped(name: string): Promise<void> {
  const store = await openLmdbEngine({ path: nodes.dataDirOf(name) });
  await damage(store);
  await store.close();
}

async function damage(store: Engine): Promise<void> {
  await store.commit([{ type: 'put', key: DAMAGED, value: Buffer.of(0xff) }]);
}

async function hasDamage({ it }: ReplicationNode): Promise<boolean> {
  return (await it.local.get(DAMAGED)) !== undefined;
}

function isDamaged({ it }: Pick<ReplicationNode, 'it'>): boolean {
  return it.describe().isDamaged === true;
}
