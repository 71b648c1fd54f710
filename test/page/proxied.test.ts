/** The page behind nginx, with the file that we give to users: a link signs in, and Live shows what comes. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { otlpBody } from '../support/access-rows.ts';
import { findProxy, type RunningProxy, startProxy } from '../support/proxy.ts';
import { noticeSecrets } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { describeInBrowser } from './browser.ts';
import { openedPages } from './opened-pages.ts';

const NGINX = findProxy('nginx');

let server: TestServer;
let proxy: RunningProxy | undefined;
const url = () => `http://127.0.0.1:${proxy?.port}`;

beforeAll(async () => {
  if (NGINX === undefined) {
    process.stderr.write(
      'skipped "the page behind nginx": no nginx here (apt-get install nginx, or set TAILRACE_NGINX)\n',
    );
    return;
  }
  server = await startServer({ args: ['--trust-proxy', '127.0.0.1'] });
  proxy = await startProxy('nginx', { server, program: NGINX });
});

afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});

describeInBrowser('the page behind nginx', () => {
  const open = openedPages(() => ({ url: url(), token: server.token }));

  (NGINX === undefined ? test.skip : test)('a link signs in, and Live shows what comes while it is open', async () => {
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
    const send = async (service: string): Promise<void> => {
      const body = JSON.stringify(otlpBody('logs', service));
      expect((await fetch(`${url()}/v1/logs`, { method: 'POST', headers, body })).status).toBe(200);
    };
    // A first visit to a store without data leads to Connect.
    await send('before-it-opened');
    const response = await fetch(`${url()}/v1/logins`, { method: 'POST', headers });
    const { login } = (await response.json()) as { login: string };
    noticeSecrets(login);
    const page = await open(`#login=${login}&to=${encodeURIComponent('/live?basin=telemetry')}`, { token: '' });
    await page.waitForFunction(() => document.title === 'Live · Tailrace');
    noticeSecrets((await page.evaluate(() => sessionStorage.getItem('tailrace-token'))) ?? '');
    await send('behind-nginx');
    await page.getByText('behind-nginx').first().waitFor();
  });
});
