/** Nothing is lost on the screen Live: over cut connections, restarts, pauses, deletions, and in more rows than it keeps. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { describeInBrowser } from './browser.ts';
import { allPlaces, numbered, sendLogs, shownRows, startCuttingProxy, waitForRow } from './live-page.ts';
import { type OpenScreen, openedPages } from './opened-pages.ts';

let server: TestServer;
let openAt: OpenScreen;

async function open(at: string, port = server.port, height = 900): Promise<Page> {
  const page = await openAt(at, { url: `http://127.0.0.1:${port}`, height });
  await page.getByRole('listbox', { name: /^Records of/ }).waitFor();
  return page;
}

/** Every position that the store has, as the page names them. */
async function storedPlaces(stream: string): Promise<readonly string[]> {
  const places: string[] = [];
  for (let from = 0; ; ) {
    const { records } = await new RecordsClient(server).batch(stream, `?seq_num=${from}&clamp=true`).catch(() => ({
      records: [],
    }));
    const last = records.at(-1);
    if (last === undefined) return places;
    places.push(...records.map(({ seq_num }) => `${stream}#${seq_num}`));
    from = last.seq_num + 1;
  }
}

describeInBrowser('what comes on the screen Live', () => {
  openAt = openedPages(() => server);

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(async () => {
    await server.stop();
  });

  connectionTests();
  pauseTests();
});

function connectionTests(): void {
  test('a cut connection goes on by itself, and what it says is what the store has', async () => {
    await sendLogs(server, 'shop', numbered(50));
    const proxy = await startCuttingProxy(server.port);
    const page = await open('#/live?streams=shop', proxy.port);
    await waitForRow(page, 'said 49');
    proxy.cut();
    await page.getByText('Connection lost').waitFor();
    await sendLogs(server, 'shop', numbered(70, 50));
    proxy.open();
    await page.getByText('reconnected, nothing missing (#50–#119)').waitFor();
    await waitForRow(page, 'said 119');
    await sendLogs(server, 'shop', numbered(10, 120));
    await waitForRow(page, 'said 129');
    expect(await allPlaces(page)).toEqual(await storedPlaces('shop'));
    proxy.close();
  });

  test('records that are trimmed while the connection is cut are told with their numbers', async () => {
    const client = new RecordsClient(server);
    await client.texts('old', ...Array.from({ length: 10 }, (_, i) => `old ${i}`));
    const proxy = await startCuttingProxy(server.port);
    const page = await open('#/live', proxy.port);
    await waitForRow(page, 'old 9');
    proxy.cut();
    await page.getByText('Connection lost').waitFor();
    await client.texts('old', ...Array.from({ length: 10 }, (_, i) => `old ${i + 10}`));
    const trim = { records: [{ headers: [['', Buffer.from('trim').toString('base64')]], body: 'AAAAAAAAAA8=' }] };
    expect((await client.append('old', trim, { 's2-format': 'base64' }))[0]).toBe(200);
    proxy.open();
    await page.getByText(/reconnected; 5 records were trimmed away/).waitFor();
    await page.locator('.row-rule', { hasText: 'old #10–#14 were trimmed away' }).waitFor();
    proxy.close();
  });

  test('first rows that cannot be read at once come as soon as the server is reached', async () => {
    await sendLogs(server, 'late', numbered(5));
    const page = await openAt('#/server');
    let asked = 0;
    await page.route(/late\/records[?]/, (route) =>
      asked++ < 1 ? route.abort('connectionrefused') : route.continue(),
    );
    await page.evaluate(() => location.assign('#/live?streams=late'));
    await waitForRow(page, 'said 4');
    expect(asked).toBeGreaterThan(1);
  });

  test('a server that starts again on the same data is followed on', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-test-'));
    const first = await startServer({ dataDir });
    await sendLogs(first, 'again', numbered(5));
    const proxy = await startCuttingProxy(first.port);
    const page = await openAt('#/live', { url: `http://127.0.0.1:${proxy.port}`, token: first.token });
    await waitForRow(page, 'said 4');
    await first.stop();
    await page.getByText('Connection lost').waitFor();
    const second = await startServer({ dataDir });
    proxy.turnTo(second.port);
    await sendLogs(second, 'again', numbered(5, 5));
    await page.getByText('reconnected, nothing missing').waitFor();
    await waitForRow(page, 'said 9');
    await second.stop();
    proxy.close();
    await rm(dataDir, { recursive: true });
  });

  test('a stream that is deleted says so, and one that is made again begins at its first record', async () => {
    await sendLogs(server, 'gone', numbered(8));
    const page = await open('#/live?streams=gone');
    await waitForRow(page, 'said 7');
    const client = new RecordsClient(server);
    expect((await client.control('DELETE', '/v1/streams/gone'))[0]).toBe(202);
    await page.getByText('gone was deleted').waitFor();
    for (let status = 0; status !== 200; ) [status] = await client.append('gone', { records: [{ body: 'new 0' }] });
    await waitForRow(page, 'new 0');
    expect(await shownRows(page)).toEqual(['gone#0 new 0']);
  });
}

function pauseTests(): void {
  test('rows stay under the pointer while 20,000 come in, and going on loses none of them', async () => {
    await sendLogs(server, 'fast', numbered(400));
    const page = await open('#/live?streams=fast*', server.port, 3_000);
    await waitForRow(page, 'said 399');
    await page.locator('.rows').hover();
    await page.keyboard.press('k');
    await page.getByText('Paused').waitFor();
    const before = await shownRows(page);
    for (let sent = 400; sent < 20_400; sent += 1_000) await sendLogs(server, 'fast', numbered(1_000, sent));
    await page.getByRole('button', { name: '20,000 new' }).waitFor();
    // A few rows below the edge are rendered too, where there are any now.
    expect((await shownRows(page)).slice(0, before.length)).toEqual(before);
    await page.getByRole('button', { name: '20,000 new' }).click();
    await waitForRow(page, 'said 20399');
    expect(await allPlaces(page)).toEqual(await storedPlaces('fast'));
  });

  test('a list that misses a record is found out', async () => {
    await sendLogs(server, 'sieve', numbered(30));
    const page = await open('#/live?streams=sieve&filter=body!~7');
    await waitForRow(page, 'said 29');
    expect(await allPlaces(page)).not.toEqual(await storedPlaces('sieve'));
  });
}
