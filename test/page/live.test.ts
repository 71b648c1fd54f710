/** The screen Live: what comes is shown in order and followed, what is asked for is found, and each key and part of the URL works. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import type { Page } from 'playwright-core';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeInBrowser, type PageSetup } from './browser.ts';
import { allPlaces, numbered, sendLogs, shownRows, waitForRow } from './live-page.ts';
import { type OpenScreen, openedPages } from './opened-pages.ts';

const TRACE = '5b8aa5a2d2c872e8321cf37308d69df2';
const STACK = 'Traceback (most recent call last):\n  File "pay.py", line 88\nTimeout: after 2.0s';

let server: TestServer;
let openAt: OpenScreen;

/** 400 numbered records, then one of each kind. */
async function fillShop(): Promise<void> {
  await sendLogs(server, 'shop', numbered(400), 'frontend');
  await sendLogs(server, 'shop', [
    { body: 'order placed', attributes: { 'order.id': 'A-1' }, traceId: TRACE },
    { body: 'slow', severity: 13 },
    { body: 'charge failed', severity: 17, attributes: { 'exception.stacktrace': STACK } },
    { body: '\u001b[31mred\u001b[0m <img src=x onerror="document.title=1"> \u0007\u202e' },
  ]);
  await sendLogs(server, 'cart', [{ body: 'cart is empty' }], 'cart');
}

const open = async (at: string, setup: Partial<PageSetup> = {}): Promise<Page> => {
  const page = await openAt(at, setup);
  await page.getByRole('listbox', { name: /^Records of/ }).waitFor();
  return page;
};
const openShop = async (query = '', setup: Partial<PageSetup> = {}): Promise<Page> => {
  const page = await open(`#/live?streams=shop${query}`, setup);
  await page.locator('.rows .row-message').first().waitFor();
  return page;
};
const hash = (page: Page): URLSearchParams => new URLSearchParams(new URL(page.url()).hash.split('?')[1]);
const selected = (page: Page) => page.locator('.row[aria-selected="true"]');

describeInBrowser('the screen Live', () => {
  openAt = openedPages(() => server);

  beforeAll(async () => {
    server = await startServer();
    await fillShop();
  });

  afterAll(async () => {
    await server.stop();
  });

  whatShowsTests();
  keysTests();
  filtersTests();
  valuesTests();
  looksTests();
});

function whatShowsTests(): void {
  test('records of a real exporter show as they come, from all streams in one list', async () => {
    const page = await open('#/live');
    await waitForRow(page, 'cart is empty');
    const exporter = new OTLPLogExporter({
      url: `${server.url}/v1/logs`,
      headers: { authorization: `Bearer ${server.token}` },
    });
    const provider = new LoggerProvider({
      resource: resourceFromAttributes({ 'service.name': 'payments', 's2.stream': 'pay' }),
      processors: [new BatchLogRecordProcessor({ exporter })],
    });
    provider.getLogger('test').emit({ body: 'paid by the exporter', severityNumber: 9 });
    await provider.shutdown();
    await waitForRow(page, 'paid by the exporter');
    expect(await shownRows(page)).toContain('pay#0 paid by the exporter');
    await page.getByRole('button', { name: /^pay/ }).first().waitFor();
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('the URL alone brings back streams, position, row, columns and wrapping', async () => {
    const page = await openShop('&from=100&columns=time,trace&wrap=yes');
    await waitForRow(page, 'said 100');
    expect((await shownRows(page)).at(3)).toContain('said 100');
    expect(await page.locator('.row-trace').count()).toBeGreaterThan(0);
    expect(await page.locator('.row-service').count()).toBe(0);
    expect(await page.locator('.row-wrapped').count()).toBeGreaterThan(0);
    await page.goto(`${server.url}/#/live?streams=c*&row=cart:0&show=record`);
    await page.getByRole('complementary', { name: 'Record' }).getByText(/cart/).first().waitFor();
    await page.goto(`${server.url}/#/live?streams=shop,cart&follow=no`);
    await waitForRow(page, 'cart is empty');
    await page.getByText('Paused').waitFor();
  });

  test('scrolling up in all streams loads every older record, in the order of each stream', async () => {
    const page = await open('#/live', { height: 2_000 });
    await waitForRow(page, 'cart is empty');
    await page.locator('.rows').hover();
    for (let turns = 0; turns < 40 && !(await shownRows(page)).includes('shop#0 said 0'); turns++) {
      await page.mouse.wheel(0, -3_000);
      await page.waitForTimeout(30);
    }
    const shop = (await allPlaces(page)).filter((place) => place.startsWith('shop#'));
    expect(shop).toEqual(Array.from({ length: 404 }, (_, i) => `shop#${i}`));
  });

  test('trimmed records are a line across with their numbers', async () => {
    const client = new RecordsClient(server);
    await client.texts('old', ...Array.from({ length: 20 }, (_, i) => `old ${i}`));
    const trim = { records: [{ headers: [['', Buffer.from('trim').toString('base64')]], body: 'AAAAAAAAAAo=' }] };
    expect((await client.append('old', trim, { 's2-format': 'base64' }))[0]).toBe(200);
    const page = await open('#/live?streams=old&row=old:12');
    await page.locator('.row-rule', { hasText: '#0–#9 were trimmed away' }).waitFor();
    await page.locator('.row', { hasText: 'TRIM before #10' }).waitFor();
  });
}

function keysTests(): void {
  test('each key moves, selects, opens and closes as its list says', async () => {
    const page = await openShop();
    const end = 403;
    await page.keyboard.press('k');
    await page.keyboard.press('k');
    expect(await selected(page).getAttribute('id')).toBe(`row${end - 1}`);
    await page.keyboard.press('j');
    expect(await selected(page).getAttribute('id')).toBe(`row${end}`);
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'Record' }).getByText(`#${end}`).first().waitFor();
    expect(hash(page).get('show')).toBe('record');
    await page.keyboard.press('Escape');
    await page.getByRole('complementary', { name: 'Record' }).waitFor({ state: 'hidden' });
    await page.keyboard.press('N');
    expect(await selected(page).textContent()).toContain('charge failed');
    await page.keyboard.press('c');
    await page.getByText('Copied.').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(
      /ERROR shop#402 checkout charge failed.*\n {4}Traceback[^\n]*\n {6}File[^\n]*\n {4}Timeout: after/,
    );
    await page.keyboard.press('Escape');
    await selected(page).waitFor({ state: 'detached' });
    await page.keyboard.press('g');
    await waitForRow(page, 'said 0');
    await page.keyboard.press(' ');
    await page.waitForFunction(() => document.querySelector('.rows .row')?.id !== 'row0');
    await page.keyboard.press('n');
    expect(await selected(page).textContent()).toContain('charge failed');
    await page.keyboard.press('f');
    await waitForRow(page, 'charge failed');
    await page.getByText('Following').waitFor();
    await page.keyboard.press('w');
    await page.locator('.row-rest').first().waitFor();
    expect(hash(page).get('wrap')).toBe('yes');
    await page.keyboard.press('/');
    expect(await page.getByLabel('Filter').evaluate((field) => field === document.activeElement)).toBe(true);
  });

  test('colon goes to a position and to a time, and says what it does not understand', async () => {
    const page = await openShop();
    const goTo = async (text: string): Promise<void> => {
      await page.keyboard.press(':');
      await page.getByRole('dialog').getByRole('textbox').fill(text);
      await page.keyboard.press('Enter');
    };
    await goTo('#17');
    await waitForRow(page, 'said 17');
    expect(await selected(page).textContent()).toContain('said 17');
    expect(hash(page).get('row')).toBe('shop:17');
    await goTo('tomorrow');
    await page
      .getByRole('alert')
      .getByText(/no position/)
      .waitFor();
    await page.keyboard.press('Escape');
    await goTo('2020-01-01 00:00');
    await waitForRow(page, 'said 0');
  });
}

function filtersTests(): void {
  test('the level key and the chips set the filter, and what does not match is gone', async () => {
    const page = await openShop();
    await page.keyboard.press('l');
    await page.waitForFunction(() => document.querySelectorAll('.rows .row').length === 2);
    expect(hash(page).get('filter')).toBe('level>=warn');
    await page.keyboard.press('l');
    await page.waitForFunction(() => document.querySelectorAll('.rows .row').length === 1);
    await page.keyboard.press('l');
    await waitForRow(page, 'order placed');
    await page.getByRole('button', { name: /^warn/ }).click();
    await page.waitForFunction(() => location.hash.includes('level%3Dwarn'));
    await page.waitForFunction(() => document.querySelectorAll('.rows .row').length === 1);
    expect(await shownRows(page)).toEqual(['shop#401 slow']);
  });

  test('a filter is suggested, applied, refused with its place, and says how much was read when nothing matches', async () => {
    const page = await openShop();
    const field = page.getByLabel('Filter', { exact: true });
    await field.fill('attr.ord');
    await page.getByRole('option', { name: /attr.order.id=/ }).click();
    await field.press('ArrowDown');
    await field.press('Enter');
    await field.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.rows .row').length === 1);
    expect(await shownRows(page)).toEqual(['shop#400 order placed']);
    await field.fill('level>=wrong');
    await field.press('Enter');
    await page
      .getByRole('alert')
      .getByText(/character 8/)
      .waitFor();
    await page.getByText('The filter is not understood').waitFor();
    await field.fill('nothing-like-this');
    await field.press('Enter');
    await page.getByText('0 of 404 records').waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByRole('button', { name: 'Clear the filter' }).last().click();
    await waitForRow(page, 'order placed');
  });
}

function valuesTests(): void {
  test('a click on a value filters by it, excludes it or makes it a column', async () => {
    const page = await openShop();
    const value = page.locator('.row-pair', { hasText: 'order.id=A-1' });
    await value.click();
    await page.getByRole('button', { name: 'Show as column' }).click();
    await page.locator('.row-value', { hasText: 'A-1' }).waitFor();
    expect(hash(page).get('columns')).toContain('attr.order.id');
    await page.locator('.row-service', { hasText: 'checkout' }).first().click();
    await page.getByRole('button', { name: 'Exclude these' }).click();
    await page.waitForFunction(() => document.querySelector('.row-service')?.textContent === 'frontend');
    expect(hash(page).get('filter')).toBe('service!=checkout');
    await page.keyboard.press('k');
    await page.keyboard.press('i');
    await page
      .getByRole('dialog')
      .getByRole('row', { name: /^service/ })
      .getByRole('button', { name: 'Only' })
      .click();
    await page.waitForFunction(() => location.hash.includes('service%3Dfrontend'));
  });

  test('context takes the filter away around the record, which stays marked, and Back returns', async () => {
    const page = await open('#/live?filter=level%3E%3Derror');
    await waitForRow(page, 'charge failed');
    await page.keyboard.press('k');
    await page.keyboard.press('v');
    await waitForRow(page, 'slow');
    expect(await selected(page).textContent()).toContain('charge failed');
    expect(hash(page).get('filter')).toBeNull();
    await page.goBack();
    await page.waitForFunction(() => document.querySelectorAll('.rows .row').length === 1);
  });

  test('the trace key leads to the trace of the record', async () => {
    const page = await openShop('&row=shop:400');
    await selected(page).waitFor();
    await page.keyboard.press('t');
    await page.waitForFunction((id) => location.hash.startsWith('#/trace') && location.hash.includes(id), TRACE);
  });

  test('views are saved under a name and come back', async () => {
    const page = await openShop('&filter=level%3E%3Dwarn');
    await page.getByText('Views', { exact: true }).click();
    await page.getByLabel('Name of this view').fill('trouble');
    await page.keyboard.press('Enter');
    await page.getByLabel('Clear the filter').click();
    await waitForRow(page, 'order placed');
    await page.getByText('Views', { exact: true }).click();
    await page.getByRole('button', { name: 'trouble', exact: true }).click();
    await page.waitForFunction(() => document.querySelectorAll('.rows .row').length === 2);
  });
}

function looksTests(): void {
  test('colours of an application are classes, and HTML, bells and marks of direction are text', async () => {
    const page = await openShop();
    const row = page.locator('.row', { hasText: 'onerror' });
    await row.waitFor();
    expect(await row.locator('.ansi-1').textContent()).toBe('red');
    expect(await row.locator('img').count()).toBe(0);
    expect(await row.textContent()).toContain('<img src=x onerror="document.title=1"> ␇⟨U+202E⟩');
    expect(await page.title()).toBe('Live · Tailrace');
  });

  test('a selection over several rows copies whole lines, folded ones included', async () => {
    const page = await openShop();
    await page.evaluate(() => {
      const rows = document.querySelectorAll('.rows .row .row-message');
      const [from, to] = [rows[rows.length - 3]?.firstChild, rows[rows.length - 2]?.firstChild];
      if (from && to) document.getSelection()?.setBaseAndExtent(from, 1, to, 3);
    });
    await page.getByText('Paused').waitFor();
    await page.evaluate(() => document.execCommand('copy'));
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(
      /shop#401 checkout slow\n.*shop#402 checkout charge failed[^\n]*\n {4}Traceback/,
    );
  });

  test('at 390 pixels everything fits, the record takes the screen, and axe finds nothing serious', async () => {
    const page = await openShop('', { width: 390, height: 844, isDark: true });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    await page.locator('.row-message', { hasText: 'order placed' }).click();
    await page.getByRole('complementary', { name: 'Record' }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByRole('button', { name: 'Close the record' }).click();
    expect(await seriousFindings(page)).toEqual([]);
  });
}
