/** The screen Streams: figures, going to a position, readers, thousands of rows, and what others see. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeScreen, issueToken, overflow } from './screen-suite.ts';

const MANY = 10_000;

let server: TestServer;
let records: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  records = new RecordsClient(server);
  await Promise.all(
    ['orders', 'orders/eu', 'audit'].map((name) =>
      records.texts(name, ...Array.from({ length: 20 }, (_, i) => `line ${i}`)),
    ),
  );
});

afterAll(() => server.stop());

const panel = (page: Page, stream: string) => page.getByRole('complementary', { name: `Stream ${stream}` });

describeScreen(
  'the screen Streams',
  () => server,
  (open) => {
    test('streams are there with figures, searched by words and by prefix, sorted, and the URL keeps it', async () => {
      const page = await open('#/streams');
      await page.getByRole('link', { name: 'orders/eu' }).waitFor();
      const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'audit' }) });
      await row.getByText('7 d', { exact: true }).waitFor();
      expect(await row.textContent()).toMatch(/audit20#0 – #20.*7 d$/);
      await page.keyboard.press('/');
      await page.keyboard.type('eu');
      await page.getByText('1 of 3 streams').waitFor();
      await page.getByLabel('Search streams').fill('orders*');
      await page.getByText('2 streams').waitFor();
      await page.getByRole('button', { name: 'Stream', exact: true }).click();
      await page.reload();
      await page.locator('[aria-sort="descending"]').waitFor();
      expect(await page.locator('a.row-link').allTextContents()).toEqual(['orders/eu', 'orders']);
      expect(await seriousFindings(page)).toEqual([]);
    });

    test('positions lead into Live, and what is none says what is expected', async () => {
      const page = await open('#/streams?stream=orders/eu');
      const details = panel(page, 'orders/eu');
      await details.getByText('It holds #0 to #19.').waitFor();
      const hrefs = await details.locator('.links a').evaluateAll((all) => all.map((one) => one.getAttribute('href')));
      expect(hrefs.map((href) => decodeURIComponent(href ?? ''))).toEqual([
        '#/live?streams=orders/eu',
        '#/live?streams=orders/eu&from=tail:100',
        '#/live?streams=orders/eu&from=seq:0',
        '#/metrics?stream=orders/eu',
      ]);
      const field = details.getByLabel('Go to a position or time');
      await field.fill('next tuesday');
      await page.keyboard.press('Enter');
      await details.getByRole('alert').waitFor();
      await field.fill('#12');
      await page.keyboard.press('Enter');
      await page.waitForURL(/#\/live\?streams=orders%2Feu&from=seq%3A12$/);
    });

    test('who reads a stream is there with how far behind, and goes when the reader ends', async () => {
      const reader = await records.sse('audit', '?seq_num=0');
      const page = await open('#/streams?stream=audit');
      const readers = panel(page, 'audit').getByRole('region', { name: 'Readers' });
      await readers.getByRole('cell', { name: '#20' }).waitFor();
      await readers.getByRole('cell', { name: 'level' }).waitFor();
      expect(await seriousFindings(page)).toEqual([]);
      reader.destroy();
      await readers.getByText('Nothing reads it live now.').waitFor();
    });
  },
);

describeScreen(
  'the list of the screen Streams',
  () => server,
  (open) => {
    test('the keyboard alone goes through the list, opens and closes a stream', async () => {
      const page = await open('#/streams');
      await page.getByRole('link', { name: 'audit' }).waitFor();
      for (const key of ['G', 'k', 'Enter']) {
        await page.keyboard.press(key);
        if (key === 'G') await page.locator('a.row-link:focus', { hasText: 'orders/eu' }).waitFor();
        if (key === 'k') await page.locator('a.row-link:focus', { hasText: /^orders$/ }).waitFor();
      }
      await panel(page, 'orders').waitFor();
      await page.keyboard.press('Escape');
      await panel(page, 'orders').waitFor({ state: 'detached' });
    });

    test('ten thousand streams put only those in sight into the document, and scroll to the last', async () => {
      const page = await open('#/server');
      await page.route(/\/v1\/streams\?/, (route) => {
        const after = new URL(route.request().url()).searchParams.get('start_after') ?? '';
        const first = after === '' ? 0 : Number(after.slice(1)) + 1;
        const streams = Array.from({ length: 1_000 }, (_, i) => syntheticStream(first + i));
        return route.fulfill({ json: { streams, has_more: first + 1_000 < MANY } });
      });
      await page.evaluate(() => {
        location.hash = '#/streams';
      });
      await page.getByText('10,000 streams').waitFor();
      expect(await page.locator('tbody tr').count()).toBeLessThan(120);
      expect(await page.getByRole('table').getAttribute('aria-rowcount')).toBe('10001');
      const frames = await page.locator('.table-frame').evaluate(scrollThrough);
      process.stderr.write(
        `10,000 streams: ${frames.count} frames while scrolling, the longest ${frames.longest} ms\n`,
      );
      await page.getByRole('link', { name: 's09999' }).waitFor();
      await page.getByLabel('Search streams').fill('s0777');
      await page.getByText('10 of 10,000 streams').waitFor();
    });
  },
);

describeScreen(
  'the screen Streams for others',
  () => server,
  (open) => {
    test('a token that may only read sees no action, and one that may not list opens a stream by its name', async () => {
      const reader = await issueToken(server, 'read-only', ['list-streams', 'check-tail', 'read', 'get-stream-config']);
      const page = await open('#/streams?stream=orders', { token: reader });
      await panel(page, 'orders').getByText('7 d after it came').waitFor();
      await page.getByRole('link', { name: 'audit' }).waitFor();
      const buttons = await page.getByRole('main').getByRole('button').allTextContents();
      expect(buttons.filter((text) => /…/.test(text))).toEqual([]);
      const blind = await open('#/streams', { token: await issueToken(server, 'blind', ['read', 'append']) });
      await blind.getByText('list-streams').waitFor();
      await blind.getByLabel('Name of the stream').fill('orders');
      await blind.keyboard.press('Enter');
      await panel(blind, 'orders').getByRole('button', { name: 'Append …' }).waitFor();
      expect(await panel(blind, 'orders').getByRole('button', { name: 'Delete …' }).count()).toBe(0);
    });

    test.each([390, 1024])('at %i pixels nothing is wider than the screen, in light and dark', async (width) => {
      const page = await open('#/streams', { width, isDark: width === 390 });
      await page.getByRole('link', { name: 'orders/eu' }).waitFor();
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      await page.getByRole('link', { name: 'orders/eu' }).click();
      await panel(page, 'orders/eu').getByText('7 d after it came').waitFor();
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      expect(await seriousFindings(page)).toEqual([]);
    });
  },
);

function syntheticStream(index: number): object {
  const figures = {
    ...{ first_seq_num: 0, next_seq_num: index, records: index, metered_bytes: index * 100 },
    ...{ first_timestamp: 1, last_timestamp: 1_700_000_000_000, records_per_second: 0, metered_bytes_per_second: 0 },
  };
  const name = `s${String(index).padStart(5, '0')}`;
  return { name, created_at: '2026-11-30T10:00:00Z', deleted_at: null, figures };
}

/** From the top to the end in forty steps, one for each frame. Runs in the page. */
async function scrollThrough(frame: Element): Promise<{ readonly count: number; readonly longest: number }> {
  const times: number[] = [];
  for (let step = 1; step <= 40; step++) {
    frame.scrollTop = (frame.scrollHeight * step) / 40;
    times.push(await new Promise<number>((resolve) => requestAnimationFrame(resolve)));
  }
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? time));
  return { count: times.length, longest: Math.round(Math.max(...gaps)) };
}
