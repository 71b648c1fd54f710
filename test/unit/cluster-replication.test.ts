/** Nodes of a cluster over a log in memory, with a clock that the test moves: who leads, what happens when one is gone. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { leaderKey } from '../../src/cluster/node-info.ts';
import {
  LEADER_RENEW_MS,
  LEADER_TTL_MS,
  LEADERLESS_MS_MAX,
  LOG_KEPT_MS,
  LOG_PURGE_MS,
} from '../../src/model/limits.ts';
import type { Write } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { MemoryLogStore } from '../support/memory-replicated-log.ts';
import { leading, type ReplicationNode, ReplicationNodes } from '../support/replication-nodes.ts';

const UNAVAILABLE = { code: 'unavailable' };

let dir: string;
let nodes: ReplicationNodes;

const start = (name: string, url?: string) => nodes.start(name, url);
const until = (isSo: () => boolean) => nodes.until(isSo);
const settled = <T>(work: Promise<T>) => nodes.settled(work);

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tailrace-cluster-'));
  nodes = new ReplicationNodes(dir);
});

afterEach(async () => {
  await nodes.close();
  await rm(dir, { recursive: true, force: true });
});

test('the first node leads, the others follow, and what it commits is in the stores of all', async () => {
  const [first, second, third] = [await start('a'), await start('b'), await start('c')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined && third.it.leader !== undefined);
  const engine = leading(first);
  expect([second.it.role, third.it.role]).toEqual(['following', 'following']);
  expect(third.it.leader).toMatchObject({ url: 'http://a' });
  await settled(engine.commit([put('k', '1')]));
  await until(() => second.it.describe().sequence === first.it.describe().sequence);
  expect(await text(second, 'k')).toBe('1');
  await until(() => first.it.nodes.length === 3);
});

test('when the node that leads stops in order, another one leads at once and has everything', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  await settled(leading(first).commit([put('k', '1')]));
  const removed = jest.spyOn(first.bucket, 'remove');
  await settled(first.it.close());
  // The clock goes on while a slow disk writes, so that the key could also have ended by itself.
  expect(removed).toHaveBeenCalledWith(leaderKey(0), expect.any(Number));
  await until(() => second.it.role === 'leading');
  expect(await text(second, 'k')).toBe('1');
  expect(first.ends).toEqual(['draining']);
});

test('a node that is cut off leads no more, and answers nothing; another one leads after the key has ended', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  const engine = leading(first);
  await settled(engine.commit([put('k', '1')]));
  // A slow disk is not what is measured here.
  await until(() => second.it.describe().durableSequence === first.it.describe().durableSequence);
  first.log.isCutOff = true;
  first.bucket.isCutOff = true;
  const since = nodes.clock.monotonicMs();
  await expect(settled(engine.commit([put('k', 'lost')]))).rejects.toMatchObject(UNAVAILABLE);
  await until(() => second.it.role === 'leading');
  expect(nodes.clock.monotonicMs() - since).toBeLessThanOrEqual(15_000);
  await settled(leading(second).commit([put('k', '2')]));
  expect(first.ends).toEqual(['unavailable']);
  first.log.isCutOff = false;
  first.bucket.isCutOff = false;
  await until(() => first.it.describe().sequence === second.it.describe().sequence);
  expect(await text(first, 'k')).toBe('2');
  expect(first.it.role).toBe('following');
});

test('a node that led before a pause is not sure that it leads, and does not take what it has for all that there is', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  await settled(first.it.catchUp());
  expect([first.it.leadsForSure, second.it.leadsForSure]).toEqual([true, false]);
  first.log.isCutOff = true;
  first.bucket.isCutOff = true;
  await expect(settled(first.it.catchUp())).rejects.toMatchObject(UNAVAILABLE);
  first.log.isCutOff = false;
  first.bucket.isCutOff = false;
  await until(() => first.it.leadsForSure || second.it.leadsForSure);
  const leader = first.it.leadsForSure ? first : second;
  nodes.clock.advance(LEADER_TTL_MS);
  expect(leader.it.leadsForSure).toBe(false);
});

test('another node leads when the key was not renewed for its time, also where NATS is late to end it', async () => {
  nodes = new ReplicationNodes(dir, false);
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  first.log.isCutOff = true;
  first.bucket.isCutOff = true;
  await until(() => second.it.role === 'leading');
  expect(first.it.role).toBe('following');
});

test('a node serves readers from its replica while it follows, which can be brought up to the end of the log', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.reading.length === 1);
  expect(first.reading).toEqual([]);
  const [served] = second.reading;
  await settled(leading(first).commit([put('k', '1')]));
  const { sequence } = first.it.describe();
  // The clock goes on while a slow disk writes, so that it may be too late.
  await settled(served?.catchUp() ?? Promise.resolve()).catch(() => until(() => served?.replica.sequence === sequence));
  expect(served?.replica.sequence).toBe(sequence);
  second.log.isCutOff = true;
  await expect(settled(served?.catchUp() ?? Promise.resolve())).rejects.toMatchObject(UNAVAILABLE);
  second.log.isCutOff = false;
  await settled(first.it.close());
  await until(() => second.it.role === 'leading');
  expect(second.reading).toEqual([]);
});

test('a node that ended at once leads again when it starts, although its key is not over', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  await settled(leading(first).commit([put('k', '1')]));
  const { revision } = nodes.bucketStore.get(leaderKey(0)) ?? {};
  const puts = jest.spyOn(nodes.bucketStore, 'put');
  await nodes.endAtOnce(first);
  const again = await start('a');
  await until(() => again.it.role === 'leading');
  // It took the place of the key that was there.
  expect(puts).toHaveBeenCalledWith(leaderKey(0), expect.anything(), expect.objectContaining({ revision }));
  await settled(leading(again).commit([put('k', '2')]));
  await until(() => second.it.describe().sequence === again.it.describe().sequence);
  expect(await text(second, 'k')).toBe('2');
});

test('of two processes with the same URL the one that started last leads, and they do not take it from each other', async () => {
  const first = await start('a');
  await until(() => first.it.role === 'leading');
  const second = await start('copy', 'http://a');
  await until(() => second.it.role === 'leading' && first.it.role === 'following');
  const puts = jest.spyOn(first.bucket, 'put');
  const since = nodes.clock.monotonicMs();
  await until(() => nodes.clock.monotonicMs() - since > 2 * LEADER_TTL_MS);
  expect(second.it.role).toBe('leading');
  expect(puts.mock.calls.filter(([key]) => key === leaderKey(0))).toEqual([]);
});

test('a drained node leads when no other one does for a while, and hands over when another one is back', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.nodes.some(({ url, role }) => url === 'http://b' && role === 'following'));
  await settled(first.it.drain('http://b', true));
  await until(() => second.it.describe().isDraining);
  const since = nodes.clock.monotonicMs();
  await nodes.endAtOnce(first);
  await until(() => second.it.role === 'leading');
  const waitedMs = LEADER_TTL_MS - LEADER_RENEW_MS + LEADERLESS_MS_MAX;
  expect(nodes.clock.monotonicMs() - since).toBeGreaterThanOrEqual(waitedMs);
  await settled(leading(second).commit([put('k', '1')]));
  const again = await start('a');
  await until(() => again.it.role === 'leading');
  expect(second.ends).toEqual(['draining']);
  expect(await text(again, 'k')).toBe('1');
});

test('a node that was told to drain hands over, and leads again when it may and no other node does', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => second.it.nodes.some(({ url, role }) => url === 'http://b' && role === 'following'));
  expect(second.it.leaderChanges).toBe(0);
  await settled(second.it.drain('http://a', true));
  await until(() => second.it.role === 'leading');
  expect(second.it.leaderChanges).toBe(1);
  expect(first.it.describe().isDraining).toBe(true);
  await settled(first.it.drain('http://a', false));
  await until(() => !first.it.describe().isDraining);
  await settled(second.it.close());
  await until(() => first.it.role === 'leading');
});

test('a node that is not there cannot be drained, nor the last one that could lead, and what was asked can be taken back', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.nodes.some(({ url, role }) => url === 'http://b' && role === 'following'));
  await expect(settled(first.it.drain('http://c', true))).rejects.toMatchObject({ code: 'not_found' });
  await expect(settled(first.it.drain('http://c', false))).rejects.toMatchObject({ code: 'not_found' });
  await settled(first.it.drain('http://b', true));
  await expect(settled(first.it.drain('http://a', true))).rejects.toMatchObject({ code: 'invalid' });
  await settled(second.it.close());
  await until(() => first.it.nodes.length === 1);
  await settled(first.it.drain('http://b', false));
  await expect(settled(first.it.drain('http://b', false))).rejects.toMatchObject({ code: 'not_found' });
});

test('what all nodes have on disk leaves the log after an hour, and not before', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  await settled(leading(first).commit([put('k', '1')]));
  const last = first.it.describe().sequence;
  await until(() => second.it.describe().durableSequence === last);
  const since = nodes.clock.monotonicMs();
  await until(() => nodes.clock.monotonicMs() - since > 2 * LOG_PURGE_MS);
  expect(nodes.store.bounds.first).toBe(1);
  nodes.clock.advance(LOG_KEPT_MS);
  await until(() => nodes.store.bounds.first > 1);
  expect(nodes.store.bounds.first).toBeLessThanOrEqual(last + 1);
});

test('a node that is there and behind keeps in the log what it lacks', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  const behind = second.it.describe().sequence;
  second.log.copyEndsAt = behind;
  // Commits are remembered for the time of the log once a minute.
  for (let commits = 0; commits < 3; commits++) {
    await settled(leading(first).commit([put('k', String(commits))]));
    const since = nodes.clock.monotonicMs();
    await until(() => nodes.clock.monotonicMs() - since > LOG_PURGE_MS);
  }
  nodes.clock.advance(LOG_KEPT_MS);
  await until(() => first.it.role === 'leading' && first.it.nodes.length === 2);
  const since = nodes.clock.monotonicMs();
  await until(() => nodes.clock.monotonicMs() - since > 2 * LOG_PURGE_MS);
  expect(nodes.store.bounds.first).toBeLessThanOrEqual(behind + 1);
});

test('a store with data of its own does not join a cluster that began without it, and stays as it is', async () => {
  const first = await start('a');
  await until(() => first.it.role === 'leading');
  const other = await openLmdbEngine({ path: path.join(dir, 'b') });
  await other.commit([{ type: 'put', key: Buffer.of(2, 1), value: Buffer.from('basin') }]);
  await other.close();
  const second = await start('b');
  await until(() => second.it.describe().problems.length > 0);
  expect(second.it.role).toBe('joining');
  expect(second.it.describe().problems[0]).toContain('not of the cluster');
  for (let turns = 0; turns < 80; turns++) await nodes.turn();
  expect(nodes.warned.filter((line) => line.includes('cannot join'))).toHaveLength(1);
  expect(Buffer.from((await second.it.local.get(Buffer.of(2, 1))) ?? []).toString()).toBe('basin');
});

test('a node that finds a damaged command in the log asks another node for a copy, and applies nothing of it', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  second.log.copyEndsAt = first.it.describe().sequence;
  await settled(leading(first).commit([put('k', '1')]));
  const damaged = nodes.store.commands.at(-1);
  if (damaged === undefined) throw new Error('the log is empty');
  damaged.bytes[damaged.bytes.length - 1] = (damaged.bytes.at(-1) ?? 0) ^ 1;
  second.log.copyEndsAt = Number.MAX_SAFE_INTEGER;
  const asked = () => second.it.describe().problems.some((problem) => problem.includes('http://a cannot be reached'));
  await until(asked);
  expect(await text(second, 'k')).toBeUndefined();
});

test('a node whose log has lost what it has applied says so and follows nothing', async () => {
  const first = await start('a');
  await until(() => first.it.role === 'leading');
  await settled(leading(first).commit([put('k', '1')]));
  await settled(first.it.close());
  nodes.forget(first);
  const again = await nodes.start('a', undefined, new MemoryLogStore());
  await until(() => again.it.describe().problems.length > 0);
  expect(again.it.describe().problems[0]).toContain('have lost data');
  expect(again.it.role).toBe('joining');
});

describe('a node whose last command the log has lost, while another node went on without it,', () => {
  let lost: ReplicationNode;
  let other: ReplicationNode;

  beforeEach(async () => {
    const first = await start('a');
    [lost, other] = [await start('b'), await start('c')];
    await until(() => first.it.role === 'leading' && other.it.leader !== undefined && lost.it.leader !== undefined);
    const { sequence } = first.it.describe();
    await until(() => other.it.describe().sequence === sequence);
    other.log.copyEndsAt = sequence;
    await settled(leading(first).commit([put('k', 'lost')]));
    await until(() => lost.it.describe().sequence === sequence + 1);
    await nodes.endAtOnce(first);
    nodes.store.loseEnd(sequence);
    other.log.copyEndsAt = Number.MAX_SAFE_INTEGER;
    await until(() => other.it.role === 'leading');
  });

  test('says so, keeps what it has, and does not lead; the other one goes on', async () => {
    for (let i = 0; i < 40; i++) await settled(leading(other).commit([put('k', String(i))]));
    await until(() => lost.it.role === 'joining');
    expect(lost.it.describe().problems).toEqual([expect.stringContaining('does not continue the log')]);
    expect(await text(lost, 'k')).toBe('lost');
    await settled(other.it.close());
    nodes.forget(other);
    for (let turns = 0; turns < 80; turns++) await nodes.turn();
    expect(lost.it.role).toBe('joining');
  });

  test('does not lead, also where it has followed little since', async () => {
    await settled(leading(other).commit([put('k', '1')]));
    await settled(leading(other).commit([put('k', '2')]));
    await settled(other.it.close());
    nodes.forget(other);
    await until(() => lost.it.role === 'joining');
    expect(lost.it.describe().problems).toEqual([expect.stringContaining('does not continue the log')]);
    expect(await text(lost, 'k')).toBe('lost');
  });
});

test('a node that cannot read a command of the log tries again after a while, and says so once', async () => {
  const [first, second] = [await start('a'), await start('b')];
  await until(() => first.it.role === 'leading' && second.it.leader !== undefined);
  await settled(first.it.close());
  await until(() => second.it.role === 'leading');
  const third = await start('c');
  await until(() => third.it.role === 'following');
  const reads = jest.spyOn(third.log, 'read');
  nodes.store.append(Buffer.from('damaged'));
  for (let turns = 0; turns < 80; turns++) await nodes.turn();
  expect(reads.mock.calls.length).toBeLessThan(80);
  expect(third.it.describe().problems).toHaveLength(1);
  expect(new Set(nodes.warned).size).toBe(nodes.warned.length);
});

function put(name: string, value: string): Write {
  return { type: 'put', key: Buffer.from(name), value: Buffer.from(value) };
}

async function text({ it }: ReplicationNode, name: string): Promise<string | undefined> {
  const value = await it.local.get(Buffer.from(name));
  return value === undefined ? undefined : Buffer.from(value).toString();
}
