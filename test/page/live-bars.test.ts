/** The bars of the screen Live, measured and printed: first rows, frames a second while much comes and while one scrolls, heap. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { startServer, type TestServer } from '../support/server.ts';
import { describeInBrowser, openBrowser, openPage } from './browser.ts';
import { numbered, sendLogs, shownRows, waitForRow } from './live-page.ts';

/** Machines of CI are slower than the bars: the figures are printed, and only what is far off fails. */
const FIRST_ROWS_MS_MAX = 3_000;
const FRAMES_MIN = 10;
const HEAP_BYTES_MAX = 200_000_000;
const ROWS = 100_000;
const BATCH = 1_000;

let server: TestServer;
let browser: Browser;

function say(text: string): void {
  process.stderr.write(`the bars of Live: ${text}\n`);
}

/** Frames a second while something happens, and the longest time between two. */
async function framesDuring(
  page: Page,
  run: () => Promise<unknown>,
): Promise<{ readonly rate: number; readonly longest: number }> {
  await page.evaluate(() => {
    const times: number[] = [];
    const note = (now: number): void => {
      times.push(now);
      requestAnimationFrame(note);
    };
    requestAnimationFrame(note);
    Object.assign(window, { frameTimes: times });
  });
  await run();
  const times = await page.evaluate(() => (window as unknown as { frameTimes: number[] }).frameTimes);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return { rate: (gaps.length / span) * 1_000, longest: Math.max(...gaps) };
}

async function heapBytes(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN;
}

/** Each row has the size of an ordinary one. */
function ordinary(count: number, from: number) {
  return numbered(count, from).map((log) => ({
    ...log,
    attributes: {
      'order.id': `A-${log.body}`,
      'http.route': '/api/checkout',
      'user.agent': 'Mozilla/5.0 (X11; Linux)',
    },
  }));
}

describeInBrowser('the bars of the screen Live', () => {
  beforeAll(async () => {
    server = await startServer();
    browser = await openBrowser();
    await sendLogs(server, 'shop', ordinary(BATCH, 0));
  });

  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  test('first rows show soon after the page opens', async () => {
    const setup = { url: server.url, token: server.token, at: '#/live' };
    // The first visit fills the cache of the browser.
    const opened = await openPage(browser, setup);
    await waitForRow(opened.page, 'said 999');
    await opened.page.reload();
    await waitForRow(opened.page, 'said 999');
    const ms = await opened.page.evaluate(
      () => performance.getEntriesByName('first-rows')[0]?.startTime ?? Number.POSITIVE_INFINITY,
    );
    say(`first rows after ${Math.round(ms)} ms`);
    expect(ms).toBeLessThan(FIRST_ROWS_MS_MAX);
    await opened.close();
  });

  test('100,000 records come in fast without one being lost, then scroll smoothly in a bounded heap', async () => {
    const opened = await openPage(browser, { url: server.url, token: server.token, at: '#/live' });
    const { page } = opened;
    await waitForRow(page, 'said 999');
    const began = Date.now();
    const coming = await framesDuring(page, async () => {
      for (let sent = BATCH; sent < ROWS; sent += BATCH) await sendLogs(server, 'shop', ordinary(BATCH, sent));
      await waitForRow(page, `said ${ROWS - 1}`);
    });
    const rate = Math.round((ROWS / (Date.now() - began)) * 1_000);
    say(`${rate} records/s in at ${coming.rate.toFixed(0)} frames/s, the longest ${coming.longest.toFixed(0)} ms`);
    const shown = await shownRows(page);
    expect(shown.at(-1)).toBe(`shop#${ROWS - 1} said ${ROWS - 1}`);
    const heap = await heapBytes(await page.context().newCDPSession(page));
    const count = await page.locator('.live-status').getByText(/here/).textContent();
    say(`heap ${(heap / 1e6).toFixed(0)} MB with ${count}`);
    const scrolling = await framesDuring(page, () =>
      page.evaluate(async () => {
        const list = document.querySelector('.rows');
        for (let turn = 0; turn < 120 && list !== null; turn++) {
          list.scrollTop -= turn % 10 === 0 ? 20_000 : 300;
          await new Promise((resolve) => requestAnimationFrame(resolve));
        }
      }),
    );
    say(`scrolls at ${scrolling.rate.toFixed(0)} frames/s, the longest ${scrolling.longest.toFixed(0)} ms`);
    expect(heap).toBeLessThan(HEAP_BYTES_MAX);
    expect(coming.rate).toBeGreaterThan(FRAMES_MIN);
    expect(scrolling.rate).toBeGreaterThan(FRAMES_MIN);
    expect(await shownRows(page)).not.toEqual(shown);
    expect(opened.faults()).toEqual([]);
    await opened.close();
  });
});
