/** Ways into the page and out of it: links that sign in once, and tokens that end while it is open. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { otlpBody } from '../support/access-rows.ts';
import { noticeSecrets } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { describeScreen, issueToken } from './screen-suite.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const body = JSON.stringify(otlpBody('logs', 'hello'));
  expect((await fetch(`${server.url}/v1/logs`, { method: 'POST', headers, body })).status).toBe(200);
});

afterAll(() => server.stop());

async function newLogin(): Promise<string> {
  const headers = { authorization: `Bearer ${server.token}` };
  const response = await fetch(`${server.url}/v1/logins`, { method: 'POST', headers });
  const { login } = (await response.json()) as { login: string };
  noticeSecrets(login);
  return login;
}

async function keptToken(page: Page): Promise<string> {
  const token = (await page.evaluate(() => sessionStorage.getItem('tailrace-token'))) ?? '';
  noticeSecrets(token);
  return token;
}

describeScreen(
  'ways into the page',
  () => server,
  (open) => {
    test('a link signs in once, leads where it says, leaves nothing in the URL, and signing out ends its session', async () => {
      const link = `#login=${await newLogin()}&to=${encodeURIComponent('/streams?basin=telemetry')}`;
      const page = await open(link, { token: undefined });
      await page.waitForFunction(() => document.title === 'Streams · Tailrace');
      expect(new URL(page.url()).hash).toBe('#/streams?basin=telemetry');
      const session = await keptToken(page);
      expect([session === server.token, session.startsWith('ses_')]).toEqual([false, true]);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Access token').waitFor();
      const headers = { authorization: `Bearer ${session}` };
      expect((await fetch(`${server.url}/v1/whoami`, { headers })).status).toBe(401);
      // Used again it does not work, and the page says what to do; another one that is pasted into the tab does.
      await page.evaluate((hash) => location.assign(hash), link);
      await page.getByRole('alert').waitFor();
      await page.evaluate((hash) => location.assign(hash), `#login=${await newLogin()}`);
      await page.getByRole('navigation', { name: 'Screens' }).waitFor();
      await keptToken(page);
    });

    test('a token that is revoked while the page is open ends it, and the page says why', async () => {
      const token = await issueToken(server, 'page', ['read', 'list-streams', 'check-tail']);
      const page = await open('#/live', { token });
      await page.getByText('hello').first().waitFor();
      const headers = { authorization: `Bearer ${server.token}` };
      expect((await fetch(`${server.url}/v1/access-tokens/page`, { method: 'DELETE', headers })).ok).toBe(true);
      await page.getByRole('alert').waitFor();
      await page.getByLabel('Access token').waitFor();
      expect(await keptToken(page)).toBe('');
    });
  },
);
