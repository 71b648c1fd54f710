/**
 * A disk that another program has filled to its last byte, and one that refuses writes although it seems to have space, as
 * with a quota. Neither is a failing disk: reads go on, trims go through, service resumes without a restart.
 */

import { afterEach, describe, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { append, appendUntilTaken, FILLED, fill, names } from '../support/filling.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { makeQuota, mountSmallDisk } from '../support/small-disk.ts';

const MiB = 1024 * 1024;

let server: TestServer | undefined;
let tidyUp = (): void => {};

afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  tidyUp();
  tidyUp = () => {};
});

describe('no space on the disk', () => {
  test('a disk that is full to its last byte: trims and fences go through, and service resumes', async () => {
    const disk = mountSmallDisk(64);
    if (disk === undefined) {
      console.warn('skipped: a file system in memory cannot be mounted here, so no disk can be filled');
      return;
    }
    tidyUp = disk.unmount;
    const dataDir = `${disk.dir}/data`;
    server = await startServer({ dataDir });
    const acked: string[] = [];
    for (let i = 0; i < 60; i++) {
      expect((await append(server, `record-${i}`)).status).toBe(200);
      acked.push(`record-${i}`);
    }
    disk.fillFromOutside();
    expect((await append(server, 'refused')).status).toBe(503);
    expect(await writes(server)).toBe('full');
    expect(await names(server)).toEqual(acked);
    await server.stop('SIGKILL');
    server = await startServer({ dataDir });
    expect((await append(server, 'refused')).status).toBe(503);
    expect(await runCli(['fence', FILLED, 'mine'], { server })).toMatchObject({ code: 0, stderr: '' });
    expect(await names(server)).toEqual([...acked, '?']);
    expect(await runCli(['trim', FILLED, '55'], { server })).toMatchObject({ code: 0, stderr: '' });
    await appendUntilTaken(server, 'back-again');
    expect(await names(server)).toEqual([...acked.slice(55), '?', '?', 'back-again']);
  }, 60_000);

  test('a quota, which only a write shows: it is lack of space, and ends when there is space', async () => {
    const quota = makeQuota();
    if (quota === undefined) {
      console.warn('skipped: there is no gcc here, so no quota can be put before the writes of a process');
      return;
    }
    tidyUp = quota.dispose;
    quota.allow(20 * MiB + 1_000);
    server = await startServer({ env: quota.env });
    const { acked, refused } = await fill(server);
    expect(refused.status).toBe(503);
    expect(acked.length).toBeGreaterThan(20);
    expect(await writes(server)).toBe('full');
    expect(await runCli(['fence', FILLED, 'mine'], { server })).toMatchObject({ code: 0, stderr: '' });
    expect(await names(server)).toEqual([...acked, '?']);

    quota.allow(40 * MiB + 1_000);
    await appendUntilTaken(server, 'back-again');
    const more = await fill(server);
    expect(more.refused.status).toBe(503);
    const all = [...acked, '?', 'back-again', ...more.acked];
    expect(await names(server)).toEqual(all);
    expect(await runCli(['trim', FILLED, String(all.length - 3)], { server })).toMatchObject({ code: 0, stderr: '' });
    await appendUntilTaken(server, 'back-by-a-trim');
    expect(await names(server)).toEqual([...all.slice(-3), '?', 'back-by-a-trim']);
    expect(await writes(server)).toBe('ok');
  }, 60_000);
});

async function writes(target: TestServer): Promise<unknown> {
  return ((await (await fetch(`${target.url}/readyz`)).json()) as { writes: unknown }).writes;
}
