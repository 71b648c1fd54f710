/** The screen Metrics: what a real SDK sends, drawn by attribute, as text in legend and table, live, without a breach of the policy. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import type { Page } from 'playwright-core';
import { keyValues, post } from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeScreen, issueToken, overflow } from './screen-suite.ts';

const STEP_MS = 10_000;

let server: TestServer;
let begin: number;

beforeAll(async () => {
  server = await startServer();
  begin = Date.now() - 300_000;
  for (let i = 0; i <= 29; i++) await sendSteady(i);
  await exportBySdk();
});

afterAll(() => server.stop());

/** A counter that grows by 20 or 50 in each ten seconds, a delta of 3, an exponential histogram, a summary. */
async function sendSteady(i: number): Promise<void> {
  const at = begin + i * STEP_MS;
  const times = { timeUnixNano: `${at}000000`, startTimeUnixNano: `${begin - STEP_MS}000000` };
  const points = (...some: readonly object[]) => some.map((one) => ({ ...times, ...one }));
  const delta = { ...times, startTimeUnixNano: `${at - STEP_MS}000000`, asInt: '3' };
  const exponential = { scale: 0, zeroCount: '0', positive: { offset: 3, bucketCounts: [`${i}`] } };
  const metrics = [
    {
      ...{ name: 'jobs', unit: '{job}', description: 'Jobs that were done' },
      sum: {
        ...{ aggregationTemporality: 2, isMonotonic: true },
        dataPoints: points(
          { asInt: `${1_000 + 20 * i}`, attributes: keyValues({ queue: 'mail', region: 'eu' }) },
          { asInt: `${1_000 + 50 * i}`, attributes: keyValues({ queue: 'push', region: 'eu' }) },
        ),
      },
    },
    { name: 'orders', unit: '{order}', sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [delta] } },
    {
      ...{ name: 'wait', unit: 'ms' },
      exponentialHistogram: { aggregationTemporality: 2, dataPoints: points({ ...exponential, count: `${i}` }) },
    },
    {
      ...{ name: 'rpc', unit: 's' },
      summary: { dataPoints: points({ count: '4', sum: 1, quantileValues: [{ quantile: 0.5, value: 0.25 }] }) },
    },
  ];
  const resource = { attributes: keyValues({ 'service.name': 'worker', 's2.stream': 'steady' }) };
  const { status } = await post(server, '/v1/metrics', {
    resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }],
  });
  expect(status).toBe(200);
}

async function exportBySdk(): Promise<void> {
  const exporter = new OTLPMetricExporter({
    url: `${server.url}/v1/metrics`,
    headers: { authorization: `Bearer ${server.token}` },
  });
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': 'shop' }),
    readers: [reader],
    views: [{ instrumentName: 'fast', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  const meter = provider.getMeter('test');
  meter.createGauge('memory', { unit: 'By', description: 'Resident memory' }).record(183_500_800);
  meter.createHistogram('duration', { unit: 's' }).record(0.2);
  await provider.forceFlush();
  meter.createHistogram('duration', { unit: 's' }).record(0.2);
  await provider.shutdown();
}

const legend = (page: Page) => page.getByRole('list', { name: 'Lines' });

describeScreen(
  'the screen Metrics',
  () => server,
  (open) => {
    test('the first stream with metrics is chosen, and its metrics are there with their last values', async () => {
      const page = await open('#/metrics');
      await page.getByRole('list', { name: 'Metrics' }).getByRole('link', { name: 'memory' }).waitFor();
      await page.getByText(/^184 MB · /).waitFor();
      expect(new URL(page.url()).hash).toBe('#/metrics?stream=shop');
      await page.getByLabel('Stream', { exact: true }).selectOption('steady');
      await page.getByRole('link', { name: 'jobs' }).waitFor();
      await page.getByLabel('Search metrics').fill('ord');
      await page.getByText('1 of 4 metrics').waitFor();
      expect(await seriousFindings(page)).toEqual([]);
    });

    test('a cumulative sum of a real size is drawn as a rate by its attribute, and the table says the same', async () => {
      const page = await open('#/metrics?stream=steady&name=jobs&from=5m&table=1');
      await legend(page)
        .getByRole('button', { name: /^mail 2 job\/s$/ })
        .waitFor();
      await legend(page)
        .getByRole('button', { name: /^push 5 job\/s$/ })
        .waitFor();
      await page.getByText('Jobs that were done · cumulative sum, shown as a rate').waitFor();
      const cells = page.getByRole('table').getByRole('row').nth(3).getByRole('cell');
      expect((await cells.allTextContents()).slice(1)).toEqual(['2 job/s', '5 job/s']);
      expect(await paintedPixels(page)).toBeGreaterThan(200);
      expect(await seriousFindings(page)).toEqual([]);
    });

    test('what splits the lines is chosen, added up without it, and kept in the URL', async () => {
      const page = await open('#/metrics?stream=steady&name=jobs&from=5m');
      await legend(page).getByRole('button', { name: /^mail/ }).waitFor();
      await page.getByRole('button', { name: 'queue', exact: true }).click();
      await legend(page)
        .getByRole('button', { name: /^all together 7 job\/s$/ })
        .waitFor();
      await page.getByRole('button', { name: 'resource.service.name' }).click();
      await legend(page)
        .getByRole('button', { name: /^worker 7 job\/s$/ })
        .waitFor();
      expect(new URL(page.url()).hash).toContain('by=resource.service.name');
      await page.reload();
      await legend(page)
        .getByRole('button', { name: /^worker/ })
        .waitFor();
    });

    test('a line is hidden and shown by the keyboard', async () => {
      const page = await open('#/metrics?stream=steady&name=jobs&from=5m');
      const line = legend(page).getByRole('button', { name: /^push/ });
      await line.waitFor();
      const before = await paintedPixels(page);
      await line.focus();
      await page.keyboard.press('Space');
      await legend(page).locator('[aria-pressed="false"]').waitFor();
      await expectSoon(async () => (await paintedPixels(page)) < before);
      await page.keyboard.press('Space');
      await legend(page).locator('[aria-pressed="false"]').waitFor({ state: 'detached' });
    });
  },
);

describeScreen(
  'kinds of metrics on the screen Metrics',
  () => server,
  (open) => {
    test.each([
      ['orders', /^all together 3 order$/, 'delta sum, shown as what came in each step'],
      ['wait', /^p50 1\d(\.\d+)? ms$/, 'cumulative exponential histogram, shown as p50 and p99 of its buckets'],
      ['rpc', /^p50 250 ms$/, 'summary, shown as the quantiles that the sender made'],
    ])('%s is drawn as its kind says', async (name, line, kind) => {
      const page = await open(`#/metrics?stream=steady&name=${name}&from=5m`);
      await legend(page).getByRole('button', { name: line }).waitFor();
      await page.getByText(kind).waitFor();
    });

    test('a gauge and a histogram of a real SDK are drawn', async () => {
      const page = await open('#/metrics?stream=shop&name=memory');
      await legend(page)
        .getByRole('button', { name: /^all together 184 MB$/ })
        .waitFor();
      await page.getByRole('link', { name: 'duration' }).click();
      await legend(page)
        .getByRole('button', { name: /^p99 2\d\d ms$/ })
        .waitFor();
    });

    test('what comes is drawn by itself', async () => {
      await sendLevel(1, 'another');
      const page = await open('#/metrics?stream=live&name=level&from=5m&by=-');
      await page.getByText('No point of level came in the last 5 min').waitFor();
      await sendLevel(7);
      await legend(page)
        .getByRole('button', { name: /^all together 7$/ })
        .waitFor();
      await sendLevel(9);
      await legend(page)
        .getByRole('button', { name: /^all together 9$/ })
        .waitFor();
    });
  },
);

describeScreen(
  'time and others on the screen Metrics',
  () => server,
  (open) => {
    test('dragging over the chart chooses a part of the time, which stands in the URL and can be left', async () => {
      const page = await open('#/metrics?stream=steady&name=jobs&from=5m');
      await legend(page).getByRole('button', { name: /^mail/ }).waitFor();
      const box = await page.locator('.u-over').boundingBox();
      if (box === null) throw new Error('there is no chart');
      await page.mouse.move(box.x + box.width * 0.4, box.y + 50);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 });
      await page.mouse.up();
      await page.waitForURL(/from=2\d{3}-.*until=2\d{3}-/);
      await page.getByRole('button', { name: '✕' }).click();
      await page.waitForURL((url) => !url.hash.includes('until='));
      await page.getByRole('button', { name: '15m' }).and(page.locator('[aria-pressed="true"]')).waitFor();
    });

    test('a basin without metrics says how they come, and a token that may not read what it lacks', async () => {
      const token = await issueToken(server, 'no-reads', ['list-streams']);
      const page = await open('#/metrics', { token });
      await page.getByText('This token may not read.').waitFor();
      const other = await open('#/metrics?basin=nothing-here');
      await other.getByRole('alert').waitFor();
      expect(await other.locator('.u-over').count()).toBe(0);
    });

    test('a stream that does not exist yet is no error: it says how it begins, and shows its metrics when they come', async () => {
      const page = await open('#/metrics?stream=not-yet&name=first');
      await page.getByRole('heading', { name: 'telemetry has no stream with this name yet' }).waitFor();
      expect(await page.getByRole('alert').count()).toBe(0);
      const connect = page.getByRole('main').getByRole('link', { name: 'Connect' });
      expect(await connect.getAttribute('href')).toBe('#/connect?stream=not-yet');
      expect(await seriousFindings(page)).toEqual([]);
      await sendLevel(1, 'first', 'not-yet');
      await page.getByRole('list', { name: 'Metrics' }).getByRole('link', { name: 'first' }).waitFor();
      expect(await page.getByRole('heading', { name: /no stream with this name/ }).count()).toBe(0);
    });

    test.each([390, 1024])('at %i pixels nothing is wider than the screen, in light and dark', async (width) => {
      const page = await open('#/metrics?stream=steady', { width, isDark: width === 390 });
      await page.getByRole('link', { name: 'jobs' }).click();
      await legend(page).getByRole('button', { name: /^mail/ }).waitFor();
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      expect(await seriousFindings(page)).toEqual([]);
      if (width === 390) {
        await page.getByRole('link', { name: 'All metrics of steady' }).click();
        await page.getByRole('link', { name: 'orders' }).waitFor();
      }
    });
  },
);

async function sendLevel(value: number, name = 'level', stream = 'live'): Promise<void> {
  const point = { timeUnixNano: `${Date.now()}000000`, asDouble: value };
  const resource = { attributes: keyValues({ 's2.stream': stream }) };
  const metrics = [{ name, gauge: { dataPoints: [point] } }];
  await post(server, '/v1/metrics', { resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] });
}

/** Pixels of the chart that are strongly coloured: lines, neither grid nor text. */
function paintedPixels(page: Page): Promise<number> {
  return page.locator('.chart canvas').evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const pixels = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height).data ?? [];
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      const [red = 0, green = 0, blue = 0, alpha = 0] = pixels.slice(i, i + 4);
      if (alpha > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) count++;
    }
    return count;
  });
}

async function expectSoon(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) if (await condition()) return;
  throw new Error('it did not come true');
}
