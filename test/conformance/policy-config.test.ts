/** The OTLP policy of a basin as configuration: over the API, in the init file, on the command line, over restarts. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { ControlClient } from '../support/control-calls.ts';
import { failToStart, startServer, type TestServer } from '../support/server.ts';

const POLICY = {
  otlp_default_stream: '{service.name}',
  otlp_service_routing: true,
  otlp_required_resource_attributes: ['project.id'],
  otlp_limits: { profile: 'smll', streams_max: 100, record_attributes_max: null },
  otlp_rates: { bytes_per_second: 1_000_000, burst_bytes: 2_000_000, spans_per_minute: null },
  otlp_dedupe_window: 60,
  otlp_drop_attributes: ['gen_ai.prompt', 'http.request.header.*'],
  large_items_max: 2_097_152,
};
const NOTHING = Object.fromEntries(Object.keys(POLICY).map((field) => [field, null]));
const FIELDS = Object.keys(POLICY).filter((field) => field !== 'otlp_default_stream');

let dir: string;
let server: TestServer;
let s2: ControlClient;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-policy-'));
  const file = path.join(dir, 'init.json');
  writeFileSync(file, JSON.stringify({ basins: [{ name: 'from-file', config: POLICY }] }));
  await start(file);
});

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(file: string): Promise<void> {
  server = await startServer({ dataDir: path.join(dir, 'data'), args: ['--init-file', file] });
  s2 = new ControlClient(server);
}

describe('the policy of a basin', () => {
  test('that is created with it is shown, and stays over a restart, like that of the init file', async () => {
    expect(await s2.call('POST /basins', { body: { basin: 'from-api', config: POLICY } })).toMatchObject({
      status: 201,
    });
    expect((await s2.call('GET /basins/from-api')).body).toMatchObject(POLICY);
    await server.kill();
    await start(path.join(dir, 'init.json'));
    for (const basin of ['from-api', 'from-file']) {
      const { body } = await s2.call(`GET /basins/${basin}`);
      expect(body).toMatchObject(POLICY);
      expect((await s2.call(`PUT /basins/${basin}`, { body: { config: body } })).result).toBe('noop');
    }
  });

  test('changes by the field, stays for a client that does not know it, and null takes a field back', async () => {
    await s2.call('PUT /basins/changing', { body: { config: POLICY } });
    await s2.call('PUT /basins/changing', { body: { config: { create_stream_on_append: true } } });
    expect((await s2.call('GET /basins/changing')).body).toMatchObject(POLICY);
    const patched = { otlp_limits: { streams_max: 7 }, otlp_dedupe_window: null };
    const { body } = await s2.call('PATCH /basins/changing', { body: patched });
    const { otlp_dedupe_window: _, ...kept } = POLICY;
    expect(body).toMatchObject({ ...kept, otlp_limits: { streams_max: 7 } });
    expect((body as { otlp_limits: unknown }).otlp_limits).toEqual({ streams_max: 7 });
    expect(body).not.toHaveProperty('otlp_dedupe_window');
    const cleared = (await s2.call('PATCH /basins/changing', { body: NOTHING })).body as object;
    expect(cleared).toMatchObject({ otlp_default_stream: '', create_stream_on_append: true });
    expect(Object.keys(cleared).filter((field) => FIELDS.includes(field))).toEqual([]);
  });

  test('of a created basin is the default where a field is null or absent', async () => {
    await s2.call('POST /basins', { body: { basin: 'of-nulls', config: NOTHING } });
    await s2.call('POST /basins', { body: { basin: 'of-nothing' } });
    expect((await s2.call('GET /basins/of-nulls')).body).toEqual((await s2.call('GET /basins/of-nothing')).body);
  });
});

describe('a policy', () => {
  test.each([
    ['an unknown field', { otlp_dedup_window: 5 }, '`otlp_dedup_window`'],
    ['large items that S2 takes', { large_items_max: 1_048_576 }, 'large_items_max'],
    ['items that are too large', { large_items_max: 16_777_217 }, 'large_items_max'],
    ['half a large item', { large_items_max: 2_000_000.5 }, 'large_items_max'],
    ['an unknown limit', { otlp_limits: { records_max: 5 } }, 'otlp_limits'],
    ['an unknown rate', { otlp_rates: { bits_per_second: 5 } }, 'otlp_rates'],
    ['a limit of nothing', { otlp_limits: { streams_max: 0 } }, 'otlp_limits.streams_max'],
    ['half a byte', { otlp_rates: { bytes_per_second: 1.5 } }, 'otlp_rates.bytes_per_second'],
    ['a window that is too long', { otlp_dedupe_window: 86_401 }, 'otlp_dedupe_window'],
    ['a window before now', { otlp_dedupe_window: -1 }, 'otlp_dedupe_window'],
    ['an asterisk in the middle', { otlp_drop_attributes: ['a*b'] }, 'otlp_drop_attributes.0'],
    ['a key without text', { otlp_drop_attributes: [''] }, 'otlp_drop_attributes.0'],
    ['too many keys', { otlp_drop_attributes: keys(129) }, 'otlp_drop_attributes'],
    ['a key that is too long', { otlp_required_resource_attributes: ['k'.repeat(257)] }, 'otlp_required'],
    ['a text for a flag', { otlp_service_routing: 'yes' }, 'otlp_service_routing'],
  ])('is refused whole with %s, in each call', async (_, fields, named) => {
    const config = { ...POLICY, ...fields };
    for (const [target, body] of [
      ['POST /basins', { basin: 'refused-basin', config }],
      ['PUT /basins/refused-basin', { config }],
      ['PATCH /basins/from-api', config],
    ] as const) {
      const { status, body: answer } = await s2.call(target, { body });
      expect([target, status]).toEqual([target, 400]);
      expect((answer as { message: string }).message).toContain(named);
    }
    expect((await s2.call('GET /basins/from-api')).body).toMatchObject(POLICY);
    expect((await s2.call('GET /basins/refused-basin')).status).toBe(404);
  });

  test('takes the largest values that are allowed, and an unknown profile is refused with the known ones', async () => {
    const most = {
      otlp_dedupe_window: 86_400,
      otlp_drop_attributes: keys(128),
      otlp_required_resource_attributes: ['k'.repeat(256)],
      large_items_max: 16_777_216,
    };
    expect(await s2.call('PUT /basins/largest-policy', { body: { config: most } })).toMatchObject({ status: 201 });
    expect((await s2.call('GET /basins/largest-policy')).body).toMatchObject(most);
    expect(
      (await s2.call('PATCH /basins/largest-policy', { body: { large_items_max: 1_048_577 } })).body,
    ).toMatchObject({
      large_items_max: 1_048_577,
    });
    const { status, body } = await s2.call('PATCH /basins/largest-policy', {
      body: { otlp_limits: { profile: 'smal' } },
    });
    expect([status, (body as { message: string }).message]).toEqual([
      422,
      'unknown limit profile "smal": there are smll, activitylog-free, activitylog-pro, activitylog-enterprise, frametail-standard, frametail-pro',
    ]);
  });

  test('beside the configuration, or in that of a stream, is refused, while other unknown fields are ignored', async () => {
    const beside = { basin: 'beside-it', config: {}, otlp_dedupe_window: 5 };
    expect(await s2.refusal('POST /basins', { body: beside })).toBe('400 bad_json');
    expect(await s2.refusal('PUT /basins/beside-it', { body: { otlp_dedupe_window: 5 } })).toBe('400 bad_json');
    const basin = 'from-api';
    expect(await s2.refusal('PUT /streams/one', { basin, body: { otlp_dedupe_window: 5 } })).toBe('400 bad_json');
    const body = { basin: 'beside-it', later: 1, config: { later: 1, default_stream_config: { later: 1 } } };
    expect((await s2.call('POST /basins', { body })).status).toBe(201);
  });
});

describe('the policy outside the API', () => {
  test('in the init file is checked like that of the API, and stops the start', async () => {
    for (const [config, named] of [
      [{ otlp_dedup_window: 5 }, 'unknown field `otlp_dedup_window`'],
      [{ otlp_dedupe_window: 86_401 }, 'must be at most 86400 seconds'],
      [{ otlp_limits: { profile: 'smal' } }, 'unknown limit profile'],
    ] as const) {
      const file = path.join(dir, 'wrong.json');
      writeFileSync(file, JSON.stringify({ basins: [{ name: 'wrong-one', config }] }));
      const failed = await failToStart({ dataDir: path.join(dir, 'none'), args: ['--init-file', file] });
      expect(failed.stderr).toContain(named);
    }
  });

  test('is set, shown and taken back on the command line', async () => {
    const asked = [
      ...[
        '--otlp-default-stream',
        '{service.name}',
        '--otlp-service-routing',
        '--otlp-required-attribute',
        'project.id',
      ],
      ...['--otlp-limits', 'profile=smll,streams_max=100,record_attributes_max=none', '--otlp-dedupe-window', '1m'],
      ...['--otlp-rates', 'bytes_per_second=1MB,burst_bytes=2MB,spans_per_minute=none'],
      ...['--otlp-drop-attribute', 'gen_ai.prompt', '--otlp-drop-attribute', 'http.request.header.*'],
      ...['--large-items-max', '2MiB'],
    ];
    await cli('basins', 'create', 'from-line', ...asked);
    expect(JSON.parse(await cli('basins', 'get', 'from-line', '--json'))).toMatchObject(POLICY);
    const shown = await cli('basins', 'get', 'from-line');
    expect(shown).toMatch(/otlp-limits +profile=smll, streams_max=100, record_attributes_max=none/);
    expect(shown).toMatch(/otlp-dedupe-window +1m/);
    expect(shown).toMatch(/large-items-max +2.0 MiB/);
    const unset = FIELDS.map((field) => field.replaceAll('_', '-'))
      .map((leaf) => (leaf.startsWith('otlp-required') ? 'otlp-required-attribute' : leaf))
      .map((leaf) => leaf.replace('attributes', 'attribute'));
    await cli('basins', 'reconfigure', 'from-line', '--unset', unset.join(','));
    expect(await cli('basins', 'get', 'from-line')).not.toMatch(
      /otlp-(service|required|limits|rates|dedupe|drop)|large/,
    );
  });
});

function keys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `key-${i}`);
}

async function cli(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args, { server });
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}
