/** What a log in JetStream does when answers are lost, messages are missing, or the stream is another one. */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { CommandParts } from '../../src/storage/replicated/command-parts.ts';
import { openJetstreamLog } from '../../src/storage/replicated/jetstream-log.ts';
import { openKeyBucket } from '../../src/storage/replicated/key-bucket.ts';
import { connectNats } from '../../src/storage/replicated/nats-connection.ts';
import type { PublishOutcome, ReplicatedLog, StoredCommand } from '../../src/storage/replicated/replicated-log.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { FaultyLink, type LinkFault } from '../support/faulty-link.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';

const MiB = 1024 * 1024;
const PAGE_BYTES = 64 * MiB;

let servers: NatsServers;
let link: FaultyLink;
let log: ReplicatedLog;
let cluster: string;
let opened = 0;

describeWithNats('a log in JetStream', () => {
  beforeAll(async () => {
    servers = await startNatsServers(1);
    link = new FaultyLink(await connectNats({ servers: servers.urls, name: 'test' }));
  });
  afterAll(async () => {
    await link.close();
    await servers.dispose();
  });
  beforeEach(async () => {
    cluster = `test-${++opened}`;
    log = await openJetstreamLog(link, { cluster, partition: 0, replicas: 1, resolveMs: 1_000 });
    link.hiddenFromLeader.clear();
    link.hiddenFromNearest.clear();
    link.headersLost.clear();
    link.calls.length = 0;
  });

  resolves();
  fillsUp();
  reads();
  checksSettings();
});

function resolves(): void {
  test.each<[LinkFault, number]>([
    ['request-lost', 10],
    ['answer-lost', 10],
    ['delayed', 10],
    ['request-lost', 2 * MiB],
    ['answer-lost', 2 * MiB],
    ['delayed', 2 * MiB],
  ])('%s: a command of %i bytes is stored once, and its publisher is told', async (fault, size) => {
    const command = new Uint8Array(randomBytes(size));
    link.failNext(subject(), fault);
    const outcome = await publish(command, 0);
    const chunks = Math.ceil(size / 1_000_000);
    expect(outcome).toEqual({ type: 'stored', sequence: chunks });
    await link.deliverDelayed();
    const all = await stored();
    expect(all.map(({ sequence }) => sequence)).toEqual([chunks]);
    expect(isSame(all[0]?.bytes, command)).toBe(true);
    expect((await publish(command, chunks)).type).toBe('stored');
  });

  test('negative control: without the expected sequence a delayed copy is stored as well', async () => {
    link.headersLost.add('Nats-Expected-Last-Sequence');
    link.failNext(subject(), 'delayed');
    expect(await publish(new Uint8Array(1), 0)).toEqual({ type: 'stored', sequence: 1 });
    await link.deliverDelayed();
    link.headersLost.clear();
    expect(await stored()).toHaveLength(2);
  });

  test('a batch that lacks a chunk is stored whole or not at all, and blocks no publisher', async () => {
    const command = new Uint8Array(randomBytes(3 * MiB));
    link.publishesLost = 1;
    expect(await publish(command, 0)).toEqual({ type: 'stored', sequence: 4 });
    // Only the beginning of one is sent, and never the rest.
    const headers = { 'Nats-Batch-Id': 'abandoned', 'Nats-Batch-Sequence': '1', 'Nats-Expected-Last-Sequence': '4' };
    link.publish(subject(), new Uint8Array(1), { headers });
    expect(await publish(command, 4)).toEqual({ type: 'stored', sequence: 8 });
    expect(await stored()).toHaveLength(2);
  });

  test('an outcome that cannot be found out is unknown', async () => {
    link.failNext(subject(), ...Array<LinkFault>(50).fill('request-lost'));
    expect(await publish(new Uint8Array(1), 0)).toEqual({ type: 'unknown' });
    // What comes before it is not known.
    expect(await publish(new Uint8Array(1), 7)).toEqual({ type: 'unknown' });
    expect(await stored()).toEqual([]);
  });

  test('a copy that lost what was stored gives no wrong outcome', async () => {
    await publish(new Uint8Array(1), 0);
    link.hiddenFromLeader.add(1);
    expect(await publish(new Uint8Array(2), 0)).toEqual({ type: 'unknown' });
    expect(await stored()).toHaveLength(1);
  });
}

function fillsUp(): void {
  test('a stream that is full refuses, and takes commands again after a purge', async () => {
    const stream = `${cluster}-p0`;
    const info = await link.api(`STREAM.INFO.${stream}`);
    const config = info.type === 'done' ? (info.body.config as object) : {};
    const update = await link.api(`STREAM.UPDATE.${stream}`, { ...config, max_bytes: 3 * MiB });
    expect(update.type).toBe('done');
    expect(await publish(new Uint8Array(2 * MiB), 0)).toEqual({ type: 'stored', sequence: 3 });
    expect(await publish(new Uint8Array(2 * MiB), 3)).toEqual({ type: 'full' });
    expect(await publish(new Uint8Array(2 * MiB), 3)).toEqual({ type: 'full' });
    await log.purge(3);
    expect(await publish(new Uint8Array(2 * MiB), 3)).toEqual({ type: 'stored', sequence: 6 });
  });
}

function reads(): void {
  test('what the nearest copy lacks comes from the one that leads, and what that lacks is a gap', async () => {
    const big = new Uint8Array(randomBytes(2 * MiB));
    await publish(new Uint8Array([1]), 0);
    await publish(big, 1);
    await publish(new Uint8Array([5]), 4);
    for (const sequence of [1, 3, 4]) link.hiddenFromNearest.add(sequence);
    const found: number[] = [];
    for (let after = 0; after < 5; ) {
      const page = await log.read(after, PAGE_BYTES);
      if (page.type === 'gap') throw new Error(`a gap before ${page.first}`);
      found.push(...page.commands.map(({ sequence }) => sequence));
      expect(page.commands.every(({ sequence, bytes }) => sequence !== 4 || isSame(bytes, big))).toBe(true);
      after = found.at(-1) ?? after;
    }
    expect(found).toEqual([1, 4, 5]);
    link.hiddenFromLeader.add(1);
    expect(await log.read(0, PAGE_BYTES)).toEqual({ type: 'gap', first: 2 });
  });

  test('a copy that is behind with everything is no gap', async () => {
    for (let after = 0; after < 3; after++) await publish(new Uint8Array(1), after);
    for (const sequence of [1, 2, 3]) link.hiddenFromNearest.add(sequence);
    expect(await log.read(0, PAGE_BYTES)).toEqual({ type: 'commands', commands: [] });
  });
}

function checksSettings(): void {
  test('a stream or a bucket with other settings is refused with what is different', async () => {
    const other = {
      name: 'other-p0',
      subjects: ['tailrace.other.p0'],
      storage: 'file',
      discard: 'old',
      num_replicas: 1,
    };
    expect((await link.api('STREAM.CREATE.other-p0', other)).type).toBe('done');
    const log = openJetstreamLog(link, { cluster: 'other', partition: 0, replicas: 3 });
    await expect(log).rejects.toMatchObject({ code: 'config' });
    await expect(log).rejects.toThrow(
      /other-p0.*num_replicas is 1 and has to be 3.*discard is "old".*allow_atomic is false.*nats stream edit/,
    );
    const keys = { name: 'other-keys', subjects: ['tailrace.other.keys.>'], storage: 'memory', num_replicas: 1 };
    expect((await link.api('STREAM.CREATE.other-keys', keys)).type).toBe('done');
    const bucket = openKeyBucket(link, { cluster: 'other', replicas: 1 });
    await expect(bucket).rejects.toThrow(/storage is "memory" and has to be "file".*allow_msg_ttl/);
  });

  test('a stream of our own settings is opened again and keeps what it has', async () => {
    await publish(new Uint8Array([7]), 0);
    const again = await openJetstreamLog(link, { cluster, partition: 0, replicas: 1 });
    expect(await again.bounds()).toEqual({ first: 1, last: 1 });
    expect(link.calls).not.toContain(`STREAM.CREATE.${cluster}-p0`);
  });
}

test('parts that do not belong together are no command', () => {
  const part = (sequence: number, headers: Readonly<Record<string, string>>) => ({
    sequence,
    data: new Uint8Array(1),
    header: (name: string) => headers[name],
  });
  const chunk = (id: string, nth: number) => ({ 'Nats-Batch-Id': id, 'Nats-Batch-Sequence': String(nth) });
  for (const second of [{}, chunk('b', 2), chunk('a', 3), chunk('a', 1)]) {
    const parts = new CommandParts('p0', 0, 100);
    parts.add(part(1, chunk('a', 1)));
    expect(() => parts.add(part(2, second))).toThrow(expect.objectContaining({ code: 'corrupt' }));
  }
  const parts = new CommandParts('p0', 4, 100);
  expect(() => parts.add(part(5, chunk('a', 2)))).toThrow(expect.objectContaining({ code: 'corrupt' }));
  const whole = new CommandParts('p0', 0, 100);
  whole.add(part(1, chunk('a', 1)));
  expect(whole.commands).toEqual([]);
  whole.add(part(2, { ...chunk('a', 2), 'Nats-Batch-Commit': '1' }));
  expect(whole.commands).toEqual([{ sequence: 2, bytes: new Uint8Array(2) }]);
});

function subject(): string {
  return `tailrace.${cluster}.p0`;
}

function publish(command: Uint8Array, after: number): Promise<PublishOutcome> {
  return log.publish(command, new Uint8Array(randomBytes(16)), after);
}

async function stored(): Promise<readonly StoredCommand[]> {
  const page = await log.read(0, PAGE_BYTES);
  return page.type === 'gap' ? [] : page.commands;
}

function isSame(bytes: Uint8Array | undefined, others: Uint8Array): boolean {
  return bytes !== undefined && Buffer.compare(bytes, others) === 0;
}
