/**
 * The control plane of the log: what is created, changed and deleted, and that none of it is visible before it is
 * durable.
 */

import { describe, expect, test } from '@jest/globals';
import type { Basin } from '../../src/log/basins.ts';
import { resolveBasinConfig } from '../../src/model/stream-config.ts';
import { FAMILY } from '../../src/storage/keys.ts';
import { BASIN, type Harness, HeldEngine, openHarness, readAll, texts, turn } from '../support/log-harness.ts';

describe('basins', () => {
  test('a repeated create with the same token and settings returns the first result, any other is refused', async () => {
    const { log, clock } = await openHarness();
    const first = await log.createBasin('basin-two', { createStreamOnAppend: true }, 'token');
    expect(first).toMatchObject({ outcome: 'created', it: { name: 'basin-two', createdAt: clock.wallMs } });
    clock.advance(5);
    await log.reconfigureBasin('basin-two', { createStreamOnRead: true });
    const again = await log.createBasin('basin-two', { createStreamOnAppend: true }, 'token');
    expect(again.outcome).toBe('noop');
    expect(again.it.createdAt).toBe(first.it.createdAt);
    for (const call of [
      () => log.createBasin('basin-two', { createStreamOnAppend: false }, 'token'),
      () => log.createBasin('basin-two', { createStreamOnAppend: true }, 'other'),
      () => log.createBasin('basin-two', { createStreamOnAppend: true }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'resource_already_exists' });
    }
  });

  test('ensure creates, replaces or leaves alone, and our own fields stay when they are not named', async () => {
    const { log } = await openHarness();
    const make = { otlpDefaultStream: 'x', defaultStream: { retentionBytes: 9 } };
    expect((await log.ensureBasin('basin-two', make)).outcome).toBe('created');
    const replace = { createStreamOnAppend: true, defaultStream: { retentionAgeSeconds: 60 } };
    expect(await log.ensureBasin('basin-two', replace)).toMatchObject({
      outcome: 'updated',
      it: {
        config: {
          createStreamOnAppend: true,
          otlpDefaultStream: 'x',
          defaultStream: { storageClass: 'express', retentionAgeSeconds: 60, retentionBytes: 9 },
        },
      },
    });
    expect((await log.ensureBasin('basin-two', replace)).outcome).toBe('noop');
  });

  test('concurrent creates create each basin once, and all of them exist after a restart', async () => {
    const harness = await openHarness();
    const { log } = harness;
    const names = Array.from({ length: 50 }, (_, i) => `basin-${String(i).padStart(3, '0')}`);
    const outcomes = await Promise.allSettled([...names, ...names].map((name) => log.createBasin(name, {})));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(50);
    const after = await harness.reopen();
    expect(after.log.listBasins().map(({ name }) => name)).toEqual([...names, 'basin-one']);
  });

  test('a failed create leaves nothing, and the name is free', async () => {
    const { log, engine } = await openHarness();
    engine.hold();
    const failing = log.createBasin('basin-two', {});
    const second = log.createBasin('basin-two', {});
    await engine.settleOne('fail');
    await expect(failing).rejects.toMatchObject({ code: 'storage' });
    await expect(second).rejects.toMatchObject({ code: 'storage' });
    engine.release();
    expect(log.basin('basin-two')).toBeUndefined();
    expect((await log.createBasin('basin-two', {})).outcome).toBe('created');
  });
});

describe('streams', () => {
  test('a stream is returned, found and listed only once it is durable', async () => {
    const { log, engine, basin } = await openHarness();
    await log.backgroundSettled();
    engine.hold();
    let answers = 0;
    const made = log.createStream(basin, 'a', {}).finally(() => answers++);
    const repeated = log.createStream(basin, 'a', {}).catch((error: unknown) => {
      answers++;
      return error;
    });
    while (engine.waiting === 0) await turn();
    const looked = log.getStream(basin, 'a').finally(() => answers++);
    await turn();
    expect(answers).toBe(0);
    expect((await log.listStreams(basin, { prefix: '', startAfter: '', limit: 10 })).streams).toEqual([]);
    engine.release();
    expect((await made).outcome).toBe('created');
    expect(await repeated).toMatchObject({ code: 'resource_already_exists' });
    expect((await looked).name).toBe('a');
  });

  test('config fields resolve against the request, the basin and the global defaults, and are then frozen', async () => {
    const { log, basin } = await openHarness(new HeldEngine(), undefined, {
      ...BASIN,
      defaultStream: { storageClass: 'standard', retentionAgeSeconds: 10 },
    });
    await log.createStream(basin, 'a', { retentionAgeSeconds: undefined });
    await log.reconfigureBasin(basin.name, { defaultStream: { storageClass: 'express', timestampingMode: 'arrival' } });
    expect((await log.getStream(basin, 'a')).config).toEqual({
      storageClass: 'standard',
      retentionAgeSeconds: undefined,
      retentionBytes: undefined,
      timestampingMode: 'client-prefer',
      timestampingUncapped: false,
      deleteOnEmptyMinAgeSeconds: 0,
    });
    const changed = await log.reconfigureStream(basin, 'a', { retentionAgeSeconds: null, timestampingMode: null });
    expect(changed.config).toMatchObject({
      storageClass: 'standard',
      retentionAgeSeconds: 10,
      timestampingMode: 'arrival',
    });
  });

  test('a stream that waits for its first append can be created with other settings, and both calls mean the same stream', async () => {
    const { log, basin, stream } = await openHarness();
    const waiting = await stream('a');
    const { it } = await log.createStream(basin, 'a', { storageClass: 'standard' });
    await log.append([{ stream: waiting, drafts: [texts('r0')] }]);
    expect(it.id).toBe(waiting.id);
    expect(waiting.config.storageClass).toBe('standard');
    expect(await readAll(log, it)).toHaveLength(1);
  });

  test('settings of a stream survive a restart, and open streams apply a change to their next append', async () => {
    const harness = await openHarness();
    const { log, basin, clock } = harness;
    const held = await harness.stream('a');
    await log.append([{ stream: held, drafts: [texts('r0')] }]);
    await log.reconfigureStream(basin, 'a', { timestampingMode: 'client-require', retentionBytes: 1_000_000 });
    const refused = log.appendRecords({
      stream: held,
      records: [{ headers: [], body: Buffer.from('x'), timestamp: undefined }],
    });
    await expect(refused).rejects.toMatchObject({ code: 'invalid' });
    const after = await harness.reopen();
    const found = await after.log.getStream(after.basin, 'a');
    expect(found.config).toMatchObject({ timestampingMode: 'client-require', retentionBytes: 1_000_000 });
    expect(found.createdAt).toBe(clock.wallMs);
  });

  test('a missing stream is not found, and a read creates one only where the basin allows it', async () => {
    const { log, basin } = await openHarness();
    await expect(log.getStream(basin, 'ghost')).rejects.toMatchObject({ code: 'stream_not_found' });
    await expect(log.deleteStream(basin, 'ghost')).rejects.toMatchObject({ code: 'stream_not_found' });
    await expect(log.reconfigureStream(basin, 'ghost', {})).rejects.toMatchObject({ code: 'stream_not_found' });
    await log.reconfigureBasin(basin.name, { createStreamOnRead: true });
    const made = await Promise.all([1, 2, 3].map(() => log.openStream(basin, 'new', 'read', { retentionBytes: 5 })));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect((await log.getStream(basin, 'new')).config.retentionBytes).toBe(5);
  });
});

test('streams that were released open as the same object while a caller still holds them', async () => {
  const { log, basin, stream } = await openHarness();
  const held = await stream('held');
  await log.append([{ stream: held, drafts: [texts('r0')] }]);
  for (let i = 0; i < 10_050; i++) await log.openStream(basin, `s${i}`, 'append');
  expect((await log.stat()).openStreams).toBeLessThanOrEqual(10_001);
  expect(await log.openStream(basin, 'held', 'append')).toBe(held);
  await log.append([{ stream: held, drafts: [texts('r1')] }]);
  expect((await readAll(log, held)).map(({ body }) => body)).toEqual(['r0', 'r1']);
});

test('a delete or change during the failing write that should create the stream leaves no row', async () => {
  const calls = {
    delete: ({ log, basin }: Harness) => log.deleteStream(basin, 'ghost'),
    reconfigure: ({ log, basin }: Harness) => log.reconfigureStream(basin, 'ghost', { retentionAgeSeconds: 9 }),
    ensure: ({ log, basin }: Harness) => log.ensureStream(basin, 'ghost', { retentionAgeSeconds: 9 }),
  };
  for (const [name, call] of Object.entries(calls)) {
    for (let after = 0; after < 16; after++) {
      const harness = await openHarness();
      const { log, engine, stream } = harness;
      engine.hold();
      const append = log.append([{ stream: await stream('ghost'), drafts: [texts('x')] }]).catch(Object);
      while (engine.waiting === 0) await turn();
      const settled = engine.settleOne('fail');
      for (let i = 0; i < after; i++) await Promise.resolve();
      const called = call(harness).catch(Object);
      await settled;
      engine.release();
      expect(await append).toMatchObject({ code: 'storage' });
      await called;
      await log.backgroundSettled();
      const rows = await engine.scan({ from: Buffer.of(FAMILY.streams), to: Buffer.of(FAMILY.blocks), limit: 9 });
      const families = rows.map(({ key }) => key[0]);
      // A later ensure may create it, with row and state.
      expect({ name, after, families }).toEqual({
        name,
        after,
        families: name === 'ensure' && families.length > 0 ? [FAMILY.streams, FAMILY.streamStates] : [],
      });
    }
  }
});

describe('the kept basin', () => {
  const config = resolveBasinConfig({ createStreamOnAppend: true, otlpDefaultStream: 'x' });
  const kept = { keptBasin: { name: 'basin-one', config } };
  const open = () => openHarness(new HeldEngine(), undefined, BASIN, kept);

  test('is replaced in the transaction that deletes it, so that a restart at any moment finds it', async () => {
    const { log, engine, basin } = await open();
    const { it: stream } = await log.createStream(basin, 'a', {});
    await log.append([{ stream, drafts: [texts('r0')] }]);
    await log.deleteBasin('basin-one');
    const fresh = log.basin('basin-one');
    expect(fresh).toMatchObject({
      deletedAt: undefined,
      config: { createStreamOnAppend: true, otlpDefaultStream: 'x' },
    });
    expect(fresh?.number).not.toBe(basin.number);
    const names = engine.transactions.map((writes) => writes.filter(({ key }) => key[0] === FAMILY.basins));
    expect(names.flat().every(({ type }) => type === 'put')).toBe(true);
    await log.backgroundSettled();
    expect(await log.countStreams()).toBe(0);
    expect(
      await engine.inner.scan({ from: Buffer.of(FAMILY.blocks), to: Buffer.of(FAMILY.blocks + 1), limit: 9 }),
    ).toEqual([]);
  });

  test('takes an append whose request began before the deletion', async () => {
    const { log, basin } = await open();
    const early = await log.openStream(basin, 'a', 'append');
    await log.deleteBasin('basin-one');
    // What was opened before is tried again by its sender; what is opened now, by the basin of before, goes on.
    await expect(log.append([{ stream: early, drafts: [texts('r0')] }])).rejects.toMatchObject({
      code: 'basin_deletion_pending',
    });
    const stream = await log.openStream(basin, 'a', 'append');
    await log.append([{ stream, drafts: [texts('r0')] }]);
    expect(stream.basin.number).toBe(log.basin('basin-one')?.number);
  });

  test('stays as it was when its deletion fails', async () => {
    const { log, engine, basin } = await open();
    await log.createStream(basin, 'a', {});
    engine.hold();
    const failing = expect(log.deleteBasin('basin-one')).rejects.toMatchObject({ code: 'storage' });
    await engine.settleOne('fail');
    engine.release();
    await failing;
    expect(log.basin('basin-one')?.number).toBe(basin.number);
    expect((await log.getStream(basin, 'a')).name).toBe('a');
  });

  test('gives all the streams of several deletions back to the disk', async () => {
    const { log, engine } = await open();
    for (let round = 0; round < 3; round++) {
      const stream = await log.openStream(log.basin('basin-one') as Basin, `s${round}`, 'append');
      await log.append([{ stream, drafts: [texts('r0')] }]);
      await log.deleteBasin('basin-one');
    }
    await log.backgroundSettled();
    const rows = await engine.inner.scan({
      from: Buffer.of(FAMILY.streams),
      to: Buffer.of(FAMILY.tokensByHash),
      limit: 9,
    });
    expect(rows).toEqual([]);
    const pending = { from: Buffer.of(FAMILY.pendingWork), to: Buffer.of(FAMILY.dedupe), limit: 9 };
    expect((await engine.inner.scan(pending)).filter(({ key }) => key[1] !== 0)).toEqual([]);
  });
});
