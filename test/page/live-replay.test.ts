/** Replay on the screen Live: rows at the speed of their own times, paused, ten times as fast, and back to what comes now. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeInBrowser } from './browser.ts';
import { sendLogs, shownRows, waitForRow } from './live-page.ts';
import { type OpenScreen, openedPages } from './opened-pages.ts';

const MINUTE = 60_000;
/** The records of a minute, an hour ago: one each second, then ten minutes of silence, then the last one. */
const BEGAN = Math.floor(Date.now() / 1_000) * 1_000 - 60 * MINUTE;
const SECONDS = 60;
/** What the page needs to draw something, where its clock stands still otherwise. */
const FRAMES_MS = 100;
const LAST = BEGAN + SECONDS * 1_000 + 10 * MINUTE;

let server: TestServer;
let openAt: OpenScreen;

/** The page with a clock that the test can stop and move. */
async function open(at: string): Promise<Page> {
  const page = await openAt('');
  // The clock is one for all pages of the browser.
  await page.clock.install({ time: Date.now() });
  await page.clock.resume();
  await page.goto(`${server.url}/${at}`);
  await page.reload();
  await page.getByRole('listbox', { name: /^Records of/ }).waitFor();
  return page;
}

/** Lets so much time go by for the page, at once. */
async function pass(page: Page, ms: number): Promise<void> {
  await page.clock.runFor(ms);
}

const bar = (page: Page) => page.getByRole('region', { name: 'Replay' });
const hash = (page: Page): URLSearchParams => new URLSearchParams(new URL(page.url()).hash.split('?')[1]);

/** Of the last record that is shown, and of the clock: seconds since the first record. */
async function shownNow(page: Page): Promise<{ readonly last: number; readonly second: number }> {
  const last = Number((await shownRows(page)).at(-1)?.replace(/^.* second /, ''));
  const moment = (await bar(page).locator('time').getAttribute('datetime')) ?? '';
  return { last, second: (Date.parse(moment) - BEGAN) / 1_000 };
}

/** Each second has a record: none is shown before its time, and none is missing but for a frame. */
function expectDue({ last, second }: { readonly last: number; readonly second: number }, speed: number): void {
  expect(second - last).toBeGreaterThanOrEqual(0);
  expect(second - last).toBeLessThan(1 + speed * 0.1);
}

/** The clock of the page goes on until a replay shows something. */
async function begun(page: Page): Promise<void> {
  await bar(page).waitFor();
  await page.clock.pauseAt(new Date(await page.evaluate(() => Date.now() + 1_000)));
  await pass(page, FRAMES_MS);
}

async function press(page: Page, key: string): Promise<void> {
  await page.keyboard.press(key);
  await pass(page, FRAMES_MS);
}

describeInBrowser('a replay on the screen Live', () => {
  openAt = openedPages(() => server);

  beforeAll(async () => {
    server = await startServer();
    for (const [stream, rest] of [
      ['even', 0],
      ['odd', 1],
    ] as const) {
      const seconds = Array.from({ length: SECONDS }, (_, i) => i).filter((i) => i % 2 === rest);
      const logs = seconds.map((i) => ({ body: `second ${i}`, time: BEGAN + i * 1_000 }));
      await sendLogs(server, stream, stream === 'odd' ? [...logs, { body: 'the last', time: LAST }] : logs);
    }
  });

  afterAll(async () => {
    await server.stop();
  });

  speedTests();
  endTests();
});

function speedTests(): void {
  test('shows the records of all streams at the speed of their times, and ten times as fast', async () => {
    const page = await open(`#/live?replay=1&from=${new Date(BEGAN).toISOString()}`);
    await begun(page);
    const first = await shownNow(page);
    expectDue(first, 1);
    await pass(page, 5_000);
    const slow = await shownNow(page);
    expect(slow.second - first.second).toBeCloseTo(5, 0);
    expectDue(slow, 1);
    await page.getByRole('button', { name: '×10' }).click();
    await pass(page, 2_000);
    const fast = await shownNow(page);
    expect(fast.second - slow.second).toBeCloseTo(20, 0);
    expectDue(fast, 10);
    expect(hash(page).get('replay')).toBe('10');
    await page.getByText('Replaying ×10').waitFor();
    await page.clock.resume();
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('pauses, has its moment in the URL, goes on from there after a reload, and skips a silence', async () => {
    const page = await open(`#/live?replay=10&from=${new Date(BEGAN + 30_000).toISOString()}`);
    await begun(page);
    await press(page, 'p');
    await bar(page).getByText('Replay paused').waitFor();
    const paused = await shownNow(page);
    await pass(page, 5_000);
    expect(await shownNow(page)).toEqual(paused);
    expect(Date.parse(hash(page).get('from') ?? '')).toBe(BEGAN + paused.second * 1_000);
    expect(hash(page).get('follow')).toBe('no');
    await page.clock.resume();
    await page.reload();
    await bar(page).getByText('Replay paused').waitFor();
    await begun(page);
    await press(page, 'p');
    await pass(page, 6_000);
    await waitForRow(page, `second ${SECONDS - 1}`);
    await page.getByText(/^next record in/).waitFor();
    expect(await page.getByText('the last').count()).toBe(0);
    await page.getByRole('button', { name: 'Skip to it' }).click();
    await pass(page, FRAMES_MS);
    await waitForRow(page, 'the last');
  });
}

function endTests(): void {
  test('begins at the chosen record, and the way back to live leads to the end', async () => {
    const page = await open('#/live?streams=even');
    await waitForRow(page, 'second 58');
    await page.evaluate(() => location.assign('#/live?streams=even&row=even:10'));
    await page.locator('.row[aria-selected="true"]', { hasText: 'second 20' }).waitFor();
    await page.keyboard.press('p');
    await begun(page);
    expect((await shownNow(page)).second).toBeGreaterThanOrEqual(20);
    expect((await shownRows(page)).join()).not.toContain('second 58');
    expect((await shownRows(page)).join()).toContain('second 18');
    await page.getByRole('button', { name: 'Back to live' }).click();
    await pass(page, FRAMES_MS);
    await bar(page).waitFor({ state: 'detached' });
    await page.clock.resume();
    await waitForRow(page, 'second 58');
    expect([hash(page).get('replay'), hash(page).get('from')]).toEqual([null, null]);
    await sendLogs(server, 'even', [{ body: 'now' }]);
    await waitForRow(page, 'now');
  });

  test('that comes to the present goes on live, and one of a range ends there', async () => {
    const from = new Date(LAST - 1_000).toISOString();
    const page = await open(`#/live?streams=odd&replay=10&follow=no&from=${from}`);
    await bar(page).waitFor();
    // It says so for some seconds only, so that is waited for before it goes on.
    const said = page.getByText('The replay has come to the present').waitFor();
    await page.keyboard.press('p');
    await said;
    await bar(page).waitFor({ state: 'detached' });
    await sendLogs(server, 'odd', [{ body: 'after it' }]);
    await waitForRow(page, 'after it');
    const range = `from=${new Date(BEGAN + 55_000).toISOString()}&until=${new Date(BEGAN + 58_000).toISOString()}`;
    await page.evaluate((to) => location.assign(to), `#/live?replay=10&${range}`);
    await page.getByText('Replayed to the end of the range').waitFor();
    expect((await shownNow(page)).last).toBe(57);
  });
}
