/** The screen Senders: who sends, what is wrong with it and what to do, who may see it, and that it refreshes by itself. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import type { Page } from 'playwright-core';
import { ControlClient } from '../support/control-calls.ts';
import { logs, post } from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeScreen, issueToken, overflow } from './screen-suite.ts';

const LATE_MS = 240_000;

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  await exportLogs('checkout', 3);
  const late = { timeUnixNano: `${Date.now() - LATE_MS}000000`, body: { stringValue: 'late' } };
  await post(server, '/v1/logs', logs({ 'service.name': 'slow-clock' }, late));
  const large = { body: { stringValue: 'x'.repeat(1_100_000) } };
  await post(server, '/v1/logs', logs({ 'service.name': 'frontend' }, large, { body: { stringValue: 'small' } }));
  await post(server, '/v1/logs', logs({}), { token: 'wrong', headers: { 'user-agent': 'stranger/1.0' } });
});

afterAll(() => server.stop());

async function exportLogs(service: string, count: number): Promise<void> {
  const exporter = new OTLPLogExporter({
    url: `${server.url}/v1/logs`,
    headers: { authorization: `Bearer ${server.token}` },
  });
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    processors: [new SimpleLogRecordProcessor({ exporter })],
  });
  for (let i = 0; i < count; i++) {
    provider.getLogger('test').emit({ severityNumber: SeverityNumber.INFO, body: `order ${i}` });
  }
  await provider.shutdown();
}

const row = (page: Page, name: string) =>
  page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });

describeScreen(
  'the screen Senders',
  () => server,
  (open) => {
    test('each sender is there with its state, what was accepted, rejected and refused', async () => {
      const page = await open('#/senders');
      await row(page, 'checkout').getByRole('cell', { name: '3', exact: true }).waitFor();
      await row(page, 'checkout').getByText('sending').waitFor();
      await row(page, 'frontend').getByText('losing').waitFor();
      await row(page, 'stranger/1.0').getByText('refused').waitFor();
      await row(page, 'stranger/1.0').getByText('no valid token').waitFor();
      await row(page, 'slow-clock').getByRole('cell', { name: '−4 min' }).waitFor();
      expect(await seriousFindings(page)).toEqual([]);
    });

    test('the details say what is wrong in the words of the server, and lead to the data in Live', async () => {
      const page = await open('#/senders');
      await page.getByRole('link', { name: 'frontend', exact: true }).click();
      const details = page.getByRole('complementary', { name: 'Sender frontend' });
      await details.getByText(/at most 1048576 metered bytes.*send smaller items/).waitFor();
      expect(new URL(page.url()).hash).toContain('sender=');
      const href = await details.getByRole('link', { name: 'frontend' }).getAttribute('href');
      expect(decodeURIComponent(href ?? '').replaceAll('+', ' ')).toBe(
        '#/live?streams=frontend&filter=service="frontend"',
      );
      expect(await seriousFindings(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await details.waitFor({ state: 'detached' });
      await page.getByRole('link', { name: 'slow-clock' }).click();
      await page
        .getByRole('complementary')
        .getByText(/set it by NTP/)
        .waitFor();
      await page.getByRole('link', { name: 'stranger/1.0' }).click();
      await page.getByRole('complementary').getByText(/401/).first().waitFor();
    });

    test('a sender with which nothing is wrong says so', async () => {
      const page = await open('#/senders?q=checkout');
      await page.getByRole('link', { name: 'checkout' }).click();
      await page.getByRole('complementary').getByText('Nothing is wrong').waitFor();
    });

    test('the list is searched and sorted, and the URL keeps it', async () => {
      const page = await open('#/senders');
      await page.getByRole('link', { name: 'checkout' }).waitFor();
      await page.keyboard.press('/');
      await page.keyboard.type('front');
      await page.getByText('1 of 4 senders').waitFor();
      expect(await page.locator('tbody tr').count()).toBe(1);
      await page.keyboard.press('Control+A');
      await page.keyboard.type('nothing like it');
      await page.getByText(/None of 4 senders/).waitFor();
      await page.getByLabel('Search senders').fill('');
      await page.getByRole('button', { name: 'Rejected' }).click();
      await page.reload();
      await page
        .getByRole('columnheader', { name: 'Rejected' })
        .and(page.locator('[aria-sort="descending"]'))
        .waitFor();
      expect(await page.locator('tbody tr').first().textContent()).toContain('frontend');
    });

    test('the keyboard alone goes through the list, opens and closes the details', async () => {
      const page = await open('#/senders?sort=name');
      await page.getByRole('link', { name: 'checkout' }).waitFor();
      await page.keyboard.press('j');
      await page.keyboard.press('j');
      await page.keyboard.press('k');
      await page.keyboard.press('j');
      await page.keyboard.press('Enter');
      await page.getByRole('complementary', { name: 'Sender frontend' }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('complementary').waitFor({ state: 'detached' });
    });
  },
);

describeScreen(
  'the screen Senders, over time and for others',
  () => server,
  (open) => {
    test('what comes shows by itself and is marked as new, and a hidden tab asks nothing', async () => {
      const page = await open('#/server');
      let asked = 0;
      page.on('request', (request) => {
        if (request.url().includes('/v1/senders')) asked++;
      });
      await page.clock.install();
      await page.evaluate(() => {
        location.hash = '#/senders';
      });
      await page.getByRole('link', { name: 'checkout' }).waitFor();
      await exportLogs('newcomer', 2);
      await page.clock.runFor(2_500);
      await row(page, 'newcomer').getByText('new', { exact: true }).waitFor();
      const setVisible = (state: string): Promise<void> =>
        page.evaluate((to) => {
          Object.defineProperty(document, 'visibilityState', { value: to, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }, state);
      await setVisible('hidden');
      await page.clock.runFor(5_000);
      const before = asked;
      await page.clock.runFor(60_000);
      expect(asked).toBe(before);
      await exportLogs('later', 1);
      await setVisible('visible');
      await page.getByRole('link', { name: 'later' }).waitFor();
    });

    test('who may see one basin sees no strangers, and who may see none is told what is missing', async () => {
      const basinOnly = await issueToken(server, 'basin-only', ['basin-metrics']);
      const page = await open('#/senders', { token: basinOnly });
      await page.getByRole('link', { name: 'checkout' }).waitFor();
      expect(await page.getByRole('link', { name: 'stranger/1.0' }).count()).toBe(0);
      expect(await page.getByRole('button', { name: /All basins/ }).count()).toBe(0);
      const other = await open('#/senders', { token: await issueToken(server, 'reader-only', ['read']) });
      await other.getByText('basin-metrics').waitFor();
      expect(await other.getByRole('row').count()).toBe(0);
    });

    test('how long requests took is told of senders whose data was stored, and of no others', async () => {
      const page = await open('#/senders');
      const took = /^[\d.]+ (µs|ms|s) \/ [\d.]+ (µs|ms|s)$/;
      await row(page, 'checkout').getByRole('cell', { name: took }).waitFor();
      expect(await row(page, 'stranger/1.0').getByRole('cell', { name: took }).count()).toBe(0);
      await page.getByRole('link', { name: 'checkout', exact: true }).click();
      await page
        .getByRole('complementary')
        .getByText(/^after [\d.]+ (µs|ms|s) \(p50\), [\d.]+ (µs|ms|s) \(p99\)$/)
        .waitFor();
    });

    test('a basin to which nothing came says so, and where to begin', async () => {
      await new ControlClient(server).call('POST /basins', { body: { basin: 'quiet-basin' } });
      const token = await issueToken(server, 'quiet-only', ['basin-metrics']);
      const page = await open('#/senders?basin=quiet-basin', { token });
      await page.getByRole('heading', { name: 'Nothing has arrived in quiet-basin yet' }).waitFor();
      const link = page.getByRole('main').getByRole('link', { name: 'Connect' });
      expect(await link.getAttribute('href')).toBe('#/connect?basin=quiet-basin');
      expect(await page.getByRole('row').count()).toBe(0);
      expect(await seriousFindings(page)).toEqual([]);
    });

    test.each([390, 1024])('at %i pixels nothing is wider than the screen, in light and dark', async (width) => {
      const page = await open('#/senders', { width, isDark: width === 390 });
      await page.getByRole('link', { name: 'checkout' }).waitFor();
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      expect(await page.locator('.table-frame').evaluate((it) => it.scrollWidth - it.clientWidth)).toBeLessThanOrEqual(
        1,
      );
      await page.getByRole('link', { name: 'frontend' }).click();
      await page.getByRole('complementary').waitFor();
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      expect(await seriousFindings(page)).toEqual([]);
    });
  },
);
