/** A newcomer's walk through Connect: what it shows is run as it is shown, and the page says what became of it. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { ControlClient } from '../support/control-calls.ts';
import { noticeSecrets } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeInBrowser, type PageSetup } from './browser.ts';
import { type OpenScreen, openedPages } from './opened-pages.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const HAS_CURL = spawnSync('curl', ['--version']).status === 0;
if (!HAS_CURL) process.stderr.write('skipped: curl is not there\n');

let server: TestServer;
let control: ControlClient;
let folder: string;
let openAt: OpenScreen;

describeInBrowser('Connect', () => {
  openAt = openedPages(() => server);

  beforeAll(async () => {
    server = await startServer();
    control = new ControlClient(server);
    folder = await mkdtemp(path.join(tmpdir(), 'tailrace-connect-'));
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  });

  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  runsWhatIsShown();
  keepsNoSecret();
  takesChoices();
  showsWhatMayBeDone();
});

describeInBrowser('Connect where no token is needed', () => {
  let own: TestServer;
  let ownControl: ControlClient;
  const openOwn = openedPages(() => own);

  beforeAll(async () => {
    own = await startServer({ args: ['--no-auth'] });
    ownControl = new ControlClient(own);
  });

  afterAll(() => own.stop());

  test('a first visit without data shows Connect, and one with data, or with a link to somewhere, does not', async () => {
    const first = await openOwn('');
    await first.getByRole('heading', { name: 'Connect', level: 1 }).waitFor();
    expect(new URL(first.url()).hash).toMatch(/^#\/connect/);
    const linked = await openOwn('#/live?filter=level>=error');
    await linked.getByRole('heading', { name: 'No record matches so far' }).waitFor();
    expect(new URL(linked.url()).hash).toContain('#/live');
    await ownControl.call('PUT /streams/there', { basin: 'telemetry', body: {} });
    await ownControl.call('POST /streams/there/records', {
      basin: 'telemetry',
      body: { records: [{ body: 'arrived' }] },
    });
    const second = await openOwn('');
    await second.getByText('arrived').waitFor();
    expect(new URL(second.url()).hash).not.toContain('connect');
  });

  test('a server with --no-auth asks for no token, and its snippets have none', async () => {
    const page = await openOwn('#/connect?with=curl');
    await page.getByText('This server asks for none').waitFor();
    const text = (await step(page, 'Send one log record').locator('pre').textContent()) ?? '';
    expect(text).not.toContain('Authorization');
    if (!HAS_CURL) return;
    expect(spawnSync('sh', ['-c', text], { env: { PATH: process.env.PATH } }).stdout.toString()).toBe('{}');
    await page.getByText('It works.').waitFor();
  });
});

function runsWhatIsShown(): void {
  (HAS_CURL ? test : test.skip)(
    'a newcomer sees why the first try is refused, makes a token, and sees curl come in',
    async () => {
      const page = await open({ at: '#/connect?with=curl' });
      const arrivals = page.getByRole('complementary', { name: 'What comes in' });
      await arrivals.getByText(`no request to ${server.url}`).waitFor();
      const before = await snippet(page, 'Send one log record');
      expect(before).toContain('$TAILRACE_TOKEN');
      await shell(before);
      await arrivals.getByText(/^Last request: 401 from 127\.0\.0\.1 \(curl\/.*, (just now|\d+ s ago)$/).waitFor();
      await arrivals.getByText('an empty variable?').waitFor();
      await arrivals.getByText('Make a token on this page').waitFor();
      expect(await arrivals.getByText('It works.').count()).toBe(0);
      await page.getByRole('button', { name: 'Make a token' }).click();
      await page.getByRole('button', { name: 'Put it away' }).waitFor();
      const shown = await snippet(page, 'Send one log record');
      expect(await shell(shown)).toBe('{}');
      await arrivals.getByText(/It works\. 1 log record from curl\/\S+, stored in my-app\./).waitFor();
      // What was wrong before needs no mending any more.
      expect(await arrivals.getByText('Make a token on this page').count()).toBe(0);
      expect(await arrivals.getByRole('link', { name: 'See it live' }).getAttribute('href')).toBe(
        '#/live?basin=telemetry&streams=my-app',
      );
      expect(await seriousFindings(page)).toEqual([]);
    },
  );

  test('the variables and the program of Node, as they are shown, send a record, a span and a metric', async () => {
    const page = await open({ at: '#/connect?stream=shop/eu' });
    await page.getByRole('button', { name: 'Make a token' }).click();
    await page.getByRole('button', { name: 'Put it away' }).waitFor();
    const variables = await snippet(page, 'Set the variables');
    const program = await snippet(page, 'app.mjs');
    await writeFile(path.join(folder, 'app.mjs'), program.replace(NODE_22, await nodeImports()));
    expect(await shell(`${variables}\nnode app.mjs`)).toBe('');
    await page.getByText('It works. 1 log record, 1 span and 1 data point from shop/eu, stored in shop/eu.').waitFor();
    const { body } = await control.call('GET /streams/shop%2Feu/records/tail', { basin: 'telemetry' });
    expect(body).toMatchObject({ tail: { seq_num: 3 } });
    // Its form for an env file has no shell around it.
    await page.getByLabel('Form of the variables').selectOption('env');
    expect(await snippet(page, 'Set the variables')).toMatch(
      new RegExp(`^OTEL_EXPORTER_OTLP_ENDPOINT=${server.url}$`, 'm'),
    );
  });
}

function keepsNoSecret(): void {
  test('the token may append to the basin only, and its secret is gone when it is put away or the screen is left', async () => {
    const page = await open();
    await page.getByText('Its name, and which streams').click();
    await page.getByLabel('Name of the token').fill('one-sender');
    await page.getByLabel('Only streams that begin with').fill('my-');
    await page.getByRole('button', { name: 'Make a token' }).click();
    await page.getByRole('button', { name: 'Copy the secret' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const secret = await page.evaluate(() => navigator.clipboard.readText());
    noticeSecrets(secret);
    expect(await snippet(page, 'Set the variables')).toContain(`Authorization=Bearer%20${secret}"`);
    const listed = await control.call('GET /access-tokens/one-sender');
    expect(listed.body).toMatchObject({
      scope: { basins: { exact: 'telemetry' }, streams: { prefix: 'my-' }, access_tokens: null, ops: ['append'] },
    });
    expect(JSON.stringify((listed.body as { scope: { op_groups: unknown } }).scope.op_groups)).not.toContain('true');
    expect(await placesOf(page, secret)).toEqual(['document']);
    await page.getByRole('button', { name: 'Put it away' }).click();
    expect(await placesOf(page, secret)).toEqual([]);
    await page.getByRole('button', { name: 'Make a token' }).click();
    const second = /trk_\w+/.exec(await snippetWhenMade(page))?.[0] ?? '';
    noticeSecrets(second);
    expect(await placesOf(page, second)).toEqual(['document']);
    await page.getByRole('navigation').getByRole('link', { name: 'Server' }).click();
    await page.getByRole('heading', { name: 'Server' }).waitFor();
    await page.goBack();
    await page.getByRole('button', { name: 'Make a token' }).waitFor();
    expect(await placesOf(page, second)).toEqual([]);
  });

  test('a token whose name is taken is refused in the words of the server', async () => {
    await issue('taken', ['read']);
    const page = await open();
    await page.getByText('Its name, and which streams').click();
    await page.getByLabel('Name of the token').fill('taken');
    await page.getByRole('button', { name: 'Make a token' }).click();
    await page.getByRole('alert').filter({ hasText: 'taken' }).waitFor();
  });

  test('a secret that is kept would be found', async () => {
    const page = await open();
    await page.evaluate(() => localStorage.setItem('kept', 'not-so-secret'));
    await page.evaluate(() => location.assign('#/connect?stream=not-so-secret'));
    await page.getByText('s2.stream=not-so-secret').waitFor();
    expect(await placesOf(page, 'not-so-secret')).toEqual(['document', 'storage', 'address']);
  });
}

function takesChoices(): void {
  test('the choices are in the URL, and all of them are reached by keyboard', async () => {
    const page = await open();
    await page.getByRole('tab', { name: 'Node' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    expect(await page.getByRole('tab', { name: 'Go' }).getAttribute('aria-selected')).toBe('true');
    await page.keyboard.press('End');
    await page.getByText('CLAUDE_CODE_ENABLE_TELEMETRY').waitFor();
    expect(new URL(page.url()).hash).toBe('#/connect?with=claude-code');
    await page.goto(`${server.url}/#/connect?with=python&protocol=grpc&port=14317&from=container&stream=worker`);
    const variables = await snippet(page, 'Set the variables');
    expect(variables).toContain('OTEL_EXPORTER_OTLP_ENDPOINT=http://host.docker.internal:14317\n');
    expect(variables).toContain('OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n');
    expect(await snippet(page, 'app.py')).toContain('proto.grpc._log_exporter');
    await page.getByText('host.docker.internal is this machine').waitFor();
  });

  test('a name in the URL that a shell would run is in no snippet, and the page says why', async () => {
    const page = await open({ at: `#/connect?with=curl&stream=${encodeURIComponent("x'; touch owned; '")}` });
    await page.getByText('they are pasted into a shell').waitFor();
    expect(await snippet(page, 'Send one log record')).not.toContain('owned');
    expect(await page.getByLabel('Stream', { exact: true }).getAttribute('aria-invalid')).toBe('true');
  });
}

function showsWhatMayBeDone(): void {
  test('a token that may not issue sees no button, but what to ask for; and one that may see no senders is told so', async () => {
    const page = await open({ token: await issue('reader', ['read', 'list-streams']) });
    await page.getByText('may not issue tokens').waitFor();
    await page
      .getByText('tailrace tokens issue my-app-sender --basins-exact telemetry --streams-prefix "" --ops append')
      .waitFor();
    expect(await page.getByRole('button', { name: 'Make a token' }).count()).toBe(0);
    await page.getByText('may not see who sends').waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    const other = await open({ token: await issue('watcher', ['basin-metrics']) });
    await other.getByText('Requests without a valid token are not shown').waitFor();
  });

  test.each([true, false])(
    'on a telephone nothing is wider than the screen, and axe finds nothing serious (dark: %s)',
    async (isDark) => {
      const page = await open({ width: 390, height: 844, isDark });
      await page.getByText('Set the variables').waitFor();
      expect(await page.evaluate(() => document.querySelector('main')?.scrollWidth)).toBeLessThanOrEqual(390);
      expect(await seriousFindings(page)).toEqual([]);
    },
  );
}

const open = async (setup: Partial<PageSetup> = {}): Promise<Page> => {
  const page = await openAt(setup.at ?? '#/connect', setup);
  await page.getByRole('complementary', { name: 'What comes in' }).waitFor();
  return page;
};

/** As its holder gets it. */
const issue = async (id: string, ops: readonly string[]): Promise<string> => {
  const scope = { basins: { exact: 'telemetry' }, streams: { prefix: '' }, ops };
  const { body } = await control.call('POST /access-tokens', { body: { id, scope } });
  const { access_token: token } = body as { readonly access_token: string };
  noticeSecrets(token);
  return token;
};

/** Runs what is shown as it is shown, with nothing else in the environment. */
const shell = async (text: string): Promise<string> => {
  const child = spawn('sh', ['-c', text], {
    cwd: folder,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  await new Promise((resolve) => child.on('close', resolve));
  return output;
};

const snippet = async (page: Page, title: string): Promise<string> => {
  const text = await step(page, title).locator('pre').textContent();
  noticeSecrets(text ?? '');
  return text ?? '';
};

const snippetWhenMade = async (page: Page): Promise<string> => {
  await page.getByRole('button', { name: 'Put it away' }).waitFor();
  return snippet(page, 'Set the variables');
};

function step(page: Page, title: string): Locator {
  return page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: title, exact: true }) });
}

/** Where a page holds a text: what it shows, what the browser keeps, the address. */
async function placesOf(page: Page, text: string): Promise<readonly string[]> {
  return page.evaluate((wanted) => {
    const fields = [...document.querySelectorAll('input,textarea')].map((field) => (field as HTMLInputElement).value);
    const shown = `${document.documentElement.outerHTML}${fields.join()}`;
    const kept = JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state]);
    const places: readonly (readonly [string, string])[] = [
      ['document', shown],
      ['storage', kept],
      ['address', location.href],
    ];
    return places.filter(([, held]) => held.includes(wanted)).map(([name]) => name);
  }, text);
}

/** The line that Node 20 cannot have, and what the examples give in its place. */
const NODE_22 = "import { logs, metrics, trace } from '@opentelemetry/api';";

async function nodeImports(): Promise<string> {
  const readme = await readFile(path.join(ROOT, 'scripts/examples/README.md'), 'utf8');
  return /## Node 20\n[\s\S]*?```js\n([\s\S]*?)\n```/.exec(readme)?.[1] ?? '';
}
