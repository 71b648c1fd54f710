/**
 * Three NATS servers that are killed or say nothing while commands are published: what was acknowledged is there once
 * and in its order.
 */

import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { checkServers } from '../../src/storage/replicated/check-servers.ts';
import { openJetstreamLog } from '../../src/storage/replicated/jetstream-log.ts';
import { openKeyBucket } from '../../src/storage/replicated/key-bucket.ts';
import { connectNats, type NatsLink } from '../../src/storage/replicated/nats-connection.ts';
import type { KeyBucket, ReplicatedLog, StoredCommand } from '../../src/storage/replicated/replicated-log.ts';
import { readFromLeader } from '../../src/storage/replicated/stream-reads.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { FaultyLink } from '../support/faulty-link.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';

const STREAM = 'c-p0';

let servers: NatsServers;
let link: NatsLink;
let log: ReplicatedLog;
let bucket: KeyBucket;
/** What was acknowledged. */
const expected: StoredCommand[] = [];

describeWithNats('three NATS servers', () => {
  beforeAll(async () => {
    servers = await startNatsServers(3);
    link = await connectNats({ servers: servers.urls, name: 'test' });
    log = await openJetstreamLog(link, { cluster: 'c', partition: 0, replicas: 3 });
    bucket = await openKeyBucket(link, { cluster: 'c', replicas: 3 });
  });
  afterAll(async () => {
    await link.close();
    await servers.dispose();
  });

  loseSome();
  damageOne();
});

function loseSome(): void {
  test('another server leads when it is asked for, and publishing goes on', async () => {
    const before = await leaderOf(STREAM);
    await log.changeLeader();
    await publishSome(1);
    expect(await leaderOf(STREAM)).not.toBe(before);
    // So does who finds that the one that leads lacks what was stored.
    const faulty = new FaultyLink(link);
    faulty.hiddenFromLeader.add(1);
    const damaged = await openJetstreamLog(faulty, { cluster: 'c', partition: 0, replicas: 3, resolveMs: 1_000 });
    expect(await damaged.publish(new Uint8Array(1), new Uint8Array(randomBytes(16)), 0)).toEqual({ type: 'unknown' });
    expect(faulty.calls.filter((call) => call === 'STREAM.LEADER.STEPDOWN.c-p0')).toHaveLength(1);
  });

  test('the one that leads is killed while a command is on its way', async () => {
    await publishSome(2);
    const killed = await leaderOf(STREAM);
    const published = publishSome(6);
    await servers.kill(killed);
    await published;
    await servers.restart(killed);
    await publishSome(2);
    await expectAll();
  });

  test('without a majority nothing is acknowledged, and afterwards what was tried is stored once', async () => {
    // The bucket may still elect after the server that was killed before.
    const key = await once(() => bucket.put('leader.0', new Uint8Array([1]), { ttlMs: 1_000 }));
    const first = await leaderOf(STREAM);
    const second = (first + 1) % 3;
    const hurried = await openJetstreamLog(link, { cluster: 'c', partition: 0, replicas: 3, resolveMs: 1_000 });
    servers.stop(first);
    await servers.kill(second);
    const after = expected.at(-1)?.sequence ?? 0;
    const lost = { bytes: new Uint8Array(randomBytes(10)), id: new Uint8Array(randomBytes(16)) };
    expect(await hurried.publish(lost.bytes, lost.id, after)).toEqual({ type: 'unknown' });
    servers.resume(first);
    await servers.restart(second);
    // It is published again, whether it was stored or not.
    const outcome = await log.publish(lost.bytes, lost.id, after);
    expect(outcome).toEqual({ type: 'stored', sequence: after + 1 });
    expected.push({ sequence: after + 1, bytes: lost.bytes });
    await expectAll();
    // Its time is over, whoever leads the bucket now.
    const next = await once(async () => {
      await bucket.put('leader.0', new Uint8Array([2]), { revision: 0 });
      const entry = await bucket.get('leader.0');
      return entry?.value[0] === 2 ? entry : undefined;
    });
    expect(next.revision).toBeGreaterThan(key);
  });
}

function damageOne(): void {
  /** A server that does not lead the stream; a bit of its oldest block is flipped while it is down. */
  let damaged: number;
  const lost = async () => (await checkServers(servers.monitors, 'c')).filter(({ kind }) => kind === 'lost');
  /** Sequences that the server lacks which leads the stream. */
  const lackedByLeader = async (): Promise<readonly number[]> => {
    const all = Array.from({ length: expected.at(-1)?.sequence ?? 0 }, (_, i) => i + 1);
    const found = await Promise.all(all.map((seq) => once(async () => [await readFromLeader(link, STREAM, { seq })])));
    return all.filter((_, i) => found[i]?.[0] === undefined);
  };

  test('a bit that is flipped in a server of NATS is said, and no node skips what that server lacks', async () => {
    // More than one block: what is wrong in the last one JetStream takes again by itself.
    await publishSome(24);
    damaged = ((await leaderOf(STREAM)) + 1) % 3;
    await servers.kill(damaged);
    await flipIn(path.join(servers.storeDirOf(damaged), 'jetstream', '$G', 'streams', STREAM, 'msgs'));
    await servers.restart(damaged);
    const [finding] = await once(async () => ((await lost()).length > 0 ? lost() : undefined));
    expect(finding?.what).toMatch(new RegExp(`n${damaged} .* lacks \\d+ messages`));
    const near = await connectNats({ servers: [servers.urls[damaged] ?? ''], name: 'near' });
    await expectAll(await openJetstreamLog(near, { cluster: 'c', partition: 0, replicas: 3 }));
    await near.close();
  });

  test('where that server leads the stream, who reads has another one lead', async () => {
    await lead(damaged);
    const lacked = await lackedByLeader();
    // The control: without them there would be a gap.
    expect(lacked.length).toBeGreaterThan(0);
    const faulty = new FaultyLink(link);
    for (const sequence of lacked) faulty.hiddenFromNearest.add(sequence);
    await expectAll(await openJetstreamLog(faulty, { cluster: 'c', partition: 0, replicas: 3 }));
    expect(faulty.calls).toContain(`STREAM.LEADER.STEPDOWN.${STREAM}`);
    await publishSome(2);
  });

  test('what the finding says heals it: it takes all again from the others', async () => {
    const [finding] = await lost();
    expect(finding?.fix).toContain('store_dir');
    await servers.kill(damaged);
    rmSync(servers.storeDirOf(damaged), { recursive: true });
    await servers.restart(damaged);
    await publishSome(1);
    const { last } = await once(() => log.bounds());
    await once(async () => ((await messagesIn(servers.monitors[damaged])) === last ? true : undefined));
    expect(await lost()).toEqual([]);
  });
}

/** How many messages of the stream a server has. */
async function messagesIn(monitor: string | undefined): Promise<number | undefined> {
  const { account_details: accounts } = (await (await fetch(`${monitor}/jsz?streams=1`)).json()) as {
    account_details: readonly { stream_detail?: readonly { name: string; state: { messages: number } }[] }[];
  };
  return accounts.flatMap((account) => account.stream_detail ?? []).find(({ name }) => name === STREAM)?.state.messages;
}

/** Flips a bit in the oldest block of messages, behind the first of them. */
async function flipIn(folder: string): Promise<void> {
  const blocks = readdirSync(folder).filter((name) => name.endsWith('.blk'));
  const [oldest = ''] = blocks.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  const file = await open(path.join(folder, oldest), 'r+');
  const at = Math.floor((await file.stat()).size / 4);
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.of((buffer[0] ?? 0) ^ 1), 0, 1, at);
  await file.close();
}

/** Has a server lead the stream. */
async function lead(index: number): Promise<void> {
  const placement = { preferred: `n${index}` };
  while ((await leaderOf(STREAM)) !== index) {
    await once(() => link.api(`STREAM.LEADER.STEPDOWN.${STREAM}`, { placement }));
    await link.pause(200);
  }
}

/** Publishes commands of one message and of two, and remembers what was acknowledged. */
async function publishSome(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const bytes = new Uint8Array(randomBytes(i % 3 === 1 ? 1_200_000 : 100));
    const after = expected.at(-1)?.sequence ?? 0;
    const id = new Uint8Array(randomBytes(16));
    let outcome = await log.publish(bytes, id, after);
    // An election may take longer than a publish waits.
    while (outcome.type === 'unknown') outcome = await log.publish(bytes, id, after);
    if (outcome.type !== 'stored') throw new Error(`a command behind ${after} is ${outcome.type}`);
    expected.push({ sequence: outcome.sequence, bytes });
  }
}

/** Index of the server that leads a stream. */
async function leaderOf(stream: string): Promise<number> {
  const name = await once(async () => {
    const info = await link.api(`STREAM.INFO.${stream}`);
    return info.type === 'done' ? (info.body.cluster as { leader?: string }).leader : undefined;
  });
  return Number(name.slice(1));
}

/** Asks until there is an answer: servers elect who leads. */
async function once<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    await link.pause(50);
  }
}

/** All that was acknowledged is there, in its order, and nothing else. */
async function expectAll(of = log): Promise<void> {
  const found: StoredCommand[] = [];
  while (found.length < expected.length) {
    const page = await once(() => of.read(found.at(-1)?.sequence ?? 0, 4_000_000));
    if (page.type === 'gap') throw new Error(`a gap before ${page.first}`);
    found.push(...page.commands);
  }
  expect(found.map(({ sequence }) => sequence)).toEqual(expected.map(({ sequence }) => sequence));
  const wrong = found.filter(({ bytes }, i) => Buffer.compare(bytes, expected[i]?.bytes ?? new Uint8Array(0)) !== 0);
  expect(wrong).toEqual([]);
}
