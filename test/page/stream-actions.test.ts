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
  'the policy of a basin on the screen Streams',
  () => server,
  (open) => {
    test('limits, rates and an issuer are set, and what the server refuses is said beside the field', async () => {
      await control.call('POST /basins', { body: { basin: 'policy-basin' } });
      const page = await open('#/streams?view=basins&open=policy-basin');
      const details = page.getByRole('complementary', { name: 'Basin policy-basin' });
      await details.getByRole('button', { name: 'Change …' }).click();
      const field = (label: string) => dialog(page).getByLabel(label, { exact: true });
      const refusedAt = async (label: string, reason: RegExp): Promise<void> => {
        await dialog(page).getByRole('button', { name: 'Save' }).click();
        const alert = dialog(page).getByRole('alert').filter({ hasText: reason });
        await alert.waitFor();
        expect(await dialog(page).getByRole('alert').count()).toBe(1);
        expect(await field(label).getAttribute('aria-describedby')).toBe(await alert.getAttribute('id'));
        expect(await field(label).evaluate((input) => input === document.activeElement)).toBe(true);
      };
      await dialog(page).getByText('Limits of OTLP data').click();
      await field('Profile').selectOption('smll');
      await field('Streams of the basin').fill('many');
      await refusedAt('Streams of the basin', /must be a whole number from 1 on/);
      await field('Streams of the basin').fill('50');
      expect(await dialog(page).getByRole('alert').count()).toBe(0);
      await field('Size of a request, as it is sent').fill('none');
      await dialog(page).getByText('Rates of OTLP data').click();
      await field('Data in a second').fill('2MiB');
      await field('Spans in a minute').fill('600');
      await dialog(page).getByText('Outside issuer').click();
      await field('Issuer').fill('http://issuer.example');
      await field('Audience').fill('tailrace');
      await field('URL of its keys').fill('https://issuer.example/jwks');
      await refusedAt('Issuer', /must be an https URL/);
      await field('Issuer').fill('https://issuer.example');
      expect(await seriousFindings(page)).toEqual([]);
      await dialog(page).getByRole('button', { name: 'Save' }).click();
      await details.getByText('https://issuer.example may send, to the audience tailrace').waitFor();
      await details.getByText('those of the profile smll').waitFor();
      const policy = {
        otlp_limits: { profile: 'smll', wire_bytes_max: null, streams_max: 50 },
        otlp_rates: { bytes_per_second: 2_097_152, spans_per_minute: 600 },
        oidc: { issuer: 'https://issuer.example', jwks_uri: 'https://issuer.example/jwks', audience: 'tailrace' },
      };
      expect((await control.call('GET /basins/policy-basin')).body).toMatchObject(policy);
    });

    test('the other rules for OTLP data are changed one by one, and taken back, and the rest stays', async () => {
      const rules = {
        otlp_drop_attributes: ['user.email'],
        otlp_dedupe_window: 600,
        otlp_rates: { spans_per_minute: 9 },
      };
      await control.call('POST /basins', { body: { basin: 'rules-basin', config: rules } });
      const page = await open('#/streams?view=basins&open=rules-basin');
      const details = page.getByRole('complementary', { name: 'Basin rules-basin' });
      await details.getByRole('button', { name: 'Change …' }).click();
      const field = (label: string) => dialog(page).getByLabel(label, { exact: true });
      expect(await field('Repeated requests are stored once within').inputValue()).toBe('10m');
      await field('Attributes that are never stored').fill('user.email, gen_ai.prompt*');
      await field('Resources must have').fill('project.id');
      await field('Repeated requests are stored once within').fill('');
      await field('Items that are larger than 1 MiB, up to').fill('8MiB');
      await field('OTLP data of a service').selectOption('true');
      await field('Spans in a minute').fill('');
      await dialog(page).getByRole('button', { name: 'Save' }).click();
      await details.getByText('user.email, gen_ai.prompt*').waitFor();
      const { body } = await control.call('GET /basins/rules-basin');
      expect(body).toMatchObject({
        otlp_service_routing: true,
        otlp_required_resource_attributes: ['project.id'],
        otlp_drop_attributes: ['user.email', 'gen_ai.prompt*'],
        large_items_max: 8_388_608,
        create_stream_on_append: false,
      });
      for (const gone of ['otlp_dedupe_window', 'otlp_rates', 'otlp_limits']) expect(body).not.toHaveProperty(gone);
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
