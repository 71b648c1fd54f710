/** The frame of the page: its files, signing in and out, the screens of the header, keys, what it may never do. */

import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { otlpBody } from '../support/access-rows.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeInBrowser, type PageSetup } from './browser.ts';
import { openedPages } from './opened-pages.ts';

/** All files as they are sent to a browser that takes Brotli. */
const BYTES_MAX = 150_000;
const ASSETS = new URL('../../dist/page/assets/', import.meta.url);

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  // Live leads to Connect where nothing has come in yet.
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const body = JSON.stringify(otlpBody('logs', 'hello'));
  expect((await fetch(`${server.url}/v1/logs`, { method: 'POST', headers, body })).status).toBe(200);
});

afterAll(() => server.stop());

test('all files of the page together are below 150 kB compressed', () => {
  const names = readdirSync(ASSETS);
  const sent = names
    .filter((name) => !/\.(br|gz)$/.test(name))
    .map((name) => (names.includes(`${name}.br`) ? `${name}.br` : name));
  const bytes = sent.map((name) => readFileSync(new URL(name, ASSETS)).length).reduce((sum, each) => sum + each, 0);
  process.stderr.write(`the page: ${sent.length} files, ${bytes} bytes compressed\n`);
  expect(sent.length).toBeGreaterThan(3);
  expect(bytes).toBeLessThan(BYTES_MAX);
});

test('the page comes compressed as the browser takes it, with a policy that allows nothing else', async () => {
  const index = await fetch(`${server.url}/?from=mail`, { headers: { 'accept-encoding': 'gzip, br' } });
  expect(index.status).toBe(200);
  expect(index.headers.get('content-encoding')).toBe('br');
  expect(index.headers.get('cache-control')).toBe('no-cache');
  expect(index.headers.get('content-security-policy')).toMatch(
    /default-src 'none'; script-src 'self'; .*frame-ancestors 'none'/,
  );
  const html = await index.text();
  expect(html).not.toMatch(/<script(?![^>]*src=)|style=|onload=|https?:\/\//);
  const [script = ''] = /\/assets\/[^"]+\.js/.exec(html) ?? [];
  const gzip = await fetch(`${server.url}${script}`, { headers: { 'accept-encoding': 'gzip, br;q=0' } });
  expect(gzip.headers.get('content-encoding')).toBe('gzip');
  expect(gzip.headers.get('cache-control')).toContain('immutable');
  const plain = await fetch(`${server.url}${script}`, { headers: { 'accept-encoding': 'identity' } });
  expect(plain.headers.get('content-encoding')).toBeNull();
  expect(await plain.text()).toBe(await gzip.text());
  expect((await fetch(`${server.url}/assets/..%2Findex.html`)).status).toBe(404);
});

describeInBrowser('the frame of the page', () => {
  const openAt = openedPages(() => server);
  /** Not signed in unless a token is given. */
  const open = ({ at = '', ...setup }: Partial<PageSetup>): Promise<Page> => openAt(at, { token: undefined, ...setup });

  test('a wrong token is refused with what to do, the right one shows the screens, and signing out forgets it', async () => {
    const page = await open({});
    await page.getByLabel('Access token').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByLabel('Access token').fill(server.token);
    await page.keyboard.press('Enter');
    await page.getByRole('navigation', { name: 'Screens' }).waitFor();
    expect(page.url()).not.toContain(server.token);
    await page.reload();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Access token').waitFor();
    expect(await page.evaluate(() => sessionStorage.getItem('tailrace-token'))).toBeNull();
  });

  test('a token that the server does not know any more leads to signing in, and says why', async () => {
    const page = await open({ token: 'tr_gone' });
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Access token').waitFor();
  });

  test.each(['Senders', 'Streams', 'Metrics', 'Server', 'Connect', 'Live'])('the header leads to %s', async (title) => {
    const page = await open({ token: server.token, at: title === 'Live' ? '#/server' : '' });
    await page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: title }).click();
    await page.waitForFunction((name) => document.title === `${name} · Tailrace`, title);
    expect(new URL(page.url()).hash).toMatch(new RegExp(`^#/${title.toLowerCase()}`));
  });

  test('the question mark lists the keys, and Escape closes the list', async () => {
    const page = await open({ token: server.token, at: '#/server' });
    await page.getByRole('navigation').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'hidden' });
  });

  test('what axe finds serious is found', async () => {
    const page = await open({});
    await page.getByLabel('Access token').waitFor();
    await page.evaluate(() => document.querySelector('button')?.replaceChildren());
    expect(await seriousFindings(page)).not.toEqual([]);
  });
});
