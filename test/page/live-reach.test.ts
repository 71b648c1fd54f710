/** What the screen Live finds beyond the rows that it has: errors, counts of many streams, times, older matches. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { startServer, type TestServer } from '../support/server.ts';
import { describeInBrowser } from './browser.ts';
import { numbered, sendLogs, shownRows, waitForRow } from './live-page.ts';
import { type OpenScreen, openedPages } from './opened-pages.ts';
import { postSpans } from './otlp-json.ts';

const ERROR = 17;
const TRACE = '5b8aa5a2d2c872e8321cf37308d69df2';
const STREAMS = 20;
const BETWEEN = 2_000;
const HOUR = 3_600_000;

let server: TestServer;
let openAt: OpenScreen;

const selected = (page: Page) => page.locator('.row[aria-selected="true"]');
const hash = (page: Page): URLSearchParams => new URLSearchParams(new URL(page.url()).hash.split('?')[1]);

async function open(at: string): Promise<Page> {
  const page = await openAt(at);
  await page.getByRole('listbox', { name: /^Records of/ }).waitFor();
  return page;
}

/** Presses the key, and waits until the record with that text is selected. */
async function jump(page: Page, key: 'n' | 'N', to: string): Promise<void> {
  await page.keyboard.press(key);
  await selected(page).filter({ hasText: to }).waitFor();
}

/** In the order of their times: a fault, many records, a failed span of another stream, many records, a fault, many records. */
async function fillDeep(): Promise<void> {
  const began = Date.now() - HOUR;
  const said = (from: number) => numbered(BETWEEN, from).map((log, i) => ({ ...log, time: began + from + i }));
  await sendLogs(server, 'deep', [{ body: 'first fault', severity: ERROR, time: began }, ...said(1)]);
  await postSpans(server, { service: 'pay', stream: 'deep-spans' }, [
    { trace: TRACE, id: 1, name: 'failed charge', from: began, to: began + BETWEEN + 1, failed: 'declined' },
  ]);
  await sendLogs(server, 'deep', [
    ...said(BETWEEN + 1),
    { body: 'last fault', severity: ERROR, time: began + 2 * BETWEEN + 1 },
    ...said(2 * BETWEEN + 2),
  ]);
}

describeInBrowser('what the screen Live finds beyond its rows', () => {
  openAt = openedPages(() => server);

  beforeAll(async () => {
    server = await startServer();
    await fillDeep();
    for (let i = 0; i < STREAMS; i++) {
      await sendLogs(server, `s${i}`, [{ body: 'wrong', severity: ERROR }, ...numbered(2)], 'many');
    }
    await sendLogs(server, 'sleeps', [{ body: 'long ago', severity: ERROR, time: Date.now() - 3 * HOUR }], 'many');
  });

  afterAll(async () => {
    await server.stop();
  });

  errorTests();
  timeTests();
});

function errorTests(): void {
  test('n and N find errors of one stream that are far from the rows that are loaded', async () => {
    const page = await open('#/live?streams=deep');
    await waitForRow(page, `said ${3 * BETWEEN + 1}`);
    await jump(page, 'N', 'last fault');
    await jump(page, 'N', 'first fault');
    expect(hash(page).get('row')).toBe('deep:0');
    await page.keyboard.press('N');
    await page.getByText('No earlier error.').waitFor();
    await jump(page, 'n', 'last fault');
    await page.keyboard.press('n');
    await page.getByText('No later error.').waitFor();
    expect(await selected(page).textContent()).toContain('last fault');
  });

  test('in several streams n and N go by time, find failed spans too, and keep to the filter', async () => {
    const page = await open('#/live?streams=deep*');
    await waitForRow(page, `said ${3 * BETWEEN + 1}`);
    await jump(page, 'N', 'last fault');
    await jump(page, 'N', 'failed charge');
    await jump(page, 'N', 'first fault');
    await page.keyboard.press('N');
    await page.getByText('No earlier error.').waitFor();
    await jump(page, 'n', 'failed charge');
    await jump(page, 'n', 'last fault');
    await page.evaluate(() => location.assign('#/live?streams=deep*&filter=service%3Dcheckout'));
    // The new list begins at its end; how much of it was read shows only until its start is reached.
    await waitForRow(page, `said ${3 * BETWEEN + 1}`);
    await jump(page, 'N', 'last fault');
    await jump(page, 'N', 'first fault');
  });
}

function timeTests(): void {
  test('level chips count the records of every stream, and not those before the span', async () => {
    const page = await open('#/live?streams=s*');
    await page.locator('.level-chip', { hasText: 'error' }).getByText(String(STREAMS), { exact: true }).waitFor();
    await page.getByText(`${3 * STREAMS} records, ${STREAMS} errors`, { exact: true }).waitFor();
    await page.getByLabel('Time shown').selectOption('6h');
    await page.getByText(`${3 * STREAMS + 1} records, ${STREAMS + 1} errors`, { exact: true }).waitFor();
  });

  test('dragging over the histogram shows the records of that time, and asks for them once', async () => {
    const page = await open('#/live?span=6h');
    await page.getByText(/^6,064 records/).waitFor();
    const bars = page.locator('.histogram-bars');
    const box = await bars.boundingBox();
    if (box === null) throw new Error('no histogram');
    // An hour ago is at five sixths of six hours.
    await page.mouse.move(box.x + box.width * 0.75, box.y + 10);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.9, box.y + 12, { steps: 3 });
    expect(await bars.locator('.histogram-drag').count()).toBe(1);
    await page.mouse.up();
    await page.getByText(/^range until/).waitFor();
    await waitForRow(page, 'first fault');
    const [from, until] = [Date.parse(hash(page).get('from') ?? ''), Date.parse(hash(page).get('until') ?? '')];
    expect(until - from).toBeGreaterThan(HOUR * 0.7);
    expect(until - from).toBeLessThan(HOUR * 1.2);
    await page.waitForFunction(
      (last) => {
        const list = document.querySelector('.rows');
        list?.scrollTo(0, list.scrollHeight);
        return [...document.querySelectorAll('.row-message')].at(-1)?.textContent === last;
      },
      `said ${3 * BETWEEN + 1}`,
    );
    expect((await shownRows(page)).join()).not.toContain('wrong');
    expect(await requestsWhileIdle(page)).toEqual([]);
  });

  test('a list without a match so far says how much was read, and searches older records when asked', async () => {
    const page = await openAt('#/server');
    // As a server answers whose five seconds were over.
    let isFirst = true;
    await page.route(/deep\/records[?].*before/, async (route) => {
      if (!isFirst) return route.continue();
      isFirst = false;
      const headers = { 'Tailrace-Next-Before': '1', 'Tailrace-At-Start': 'false' };
      return route.fulfill({ status: 200, headers, json: { rows: [] } });
    });
    await page.evaluate(() => location.assign('#/live?streams=deep&filter=first'));
    await page.getByText('No record matches so far').waitFor();
    const read = 3 * BETWEEN + 1;
    await page.getByText(`0 of ${read.toLocaleString('en-US')} read. Older records may match.`).waitFor();
    await page.getByRole('button', { name: 'Search older' }).click();
    await waitForRow(page, 'first fault');
    await page.getByRole('button', { name: 'Search older' }).waitFor({ state: 'detached' });
  });
}

/** Calls of records that the page makes in half a hundred frames in which no one does anything. */
async function requestsWhileIdle(page: Page): Promise<readonly string[]> {
  const asked: string[] = [];
  const note = (request: { url(): string }): void => {
    if (request.url().includes('/records?')) asked.push(request.url());
  };
  await page.getByText('loading…').waitFor({ state: 'detached' });
  page.on('request', note);
  await page.evaluate(async () => {
    for (let frame = 0; frame < 50; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
  });
  page.off('request', note);
  return asked;
}
