/** The screen Server: what it shows of a server that works, and tokens issued, rotated and revoked on it. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { CLUSTER_FOLLOWER, CLUSTER_LEADER } from '../support/cluster-view.ts';
import { ControlClient } from '../support/control-calls.ts';
import { noticeSecrets } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeInBrowser, type PageSetup } from './browser.ts';
import { type OpenScreen, openedPages } from './opened-pages.ts';

let server: TestServer;
let control: ControlClient;
let openAt: OpenScreen;

describeInBrowser('Server', () => {
  openAt = openedPages(() => server);

  beforeAll(async () => {
    server = await startServer();
    control = new ControlClient(server);
  });

  afterAll(async () => {
    await server.stop();
  });

  showsFigures();
  managesTokens();
  endsTokens();
  showsWhatMayBeDone();
  showsAudit();
  showsCluster();
});

const LONG_URL = 'http://tailrace-2.tailrace.shops.svc.cluster.local:4318';

function showsCluster(): void {
  test('a server by itself has no section for a cluster', async () => {
    const page = await open();
    await page.getByRole('region', { name: 'Audit log' }).waitFor();
    await tile(page, 'Records in').waitFor();
    expect(await page.getByRole('region', { name: 'Cluster' }).count()).toBe(0);
  });

  test('a node of a cluster shows the nodes, how far they are behind, and what is wrong', async () => {
    const page = await open();
    const same = { version: '1.0.0', sequence: 12, durable_sequence: 12, lag: 0, draining: false, problems: [] };
    const leader = { ...same, url: CLUSTER_LEADER, role: 'leading' };
    const problems = ['It is slow. Give it a disk.'];
    const follower = { ...same, url: CLUSTER_FOLLOWER, role: 'following', lag: 3, draining: true, problems };
    // As a node of an older version says it.
    const json = { name: 'shops', leader: CLUSTER_LEADER, nodes: [leader, follower] };
    await page.route('**/v1/cluster', (route) => route.fulfill({ json }));
    await page.reload();
    const rows = page.getByRole('region', { name: 'Cluster' }).getByRole('row');
    const behind = rows.filter({ hasText: CLUSTER_FOLLOWER });
    await behind.getByText('3 commands').waitFor();
    await behind.getByText('following, draining').waitFor();
    await behind.getByText('It is slow. Give it a disk.').waitFor();
    await rows.filter({ hasText: CLUSTER_LEADER }).getByText('leading').waitFor();
    // One partition, or none, is not mentioned.
    expect(await page.getByRole('columnheader', { name: /^(Leads|Partition)$/ }).count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('several partitions are shown with who leads each, and basins that move with how far that is, on a telephone too', async () => {
    const page = await open({ width: 390, height: 844 });
    const same = { role: 'leading', version: '1.0.0', lag: 0, draining: false, problems: [] };
    const nodes = [CLUSTER_LEADER, CLUSTER_FOLLOWER].map((url) => ({ ...same, url }));
    const partitions = [
      { partition: 0, leader: CLUSTER_LEADER, basins: 1, problems: [] },
      { partition: 1, leader: CLUSTER_FOLLOWER, basins: 12, problems: [] },
      { partition: 2, leader: null, basins: null, problems: ['No node leads it. Start one.'] },
      { partition: 3, leader: LONG_URL, basins: 0, problems: [] },
    ];
    const move = {
      basin: 'orders-eu',
      from: 1,
      to: 3,
      phase: 'copying',
      copied_bytes: 2_500_000,
      problem: 'It waits.',
    };
    const json = { name: 'shops', leader: CLUSTER_LEADER, nodes, partitions, moves: [move] };
    await page.route('**/v1/cluster', (route) => route.fulfill({ json }));
    await page.reload();
    const table = (name: string): Locator => page.getByRole('table', { name, exact: true });
    await table('Nodes').getByRole('row', { name: CLUSTER_FOLLOWER }).getByText('1', { exact: true }).waitFor();
    await table('Partitions').getByRole('row', { name: /^1 / }).getByText('12', { exact: true }).waitFor();
    await table('Partitions')
      .getByRole('row', { name: /^2 none – ! No node leads it/ })
      .waitFor();
    await table('Basins that move')
      .getByRole('row', { name: /^orders-eu 1 3 copying 2\.5 MB ! It waits\.$/ })
      .waitFor();
    expect(await page.evaluate(() => document.querySelector('main')?.scrollWidth)).toBeLessThanOrEqual(390);
    expect(await seriousFindings(page)).toEqual([]);
  });
}

function showsFigures(): void {
  test('it shows that the server is ready, its figures, those of the last day, and where the audit log and the descriptions of the interface are', async () => {
    await control.call('PUT /streams/figures', { basin: 'telemetry', body: {} });
    await control.call('POST /streams/figures/records', { basin: 'telemetry', body: { records: [{ body: 'x' }] } });
    const page = await open();
    await page.getByRole('status').filter({ hasText: 'Ready' }).waitFor();
    await page.getByText(/^Tailrace \d+\.\d+\.\d+ at 127\.0\.0\.1:\d+, default basin telemetry$/).waitFor();
    await tile(page, 'Records in').getByText('1 since its start').waitFor();
    await tile(page, 'Commit to disk')
      .getByText(/99 of 100 within [\d.]+ (ms|s|µs)/)
      .waitFor();
    await tile(page, 'Memory of requests').getByText('of 537 MB').waitFor();
    await tile(page, 'Store').getByText(/free$/).waitFor();
    await page.getByRole('img', { name: /^Appends in the last 24 hours: 1, in an hour at most 1$/ }).waitFor();
    await page.getByText('"audit":true', { exact: true }).waitFor();
    for (const file of ['openapi.json', 'asyncapi.json', 'llms.txt']) {
      const href = (await page.getByRole('link', { name: file, exact: true }).getAttribute('href')) ?? '';
      expect([file, (await page.request.get(new URL(href, page.url()).href)).status()]).toEqual([file, 200]);
    }
    expect(await seriousFindings(page)).toEqual([]);
  });

  test.each([true, false])(
    'on a telephone nothing is wider than the screen, and axe finds nothing serious (dark: %s)',
    async (isDark) => {
      await issue('a-token-with-a-rather-long-name', ['read']);
      const page = await open({ width: 390, height: 844, isDark });
      await row(page, 'a-token-with-a-rather-long-name').waitFor();
      expect(await page.evaluate(() => document.querySelector('main')?.scrollWidth)).toBeLessThanOrEqual(390);
      expect(await seriousFindings(page)).toEqual([]);
      await page.getByRole('button', { name: 'Issue a token' }).click();
      expect(await seriousFindings(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await control.call('DELETE /access-tokens/a-token-with-a-rather-long-name');
    },
  );
}

function managesTokens(): void {
  test('a token is issued by keyboard as its summary says, its secret works, and is gone with its dialog', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'Issue a token' }).focus();
    await page.keyboard.press('Enter');
    const form = page.getByRole('dialog', { name: 'Issue a token' });
    await form.waitFor();
    await page.keyboard.type('shop-readers');
    await form.getByRole('button', { name: 'Reader', exact: true }).press('Enter');
    await form.getByLabel('Streams', { exact: true }).selectOption('prefix');
    await form.getByLabel('Streams: name').fill('shop/');
    await form.getByLabel('Expires').selectOption('30');
    await form
      .getByText(
        /^It may read records; list streams and see their usage, and nothing else\. It reaches streams that begin with shop\/ in the basin telemetry\. It expires on /,
      )
      .waitFor();
    await form.getByRole('button', { name: 'Issue', exact: true }).press('Enter');
    const secret = await shownSecret(page, 'shop-readers is issued');
    const { body } = await control.call('GET /access-tokens/shop-readers');
    expect(body).toMatchObject({
      scope: {
        ...{ basins: { exact: 'telemetry' }, streams: { prefix: 'shop/' }, access_tokens: null, ops: [] },
        op_groups: {
          stream: { read: true, write: false },
          basin: { read: true, write: false },
          account: { read: false },
        },
      },
    });
    expect(Date.parse((body as { expires_at: string }).expires_at) - Date.now()).toBeGreaterThan(29 * 86_400_000);
    expect(await statusWith(secret)).toBe(200);
    expect(await holds(page, secret)).toBe(true);
    await page.keyboard.press('Escape');
    await row(page, 'shop-readers').getByText('streams that begin with shop/ in the basin telemetry').waitFor();
    expect(await holds(page, secret)).toBe(false);
  });

  test('what the server refuses is said in its words, and the form stays as it is', async () => {
    await issue('taken', ['read']);
    const page = await open();
    await page.getByRole('button', { name: 'Issue a token' }).click();
    const form = page.getByRole('dialog', { name: 'Issue a token' });
    expect(await form.getByRole('button', { name: 'Issue', exact: true }).isDisabled()).toBe(true);
    await form.getByLabel('Id', { exact: true }).fill('taken');
    await form.getByRole('button', { name: 'Issue', exact: true }).click();
    await form.getByRole('alert').filter({ hasText: 'taken' }).waitFor();
    expect(await form.getByLabel('Id', { exact: true }).inputValue()).toBe('taken');
  });
}

function endsTokens(): void {
  test('rotating asks first, then shows another secret, and the one before it stops', async () => {
    const first = await issue('rotated', ['read']);
    const page = await open({ at: '#/server?find=rot' });
    await page.getByRole('button', { name: 'Rotate rotated' }).click();
    await page.getByRole('dialog', { name: 'Rotate rotated' }).getByText('stops at once').waitFor();
    expect(await statusWith(first)).toBe(200);
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();
    const second = await shownSecret(page, 'rotated is rotated');
    expect([await statusWith(first), await statusWith(second)]).toEqual([401, 200]);
    await page.getByRole('button', { name: 'I have it' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(await holds(page, second)).toBe(false);
  });

  test('revoking asks first, and then the token is gone from the server and from the list', async () => {
    const secret = await issue('revoked', ['read']);
    const page = await open();
    await page.getByRole('button', { name: 'Revoke revoked' }).click();
    const dialog = page.getByRole('dialog', { name: 'Revoke revoked' });
    await dialog.getByText('revoked may read records for all streams in the basin telemetry').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await statusWith(secret)).toBe(200);
    await page.getByRole('button', { name: 'Revoke revoked' }).click();
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await row(page, 'revoked').waitFor({ state: 'detached' });
    expect(await statusWith(secret)).toBe(401);
  });

  test('the search finds ids by their beginning, is in the URL, and says when there is none', async () => {
    await issue('web-1', ['read']);
    await issue('worker', ['read']);
    const page = await open();
    await row(page, 'worker').waitFor();
    await page.getByLabel('Ids that begin with').fill('web');
    await row(page, 'worker').waitFor({ state: 'detached' });
    await row(page, 'web-1').waitFor();
    expect(new URL(page.url()).hash).toBe('#/server?find=web');
    await page.getByLabel('Ids that begin with').fill('nothing');
    await page.getByText('No id begins with nothing.').waitFor();
  });
}

function showsWhatMayBeDone(): void {
  test('a token that may only list tokens sees no way to issue, rotate or revoke, and no figures', async () => {
    await issue('other', ['read']);
    const page = await open({ token: await issue('lister', ['list-access-tokens']) });
    await row(page, 'other').waitFor();
    await row(page, 'lister').getByText('yours').waitFor();
    expect(await page.getByRole('button', { name: /Issue|Rotate|Revoke/ }).count()).toBe(0);
    await page.getByText('may not see how the server does').waitFor();
    expect(await page.getByText('Records in').count()).toBe(0);
  });

  test('a token without any of these rights sees what the server is, and no list of tokens', async () => {
    const page = await open({ token: await issue('plain', ['read']) });
    await page.getByText('may not see how the server does').waitFor();
    expect(await page.getByRole('region', { name: 'Tokens' }).count()).toBe(0);
    expect(await page.getByRole('region', { name: 'The last day' }).count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('a token that may issue is offered only what it holds itself', async () => {
    const page = await open({ token: await issue('issuer', ['issue-access-token', 'append']) });
    await page.getByRole('button', { name: 'Issue a token' }).click();
    const form = page.getByRole('dialog', { name: 'Issue a token' });
    await form.getByRole('button', { name: 'Sender', exact: true }).waitFor();
    expect(await form.getByRole('button', { name: 'Reader', exact: true }).count()).toBe(0);
    expect(await form.getByLabel('read records').count()).toBe(0);
    await form.getByText('Single operations').click();
    expect(await form.getByRole('group', { name: 'May' }).getByRole('checkbox').count()).toBe(2);
  });
}

describeInBrowser('Server where no token is needed', () => {
  let own: TestServer;
  const openOwn = openedPages(() => own);

  beforeAll(async () => {
    own = await startServer({ args: ['--no-auth'] });
  });

  afterAll(() => own.stop());

  test('a server with --no-auth has figures, and says that it has no tokens', async () => {
    const page = await openOwn('#/server');
    await tile(page, 'Connections').waitFor();
    await page.getByText('This server asks for none').waitFor();
    expect(await page.getByRole('button', { name: 'Issue a token' }).count()).toBe(0);
  });
});

async function open(setup: Partial<PageSetup> = {}): Promise<Page> {
  const page = await openAt(setup.at ?? '#/server', setup);
  await page.getByRole('heading', { name: 'Server', exact: true }).waitFor();
  return page;
}

function showsAudit(): void {
  const audit = (page: Page) => page.getByRole('region', { name: 'Audit log' });
  const line = (page: Page, text: string) => audit(page).getByRole('row').filter({ hasText: text });

  test('the audit log says who did what with what result, shows what comes by itself, and is searched', async () => {
    await control.call('POST /basins', { body: { basin: 'audited-by-page' } });
    const page = await open();
    await line(page, 'create basin audited-by-page').getByText('done').waitFor();
    await line(page, 'create basin audited-by-page').getByText('root', { exact: true }).waitFor();
    for (let i = 0; i < 3; i++) expect(await statusWith('trk_wrong')).toBe(401);
    const refused = line(page, 'an unknown token').filter({ hasText: '3 times' });
    await refused
      .getByText(/unknown/)
      .first()
      .waitFor();
    await audit(page).getByLabel('Search the audit log').fill('audited-by-page');
    await refused.waitFor({ state: 'detached' });
    await page.getByText('Found among the last').waitFor();
    expect(new URL(page.url()).hash).toContain('audited=audited-by-page');
    await audit(page).getByRole('button', { name: 'Refused or failed' }).click();
    await audit(page)
      .getByText(/^None of the last \d+ lines is like that\.$/)
      .waitFor();
    await audit(page).getByLabel('Search the audit log').fill('');
    await refused.waitFor();
    expect(await audit(page).getByText('done', { exact: true }).count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('a token that is not the root token sees no audit log', async () => {
    const token = await issue('sees-figures', ['account-metrics']);
    const page = await open({ token });
    await tile(page, 'Records in').waitFor();
    expect(await audit(page).count()).toBe(0);
  });
}

/** By the root token, as its holder gets it. */
async function issue(id: string, ops: readonly string[]): Promise<string> {
  const scope = { basins: { exact: 'telemetry' }, streams: { prefix: '' }, access_tokens: { prefix: '' }, ops };
  const { body } = await control.call('POST /access-tokens', { body: { id, scope } });
  const { access_token: token } = body as { readonly access_token: string };
  noticeSecrets(token);
  return token;
}

function tile(page: Page, name: string): Locator {
  return page.locator('dl > div').filter({ has: page.getByText(name, { exact: true }) });
}

function row(page: Page, id: string): Locator {
  return page.locator('tr').filter({ has: page.getByText(id, { exact: true }) });
}

async function shownSecret(page: Page, title: string): Promise<string> {
  const dialog = page.getByRole('dialog', { name: title });
  const secret = (await dialog.locator('code').first().textContent()) ?? '';
  noticeSecrets(secret);
  expect(secret).toMatch(/^trk_[0-9a-f]{48}$/);
  await dialog.getByRole('button', { name: 'Copy' }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(secret);
  return secret;
}

async function statusWith(token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${server.url}/v1/whoami`, { headers })).status;
}

/** Whether a text is anywhere in the page, in what the browser keeps for it, or in its address. */
async function holds(page: Page, text: string): Promise<boolean> {
  return page.evaluate((wanted) => {
    const fields = [...document.querySelectorAll('input')].map((field) => field.value);
    const kept = JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state]);
    return [document.documentElement.outerHTML, ...fields, kept, location.href].some((held) => held.includes(wanted));
  }, text);
}
