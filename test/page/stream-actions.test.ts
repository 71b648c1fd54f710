/** What is done on the screen Streams, each against the store: nothing goes before it is named and confirmed. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { ControlClient } from '../support/control-calls.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeScreen } from './screen-suite.ts';

let server: TestServer;
let records: RecordsClient;
let control: ControlClient;

beforeAll(async () => {
  server = await startServer();
  records = new RecordsClient(server);
  control = new ControlClient(server);
  await records.texts('orders', 'there already');
});

afterAll(() => server.stop());

const panel = (page: Page, stream: string) => page.getByRole('complementary', { name: `Stream ${stream}` });
const dialog = (page: Page) => page.getByRole('dialog');
const configOf = async (stream: string): Promise<unknown> =>
  (await control.call(`GET /streams/${encodeURIComponent(stream)}`, { basin: 'telemetry' })).body;

describeScreen(
  'settings on the screen Streams',
  () => server,
  (open) => {
    test('a stream is made with settings, and what the server refuses is said in its words', async () => {
      const page = await open('#/streams');
      await page.getByRole('button', { name: 'New stream …' }).click();
      await dialog(page).getByLabel('Name', { exact: true }).fill('orders');
      await dialog(page).getByRole('button', { name: 'Create' }).click();
      await dialog(page)
        .getByRole('alert')
        .filter({ hasText: /exists/ })
        .waitFor();
      await dialog(page).getByLabel('Name', { exact: true }).fill('made/here');
      await dialog(page).getByLabel('Keep records for').fill('soon');
      await dialog(page)
        .getByText(/Write a number with s, m, h, d or w/)
        .waitFor();
      expect(await dialog(page).getByRole('button', { name: 'Create' }).isDisabled()).toBe(true);
      await dialog(page).getByLabel('Keep records for').fill('12h');
      await dialog(page).getByLabel('Keep at most').fill('10GB');
      expect(await seriousFindings(page)).toEqual([]);
      await dialog(page).getByRole('button', { name: 'Create' }).click();
      await panel(page, 'made/here').getByText('12 h after it came').waitFor();
      expect(await configOf('made/here')).toMatchObject({
        retention_policy: { age: 43_200 },
        retention_bytes: 10_000_000_000,
      });
    });

    test('a change that keeps less is done only after it is confirmed, and others stay as they are', async () => {
      await records.texts('kept', 'one');
      const page = await open('#/streams?stream=kept');
      await panel(page, 'kept').getByRole('button', { name: 'Change …' }).click();
      await dialog(page).getByLabel('Keep records for').fill('1h');
      await dialog(page).getByRole('button', { name: 'Save …' }).click();
      await dialog(page)
        .getByText(/records of kept that came more than 1 h ago are deleted/)
        .waitFor();
      expect(await configOf('kept')).toMatchObject({ retention_policy: { age: 604_800 } });
      await dialog(page).getByRole('button', { name: 'Keep less' }).click();
      await panel(page, 'kept').getByText('1 h after it came').waitFor();
      expect(await configOf('kept')).toMatchObject({ retention_policy: { age: 3_600 } });
      await panel(page, 'kept').getByRole('button', { name: 'Change …' }).click();
      await dialog(page).getByLabel('Timestamps', { exact: true }).selectOption('arrival');
      await dialog(page).getByLabel('Delete when it has been empty for').fill('2h');
      await dialog(page).getByRole('button', { name: 'Save' }).click();
      await panel(page, 'kept').getByText('it is deleted after 2 h').waitFor();
      expect(await configOf('kept')).toMatchObject({
        retention_policy: { age: 3_600 },
        timestamping: { mode: 'arrival' },
        delete_on_empty: { min_age_secs: 7_200 },
      });
    });
  },
);

describeScreen(
  'records written and deleted on the screen Streams',
  () => server,
  (open) => {
    test('text is appended with headers, and leads to where it is stored', async () => {
      const page = await open('#/streams?stream=appended');
      await page.getByText('There is no stream appended in telemetry.').waitFor();
      await records.texts('appended', 'before');
      await panel(page, 'appended').getByRole('button', { name: 'Append …' }).click();
      await dialog(page).getByLabel('Text').fill('<b>first</b>\nsecond');
      await dialog(page).getByLabel('A record for each line').check();
      await dialog(page).getByLabel('Headers, one a line').fill('no colon');
      await dialog(page).getByText('Line 1 has no name').waitFor();
      await dialog(page).getByLabel('Headers, one a line').fill('source: page');
      await dialog(page).getByRole('button', { name: 'Append 2 records' }).click();
      await dialog(page).getByText('Stored as #1 to #2').waitFor();
      expect(await dialog(page).getByRole('link').getAttribute('href')).toBe('#/live?streams=appended&from=seq%3A1');
      const { records: stored } = await records.batch('appended', '?seq_num=1');
      expect(stored.map(({ body, headers }) => [body, headers])).toEqual([
        ['<b>first</b>', [['source', 'page']]],
        ['second', [['source', 'page']]],
      ]);
    });

    test('a fence shuts out who shows another token, and a trim deletes just what it names', async () => {
      await records.texts('fenced', ...Array.from({ length: 10 }, (_, i) => `${i}`));
      const page = await open('#/streams?stream=fenced');
      await panel(page, 'fenced').getByRole('button', { name: 'Fence …' }).click();
      await dialog(page).getByLabel('Fencing token').fill('x'.repeat(37));
      await dialog(page).getByText('It has 37 bytes; at most 36 are allowed.').waitFor();
      await dialog(page).getByLabel('Fencing token').fill('writer-2');
      await dialog(page).getByRole('button', { name: 'Fence', exact: true }).click();
      await dialog(page).waitFor({ state: 'detached' });
      const refused = await records.append('fenced', { records: [{ body: 'x' }], fencing_token: 'writer-1' });
      expect(refused[0]).toBe(412);
      await panel(page, 'fenced').getByText('It holds #0 to #10.').waitFor();
      await panel(page, 'fenced').getByRole('button', { name: 'Trim …' }).click();
      expect(await dialog(page).getByRole('button', { name: 'Trim' }).isDisabled()).toBe(true);
      await dialog(page).getByLabel('First record to keep').fill('4');
      await dialog(page).getByText('4 records go for good: fenced #0 to #3.').waitFor();
      expect(await seriousFindings(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await dialog(page).waitFor({ state: 'detached' });
      expect((await records.bodies('fenced'))[0]).toBe('0');
      await panel(page, 'fenced').getByRole('button', { name: 'Trim …' }).click();
      await dialog(page).getByLabel('First record to keep').fill('4');
      await dialog(page).getByRole('button', { name: 'Trim' }).click();
      await panel(page, 'fenced').getByText('It holds #4 to #11.').waitFor();
      expect((await records.bodies('fenced', '?seq_num=0&clamp=true'))[0]).toBe('4');
    });

    test('a stream is deleted only when its name is typed', async () => {
      await records.texts('doomed', 'a', 'b');
      const page = await open('#/streams?stream=doomed');
      await panel(page, 'doomed').getByText('It holds #0 to #1.').waitFor();
      await panel(page, 'doomed').getByRole('button', { name: 'Delete …' }).click();
      await dialog(page)
        .getByText(/doomed in telemetry goes for good, with 2 records/)
        .waitFor();
      await dialog(page).getByRole('textbox').fill('doome');
      expect(await dialog(page).getByRole('button', { name: 'Delete' }).isDisabled()).toBe(true);
      await page.keyboard.press('Enter');
      expect((await records.tail('doomed'))[0]).toBe(200);
      await dialog(page).getByRole('textbox').fill('doomed');
      await page.keyboard.press('Enter');
      await dialog(page).waitFor({ state: 'detached' });
      await page.getByRole('link', { name: 'doomed' }).waitFor({ state: 'detached' });
      await control.untilGone('GET /streams/doomed', { basin: 'telemetry' });
    });
  },
);

describeScreen(
  'basins on the screen Streams',
  () => server,
  (open) => {
    test('a basin is made, changed and deleted, and of the default one it says what happens', async () => {
      const page = await open('#/streams?view=basins');
      await page.getByRole('button', { name: 'New basin …' }).click();
      await dialog(page).getByLabel('Name', { exact: true }).fill('Bad Name');
      await dialog(page).getByRole('button', { name: 'Create' }).click();
      await dialog(page)
        .getByRole('alert')
        .filter({ hasText: /lower-case letters/ })
        .waitFor();
      await dialog(page).getByLabel('Name', { exact: true }).fill('page-basin');
      await dialog(page).getByRole('button', { name: 'Create' }).click();
      await page.getByRole('link', { name: 'page-basin', exact: true }).click();
      const details = page.getByRole('complementary', { name: 'Basin page-basin' });
      await details.getByText('goes to {service.name}').waitFor();
      await details.getByRole('button', { name: 'Change …' }).click();
      await dialog(page).getByLabel('A write to a missing stream').selectOption('false');
      await dialog(page).getByLabel('Stream of OTLP data that names none').fill('');
      await dialog(page).getByLabel('Keep records for').fill('3d');
      await dialog(page).getByRole('button', { name: 'Save' }).click();
      await details.getByText('is rejected').waitFor();
      const { body } = await control.call('GET /basins/page-basin');
      expect(body).toMatchObject({
        create_stream_on_append: false,
        default_stream_config: { retention_policy: { age: 259_200 } },
      });
      expect(await seriousFindings(page)).toEqual([]);
      await details.getByRole('button', { name: 'Delete …' }).click();
      await dialog(page).getByText('What is sent to it from then on is refused.').waitFor();
      await dialog(page).getByRole('textbox').fill('page-basin');
      await page.keyboard.press('Enter');
      await page.getByRole('link', { name: 'page-basin', exact: true }).waitFor({ state: 'detached' });
      await control.untilGone('GET /basins/page-basin');
      await page.getByRole('link', { name: 'telemetry', exact: true }).click();
      await page.getByRole('complementary').getByRole('button', { name: 'Delete …' }).click();
      await dialog(page)
        .getByText(/default basin: at once a new, empty one gets its name/)
        .waitFor();
    });
  },
);
