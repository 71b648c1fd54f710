/** Init files: s2-lite's form and ours, what is wrong with one, and that applying it is making sure of it. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { applyInitFile } from '../../src/init/apply-init.ts';
import { parseInitFile, readInitFile } from '../../src/init/parse-init.ts';
import { Log } from '../../src/log/log.ts';
import type { Clock } from '../../src/model/clock.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';

const CLOCK: Clock = {
  now: () => 1_795_000_000_000,
  monotonicMs: () => performance.now(),
  timer: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

const FULL = `{
  "$schema": "resources.json",
  "basins": [
    {
      "name": "my-basin",
      "config": {
        "create_stream_on_append": true,
        "create_stream_on_read": false,
        "stream_cipher": "aes-256-gcm",
        "otlp_default_stream": "{service.name}",
        "oidc": { "issuer": "https://issuer.example", "jwks_uri": "https://issuer.example/keys", "audience": "a" },
        "default_stream_config": {
          "storage_class": "express",
          "retention_policy": "7days",
          "timestamping": { "mode": "client-prefer", "uncapped": false },
          "delete_on_empty": { "min_age": "1day" }
        }
      },
      "streams": [
        { "name": "events", "config": { "storage_class": "standard", "retention_policy": "infinite" } },
        { "name": "häfen/1" }
      ]
    },
    { "name": "other-basin", "location": "local" }
  ]
}`;

describe('reading', () => {
  test('everything that s2-lite takes', () => {
    expect(parseInitFile('f', FULL).basins).toEqual([
      {
        name: 'my-basin',
        config: {
          createStreamOnAppend: true,
          createStreamOnRead: false,
          streamCipher: 'aes-256-gcm',
          otlpDefaultStream: '{service.name}',
          oidc: { issuer: 'https://issuer.example', audience: 'a', keys: { uri: 'https://issuer.example/keys' } },
          defaultStream: {
            storageClass: 'express',
            retentionAgeSeconds: 604_800,
            timestampingMode: 'client-prefer',
            timestampingUncapped: false,
            deleteOnEmptyMinAgeSeconds: 86_400,
          },
        },
        json: expect.objectContaining({
          create_stream_on_append: true,
          default_stream_config: expect.objectContaining({
            retention_policy: { age: 604_800 },
            delete_on_empty: { min_age_secs: 86_400 },
          }),
        }),
        hasStreams: true,
        streams: [
          {
            name: 'events',
            config: { storageClass: 'standard', retentionAgeSeconds: undefined },
            json: { storage_class: 'standard', retention_policy: { infinite: {} } },
          },
          { name: 'häfen/1', config: {}, json: {} },
        ],
      },
      { name: 'other-basin', config: expect.any(Object), json: {}, streams: [], hasStreams: false },
    ]);
    expect(parseInitFile('f', '{}').basins).toEqual([]);
  });

  test('the same in YAML as in JSON', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-init-yaml-'));
    const file = path.join(dir, 'init.yaml');
    writeFileSync(file, `# YAML takes JSON too\n${FULL}`);
    expect((await readInitFile(file)).basins).toEqual(parseInitFile(file, FULL).basins);
    writeFileSync(file, 'basins:\n  - name: my-basin\n    streams: [{name: a, config: {retention_policy: 7days}}]\n');
    expect((await readInitFile(file)).basins[0]?.streams).toEqual([
      { name: 'a', config: { retentionAgeSeconds: 604_800 }, json: { retention_policy: { age: 604_800 } } },
    ]);
    rmSync(dir, { recursive: true });
  });

  test('configurations as the API shows them', () => {
    const config = {
      storage_class: null,
      retention_policy: { age: 60 },
      timestamping: { mode: null, uncapped: null },
      delete_on_empty: { min_age_secs: 5 },
      retention_bytes: 1_000,
    };
    const streams = [
      { name: 'a', config },
      { name: 'b', config: { retention_policy: { infinite: {} }, delete_on_empty: null, timestamping: null } },
      { name: 'c', config: { retention_policy: 'Infinite' } },
    ];
    const [basin] = parseInitFile(
      'f',
      JSON.stringify({ basins: [{ name: 'my-basin', config: null, streams }] }),
    ).basins;
    expect(basin?.streams.map((stream) => stream.config)).toEqual([
      { retentionAgeSeconds: 60, deleteOnEmptyMinAgeSeconds: 5, retentionBytes: 1_000 },
      { retentionAgeSeconds: undefined },
      { retentionAgeSeconds: undefined },
    ]);
  });

  test.each([
    ['90s', 90],
    ['1h 30m', 5_400],
    ['1h30m', 5_400],
    ['2weeks', 1_209_600],
    ['1 month', 2_630_016],
    ['1y', 31_557_600],
    ['1000ms', 1],
    ['3600sec', 3_600],
  ])('the duration %s', (text, seconds) => {
    const json = JSON.stringify({
      basins: [{ name: 'my-basin', streams: [{ name: 'a', config: { retention_policy: text } }] }],
    });
    expect(parseInitFile('f', json).basins[0]?.streams[0]?.config.retentionAgeSeconds).toBe(seconds);
  });
});

test('the example in src/settings/README.md is one', () => {
  const readme = readFileSync(new URL('../../src/settings/README.md', import.meta.url), 'utf8');
  const [, example = ''] = /The file of `--init-file`[^`]+```json\n([^`]+)```/.exec(readme) ?? [];
  const [basin] = parseInitFile('src/settings/README.md', example).basins;
  expect(basin).toMatchObject({ name: 'orders-eu', config: { defaultStream: { retentionAgeSeconds: 2_592_000 } } });
});

describe('what is wrong is told with its place', () => {
  test.each([
    ['500ms', /retention_policy: "500ms" is not a duration of whole seconds: write it as "7days"/],
    ['7 dayz', /basins\[0\]\.streams\[0\]\.config\.retention_policy: "7 dayz" is not a duration/],
    ['', /retention_policy/],
    [7, /retention_policy: must be a duration such as "7days", "infinite", \{"age": seconds\}/],
    ['0s', /basins\[0\]\.streams\[0\]\.config: age must be greater than 0 seconds/],
  ])('the retention policy %p', (policy, message) => {
    const config = { retention_policy: policy };
    refuses({ basins: [{ name: 'my-basin', streams: [{ name: 'a', config }] }] }, message);
  });

  test('names', () => {
    refuses({ basins: [{ name: 'SHORT' }] }, /basins\[0\]\.name: basin name must be 8 to 48 bytes long/);
    refuses({ basins: [{ name: 'my-basin', streams: [{ name: '' }] }] }, /basins\[0\]\.streams\[0\]\.name: .* empty/);
    refuses({ basins: [{ name: 'my-basin' }, { name: 'my-basin' }] }, /basins\[1\]\.name: "my-basin" is there twice/);
    const twice = [{ name: 'a' }, { name: 'b' }, { name: 'a' }];
    refuses({ basins: [{ name: 'my-basin', streams: twice }] }, /basins\[0\]\.streams\[2\]\.name: "a" is there twice/);
    refuses({ basins: [{}] }, /basins\[0\]\.name: /);
  });

  test('fields that do not exist', () => {
    refuses({ basin: [] }, /the file: unknown field `basin`: take it out, or correct its name/);
    refuses({ basins: [{ name: 'my-basin', stream: [] }] }, /basins\[0\]: unknown field `stream`/);
    const config = { retention: '7d' };
    refuses({ basins: [{ name: 'my-basin', config }] }, /basins\[0\]\.config: unknown field `retention`/);
    refuses({ tokens: [] }, /the file: unknown field `tokens`/);
  });

  test('values', () => {
    const config = { default_stream_config: { storage_class: 'glacial' } };
    refuses({ basins: [{ name: 'my-basin', config }] }, /basins\[0\]\.config: .*storage/i);
    refuses({ basins: [{ name: 'my-basin', config: { stream_cipher: 'rot13' } }] }, /basins\[0\]\.config: .*aegis-256/);
    refuses({ basins: [{ name: 'my-basin', location: 'aws:us-east-1' }] }, /location: must be "local"/);
    refuses({ basins: {} }, /basins: /);
    refuses([], /the file: /);
  });

  test('all of it in one message', () => {
    const basins = [{ name: 'X' }, { name: 'my-basin', streams: [{ name: '' }, { name: '..' }] }];
    refuses({ basins }, /basins\[0\]\.name.*basins\[1\]\.streams\[0\]\.name.*basins\[1\]\.streams\[1\]\.name/);
  });

  test('text that is no JSON, with the line', () => {
    expect(() => parseInitFile('/etc/init.json', '{\n  "basins": []\n  "more": 1\n}')).toThrow(
      /^the init file \/etc\/init\.json \(--init-file\): .*\(line 3, column 3\)$/,
    );
    expect(() => parseInitFile('f', '{\n\n}}')).toThrow(/^the init file f \(--init-file\): SyntaxError: .+$/);
  });

  test('YAML that is wrong, with the line, and YAML with a mistake, with its place', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-init-yaml-'));
    const file = path.join(dir, 'init.yaml');
    writeFileSync(file, 'basins:\n\t- name: my-basin\n');
    await expect(readInitFile(file)).rejects.toThrow('init.yaml (--init-file):2:1: a tab indents this line');
    writeFileSync(file, 'basins:\n  - name: X\n');
    await expect(readInitFile(file)).rejects.toThrow('init.yaml (--init-file): basins[0].name: basin name must be');
    rmSync(dir, { recursive: true });
  });

  test('a file that is not there', async () => {
    await expect(readInitFile('/nowhere/init.json')).rejects.toMatchObject({ code: 'config' });
    await expect(readInitFile('/nowhere/init.json')).rejects.toThrow(
      /\/nowhere\/init\.json .*cannot be read: .*ENOENT/,
    );
  });
});

describe('applying', () => {
  let engine: Engine;
  let log: Log;
  let dir: string;

  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'tailrace-init-'));
    engine = openMemoryEngine();
    log = await Log.open(engine, { clock: CLOCK, onFatal: () => {} });
  });

  afterEach(async () => {
    await log.close();
    await engine.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test('makes what is missing, then changes nothing, then only what the file changed', async () => {
    const file = path.join(dir, 'init.json');
    writeFileSync(file, FULL);
    expect(await applyInitFile(await readInitFile(file), log, CLOCK)).toEqual({ created: 4, updated: 0, unchanged: 0 });
    expect(await applyInitFile(await readInitFile(file), log, CLOCK)).toEqual({ created: 0, updated: 0, unchanged: 4 });
    writeFileSync(file, FULL.replace('"infinite"', '"2days"').replace('"other-basin"', '"third-basin"'));
    expect(await applyInitFile(await readInitFile(file), log, CLOCK)).toEqual({ created: 1, updated: 1, unchanged: 2 });
    const basin = log.basin('my-basin');
    if (basin === undefined) throw new Error('no basin');
    expect((await log.getStream(basin, 'events')).config).toMatchObject({ retentionAgeSeconds: 172_800 });
    expect((await log.getStream(basin, 'häfen/1')).config).toMatchObject({ retentionAgeSeconds: 604_800 });
    expect((await log.getStream(basin, 'events')).cipher).toBe('aes-256-gcm');
    expect(log.listBasins().map(({ name }) => name)).toEqual(['my-basin', 'other-basin', 'third-basin']);
  });

  test('what the file does not name stays', async () => {
    const { it: basin } = await log.createBasin('my-basin', { otlpDefaultStream: 'mine' });
    await log.createStream(basin, 'kept', { retentionBytes: 5 });
    await applyInitFile(parseInitFile('f', '{"basins":[{"name":"my-basin","streams":[{"name":"new"}]}]}'), log, CLOCK);
    expect(log.basin('my-basin')?.config.otlpDefaultStream).toBe('mine');
    expect((await log.getStream(basin, 'kept')).config.retentionBytes).toBe(5);
  });

  test('many streams are made together', async () => {
    const streams = Array.from({ length: 1_200 }, (_, i) => ({ name: `s${i}` }));
    const spec = parseInitFile('f', JSON.stringify({ basins: [{ name: 'my-basin', streams }] }));
    expect(await applyInitFile(spec, log, CLOCK)).toEqual({ created: 1_201, updated: 0, unchanged: 0 });
    expect(await log.countStreams()).toBe(1_200);
  });

  test('a basin and a stream that are being deleted are waited for, and made anew', async () => {
    const { it: basin } = await log.createBasin('my-basin', {});
    await log.createStream(basin, 'a', {});
    const other = (await log.createBasin('other-basin', {})).it;
    await log.createStream(other, 'b', {});
    await log.deleteBasin('my-basin');
    await log.deleteStream(other, 'b');
    const json =
      '{"basins":[{"name":"my-basin","streams":[{"name":"c"}]},{"name":"other-basin","streams":[{"name":"b"}]}]}';
    expect((await applyInitFile(parseInitFile('f', json), log, CLOCK)).created).toBe(3);
    const made = log.basin('my-basin');
    expect(made?.number).not.toBe(basin.number);
    expect(made?.deletedAt).toBeUndefined();
  });
});

function refuses(spec: unknown, message: RegExp): void {
  const parse = () => parseInitFile('f.json', JSON.stringify(spec));
  expect(parse).toThrow(message);
  expect(parse).toThrow(expect.objectContaining({ code: 'config' }));
}
