/** The screen of one record: all of it, ways on from it, what it copies, and that nothing in it runs. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import type { Row } from '../../src/page/wire/rows.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeInBrowser } from './browser.ts';
import { openedPages } from './opened-pages.ts';
import { postLogs, postSpans } from './otlp-json.ts';
import { expectFound } from './planted.ts';

const TRACE = '5b8aa5a2d2c872e8321cf37308d69df2';
const SENDER = { service: 'checkout', stream: 'shop', scope: 'checkout.logger' };
const T0 = Date.parse('2026-11-29T10:00:00Z');
const HOSTILE = '<img src=x onerror="document.title=\'hacked\'"> \u001b[31mred\u001b[0m \u202eevil';
const STACK = Array.from({ length: 40 }, (_, i) => `  at frame ${i}`).join('\n');

let server: TestServer;

// Texts of times ask the browser how they should look.
Object.assign(globalThis, { localStorage: { getItem: () => null } });
const { factsOf, partsOf } = await import('../../src/page/record/record-parts.ts');
const { conditionText } = await import('../../src/page/record/condition.ts');

beforeAll(async () => {
  server = await startServer();
  await postLogs(server, SENDER, [
    { at: T0, body: 'before' },
    {
      at: T0 + 10,
      body: HOSTILE,
      severity: 17,
      trace: TRACE,
      span: 1,
      attributes: {
        'order.id': 'A-10923',
        retry: 2,
        'a key': 'two words',
        'exception.stacktrace': STACK,
        payload: '{"items":[{"sku":"X1"},{"sku":"X2"}],"html":"<script>document.title=\'hacked\'</script>"}',
        ok: true,
        note: HOSTILE,
      },
    },
    { at: T0 + 20, body: { event: 'done', list: [1, 2] } },
  ]);
  await postSpans(server, SENDER, [
    {
      trace: TRACE,
      id: 1,
      name: 'POST /checkout',
      from: T0,
      to: T0 + 2_431.5,
      failed: 'timed out',
      events: [{ at: T0 + 2_000, name: 'exception', attributes: { 'exception.type': 'Timeout' } }],
    },
    {
      trace: TRACE,
      id: 2,
      parent: 1,
      name: 'chat gpt-4o',
      from: T0,
      to: T0 + 9,
      attributes: { 'gen_ai.operation.name': 'chat' },
    },
  ]);
});

afterAll(() => server.stop());

test('everything that a row has is in its facts or its parts', () => {
  const row: Row = {
    seqNum: 1,
    timestamp: '2026-11-29T10:00:00Z',
    signal: 'traces',
    serviceName: 'shop',
    type: 'GET /',
    kind: 'server',
    traceId: '5b8aa5a2d2c872e8321cf37308d69df2',
    spanId: '051581bf3cb55c13',
    durationMs: 0.25,
    status: { code: 'error', message: 'no' },
    costMicrocents: 5_350,
    metadata: { 'order.id': 'A-1', nested: { a: [1] } },
    resource: { 'service.name': 'shop' },
    scope: { name: 'http', attributes: { team: 'a' } },
    events: [{ name: 'exception', timestamp: '2026-11-29T10:00:00Z', attributes: { 'exception.type': 'E' } }],
    links: [{ traceId: 'aa' }, { traceId: 'bb' }],
  };
  const facts = Object.fromEntries(factsOf(row).map(({ name, value }) => [name, value]));
  expect(facts).toMatchObject({
    service: 'shop',
    name: 'GET /',
    duration: '250 µs',
    status: 'error: no',
    cost: '0.0053',
  });
  expect(partsOf(row).map(({ title }) => title)).toEqual([
    'Attributes',
    'Event: exception',
    'Link 1',
    'Link 2',
    'Scope',
    'Resource',
  ]);
  const conditions = partsOf(row).flatMap(({ pairs }) =>
    pairs.flatMap(({ condition }) => (condition === undefined ? [] : [conditionText(condition)])),
  );
  expect(conditions).toEqual(['attr.order.id=A-1', 'scope=http', 'scope.team=a', 'resource.service.name=shop']);
});

const article = (page: Page) => page.getByRole('article');

describeInBrowser('what the screen of a record shows', () => {
  const open = openedPages(() => server, 'Record');

  test('a record is there with its position, body, attributes, resource and scope, and HTML in it is text', async () => {
    const page = await open('#/record?row=shop:1');
    await article(page)
      .getByText(/^stored .* after/)
      .waitFor();
    const text = await article(page).textContent();
    for (const part of ['order.id', 'A-10923', 'service.name', 'checkout.logger', '<img src=x', 'stored', TRACE]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain('\u001b');
    expect(text).not.toContain('\u202e');
    expect(await article(page).locator('img, script').count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('a long value is folded until it is asked for, and JSON in a text is a tree', async () => {
    const page = await open('#/record?row=shop:1');
    const more = article(page).getByRole('button', { name: /28 more lines/ });
    await more.waitFor();
    expect(await article(page).textContent()).not.toContain('at frame 39');
    await more.click();
    await article(page).getByText('at frame 39').waitFor();
    const tree = article(page).locator('.record-pair', { hasText: 'payload' });
    expect(await tree.locator('summary').count()).toBeGreaterThanOrEqual(4);
    await tree.getByRole('button', { name: 'as text' }).click();
    await tree.getByText('{"items":').waitFor();
  });

  test('searching in a record leaves what holds the text, marked, and says when nothing does', async () => {
    const page = await open('#/record?row=shop:1');
    await page.getByLabel('Find in this record').fill('10923');
    await page.locator('mark').first().waitFor();
    expect(await article(page).locator('.record-pair').count()).toBe(1);
    await page.getByLabel('Find in this record').fill('frame 39');
    await page.locator('mark').first().waitFor();
    expect(await page.locator('mark').textContent()).toBe('frame 39');
    await page.getByLabel('Find in this record').fill('no such thing');
    await page.getByText('Nothing in this record holds').waitFor();
  });
});

describeInBrowser('where the screen of a record leads', () => {
  const open = openedPages(() => server, 'Record');

  test('a value leads to Live with a filter for it, and the sign beside it excludes it', async () => {
    const page = await open('#/record?row=shop:1');
    const pair = article(page).locator('.record-pair', { hasText: 'a key' });
    await pair.waitFor();
    const hrefs = await pair
      .getByRole('link')
      .evaluateAll((links) => links.map((link) => link.getAttribute('href') ?? ''));
    const filters = hrefs.map((href) => new URLSearchParams(href.split('?')[1]).get('filter'));
    expect(filters).toEqual(['attr."a key"="two words"', 'attr."a key"!="two words"']);
  });

  test('links lead to the trace, and from a span of a model to its conversation', async () => {
    const page = await open('#/record?row=shop:4');
    await article(page).getByRole('link', { name: 'Conversation' }).waitFor();
    const href = await article(page).getByRole('link', { name: 'Trace', exact: true }).getAttribute('href');
    expect(href).toContain(`trace=${TRACE}`);
    await page.goto(`${server.url}/#/record?row=shop:1`);
    await article(page).getByText('A-10923').waitFor();
    expect(await article(page).getByRole('link', { name: 'Conversation' }).count()).toBe(0);
  });

  test('the raw OTLP is fetched when it is asked for, by keyboard', async () => {
    const page = await open('#/record?row=shop:3');
    await article(page).locator('summary', { hasText: 'Raw OTLP' }).focus();
    await page.keyboard.press('Enter');
    await article(page).getByText('resourceSpans').waitFor();
    expect(await article(page).textContent()).toContain('startTimeUnixNano');
  });

  test('what is copied works elsewhere and never holds a token', async () => {
    const page = await open('#/record?row=shop:1');
    const copied = async (nth: number): Promise<string> => {
      const button = article(page).locator('.record-copy button').nth(nth);
      await button.click();
      await button.getByText('Copied').waitFor();
      return page.evaluate(() => navigator.clipboard.readText());
    };
    await article(page).locator('.record-copy').waitFor();
    const [link, json, curl, command] = [await copied(0), await copied(1), await copied(2), await copied(3)];
    expect(link).toBe(`${server.url}/#/record?basin=telemetry&row=shop%3A1`);
    expect((JSON.parse(json) as Row).body).toBe(HOSTILE);
    expect(curl).toContain('-H "Authorization: Bearer $TAILRACE_TOKEN"');
    expect(command).toContain('tailrace read s2://telemetry/shop --seq-num 1 --count 1');
    expect([link, json, curl, command].join('\n')).not.toContain(server.token);
  });

  test('j and k lead to the records beside it, and stop at the ends', async () => {
    const page = await open('#/record?row=shop:0');
    await article(page).getByText('shop #0', { exact: true }).waitFor();
    await page.keyboard.press('k');
    await page.keyboard.press('j');
    await article(page).getByText('shop #1', { exact: true }).waitFor();
    await page.keyboard.press('k');
    await article(page).getByText('shop #0', { exact: true }).waitFor();
    expect(page.url()).toContain('row=shop%3A0');
  });

  test('a record that is not there says so, with the numbers that there are, and so does what is no address', async () => {
    const page = await open('#/record?row=shop:99');
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toContain('99');
    await page.goto(`${server.url}/#/record?row=shop`);
    await page.getByText('names no record').waitFor();
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('a text that became markup, or changed the page, would be found', async () => {
    const page = await open('#/record?row=shop:1');
    await article(page).getByText('A-10923').waitFor();
    await expectFound(page, article(page));
  });

  test('on a phone in the dark nothing is wider than the screen', async () => {
    const page = await open('#/record?row=shop:1', { width: 390, height: 844, isDark: true });
    await article(page).getByText('A-10923').waitFor();
    expect(await page.evaluate(() => document.querySelector('main')?.scrollWidth)).toBeLessThanOrEqual(390);
    expect(await seriousFindings(page)).toEqual([]);
  });
});
