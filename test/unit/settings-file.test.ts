/** The configuration file: what it takes, what it refuses with which line, and the JSON Schema of it. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type ConfigInput, fileKey, SETTINGS } from '../../src/config.ts';
import { DOCUMENT_ALIASES_MAX, DOCUMENT_BYTES_MAX } from '../../src/model/limits.ts';
import { initSchema, settingsSchema } from '../../src/settings/json-schema.ts';
import { traceConfig } from '../../src/settings/resolve-config.ts';
import { readSettingsFile, settingsIn } from '../../src/settings/settings-file.ts';
import { parseDocument, readDocument } from '../../src/settings/text-document.ts';

const EXAMPLE = new URL('../../scripts/examples/tailrace.yaml', import.meta.url).pathname;
const FLAGGED = SETTINGS.filter(({ flag }) => flag !== undefined);

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-settings-'));
});

afterAll(() => rmSync(dir, { recursive: true }));

const read = async (text: string, folder = '/etc/tailrace') => settingsIn(await parseDocument('t.yaml', text), folder);

describe('a configuration file', () => {
  test('has a key for each flag, its values in the forms that flags take, and paths of its own folder', async () => {
    const text = `
port: "0"
memory_limit: 64MiB
wire_bytes_max: 1000
shutdown_timeout: 1500ms
no_auth: yes
cors_origin: [https://a.example, https://b.example]
default_stream: ""
data_dir: store
tls_cert: /abs/cert.pem
tls_key: ../key.pem
log_level: warn
`;
    const file = await read(text);
    expect(traceConfig({}, {}, file).config).toMatchObject({
      port: 0,
      grpcPort: 'auto',
      memoryLimit: 2 ** 26,
      wireBytesMax: 1_000,
      shutdownTimeout: 1_500,
      noAuth: true,
      corsOrigin: ['https://a.example', 'https://b.example'],
      defaultStream: '',
      dataDir: '/etc/tailrace/store',
      tlsCert: '/abs/cert.pem',
      tlsKey: '/etc/key.pem',
      logLevel: 'warn',
    });
    expect(file.lines.get('memoryLimit')).toBe(3);
  });

  test('may be empty, hold comments alone, or be JSON', async () => {
    for (const text of ['', '# nothing\n', '{}', '\ufeff# a byte order mark'])
      expect((await read(text)).values).toEqual({});
    expect((await read('{"port": 1, "$schema": "x.json"}')).values).toEqual({ port: 1 });
  });

  test('gives way to variables, and these to flags; of two that exclude each other the higher place counts', async () => {
    const file = await read('port: 1\nhost: a\nlog_level: warn\nroot_token_file: f\ninit: {}\n');
    const { config, origins } = traceConfig({ port: '3' }, { TAILRACE_PORT: '2', TAILRACE_HOST: 'b' }, file);
    expect(config).toMatchObject({ port: 3, host: 'b', logLevel: 'warn', init: {} });
    expect([origins.get('port'), origins.get('host'), origins.get('logLevel'), origins.get('dataDir')]).toEqual([
      { from: 'flag', name: '--port' },
      { from: 'environment', name: 'TAILRACE_HOST' },
      { from: 'file', name: 't.yaml', line: 3 },
      undefined,
    ]);
    const token = traceConfig({ initFile: 'i.json' }, { TAILRACE_ROOT_TOKEN: 'e'.repeat(40) }, file);
    expect(token.config).toMatchObject({ rootToken: 'e'.repeat(40), initFile: 'i.json' });
    expect([token.config.rootTokenFile, token.config.init, token.origins.has('init')]).toEqual([
      undefined,
      undefined,
      false,
    ]);
  });
});

describe('a mistake in a configuration file', () => {
  test.each([
    ['port: "abc"', '1:7: port must be a whole number from 0 to 65535, not "abc" (as --port)'],
    ['port: 65536', '1:7: port must be'],
    ['\nport: 1.5', '2:7: port must be'],
    ['port: [1]', '1:7: port must be a number, or text'],
    ['port:', '1:1: port has no value: give it one, or take the line out'],
    ['host: 5', '1:7: host must be text: put it in quotes, not 5'],
    ['host: ""', '1:7: host must not be empty'],
    ['memory_limit: 5 parsecs', '1:15: memory_limit must be a number of bytes such as 512MiB'],
    ['memory_limit: 99999999999999999999', '1:15: memory_limit must be'],
    ['exchange_ttl: 59s', '1:15: exchange_ttl must be a duration'],
    ['no_auth: maybe', '1:10: no_auth must be true or false, not "maybe"'],
    ['no_auth: {}', '1:10: no_auth must be true or false'],
    ['log_level: loud', '1:12: log_level must be one of fatal, error'],
    ['cors_origin: {a: 1}', '1:14: cors_origin must be text, or a list of texts'],
    ['cors_origin: [nothing]', '1:14: cors_origin takes origins'],
    ['default_basin: No', '1:16: default_basin basin name must be'],
    ['prot: 1', '1:1: unknown key "prot": did you mean `port`?'],
    ['data-dir: x', 'unknown key "data-dir": did you mean `data_dir`?'],
    ['dataDir: x', 'unknown key "dataDir": did you mean `data_dir`?'],
    ['TAILRACE_DATA_DIR: x', 'unknown key "TAILRACE_DATA_DIR": did you mean `data_dir`?'],
    ['zzzzzz: 1', '`tailrace config schema` lists the keys'],
    ['root_token: sesame', '1:1: "root_token": no secret belongs into this file'],
    ['init_file: a\ninit: {}', '1:1: init and init_file are both there'],
    ['init: {basins: [{name: X}]}', '1:24: init: basins[0].name: basin name must be'],
    [
      'init:\n  basins:\n    - name: my-basin\n      config: {foo: 1}',
      '4:15: init: basins[0].config: unknown field `foo`',
    ],
    [
      'init:\n  access_tokens:\n    - id: a\n      scope: {ops: [read]}',
      '3:7: init: access_tokens[0].secret_file: must name the file',
    ],
    ['port: 1\nport: 2', '2:1: "port" is there twice'],
    ['init:\n  basins: []\n  basins: []', '3:3: "basins" is there twice'],
    ['init:\n\tbasins: []', '2:1: a tab indents this line'],
    ['- port', '1:1: here must be settings'],
    ['port', '1:1: here must be settings'],
    ['port: 1\n---\nhost: a', '2:1: a second document begins here'],
    ['host: *nothing', '1:7: this alias has no anchor before it'],
    ['host: !secret x', '1:7: Unresolved tag: !secret'],
    ['[a]: 1', '1:1: this key is not text'],
    ['init: &a {}\n<<: *a', '2:1: merge keys'],
    ['host: "a', '1:9: Missing closing'],
    [`port: ${'['.repeat(50_000)}`, 't.yaml: it is nested too deeply'],
  ])('as %j is refused with the line, the column and what to do', async (text, message) => {
    const refused = read(text);
    await expect(refused).rejects.toMatchObject({ code: 'config' });
    await expect(refused).rejects.toThrow(message);
    // A secret that is in the wrong place is not repeated.
    expect(await refused.catch(String)).not.toContain('sesame');
  });

  test('is one of all, which are in one message, a line for each of the first twenty', async () => {
    const keys = Array.from({ length: 22 }, (_, i) => `wrong_${i}: 1`);
    const lines = await read(keys.join('\n')).catch((error: Error) => error.message.split('\n'));
    expect(lines).toHaveLength(21);
    expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^t\.yaml:20:1: /), 'and 2 more faults']));
  });
});

describe('a file', () => {
  test('is read up to its limits of aliases and bytes, and refused beyond them', async () => {
    const text = (aliases: number) => `init:\n  basins:\n    - &b {name: my-basin}\n${'    - *b\n'.repeat(aliases)}`;
    const value = (await parseDocument('t', text(DOCUMENT_ALIASES_MAX - 1))).value as { init: { basins: unknown[] } };
    expect(value.init.basins).toHaveLength(DOCUMENT_ALIASES_MAX);
    await expect(parseDocument('t', text(DOCUMENT_ALIASES_MAX))).rejects.toThrow('its aliases stand for more than');
    const levels = [
      'a: &a [1, 1]',
      ...[...'bcdefghijklmno'].map((c, i) => `${c}: &${c} [*${'abcdefghijklmno'[i]}, *${'abcdefghijklmno'[i]}]`),
    ];
    await expect(parseDocument('t', levels.join('\n'))).rejects.toThrow('its aliases stand for more than');
    const file = path.join(dir, 'large.yaml');
    writeFileSync(file, '#'.repeat(DOCUMENT_BYTES_MAX));
    expect((await readDocument(file)).value).toBeNull();
    writeFileSync(file, '#'.repeat(DOCUMENT_BYTES_MAX + 1));
    await expect(readDocument(file)).rejects.toThrow('is larger than 16 MiB');
  });

  test('that cannot be read is refused with the reason', async () => {
    await expect(readSettingsFile('/nowhere/t.yaml')).rejects.toThrow(
      '/nowhere/t.yaml cannot be read: there is no such file',
    );
    await expect(readSettingsFile(dir)).rejects.toThrow('it is a directory (EISDIR): name a file');
    const file = path.join(dir, 'utf16.yaml');
    writeFileSync(file, Buffer.from([0xff, 0xfe, 0x61, 0]));
    await expect(readSettingsFile(file)).rejects.toThrow('is not UTF-8');
  });

  test('leaves the relative paths of what it declares below its own folder', async () => {
    const tokens = '[{id: a, scope: {ops: [list-basins]}, secret_file: a.token}]';
    expect((await read(`init: {access_tokens: ${tokens}}`)).values.init).toEqual({
      access_tokens: [{ id: 'a', scope: { ops: ['list-basins'] }, secret_file: '/etc/tailrace/a.token' }],
    });
  });
});

describe('the JSON Schema', () => {
  const ajv = new Ajv2020({ allowUnionTypes: true, strictTypes: false });
  const isValid = ajv.compile(settingsSchema());

  test('has a property for each flag of serve, with what it does and its default, and no other', () => {
    const { properties } = settingsSchema() as {
      properties: Record<string, { description?: string; default?: unknown }>;
    };
    expect(Object.keys(properties).sort()).toEqual(
      ['$schema', 'init', ...FLAGGED.map(({ key }) => fileKey(key))].sort(),
    );
    for (const { key, description, default: standard } of FLAGGED) {
      expect(properties[fileKey(key)]?.description).toContain(description);
      expect(properties[fileKey(key)]?.default).toEqual(standard);
    }
  });

  test('takes what a server takes, and refuses what it refuses by its form', async () => {
    const good: Partial<ConfigInput>[] = [
      { port: 1 },
      { port: '1' },
      { memoryLimit: '64MiB' },
      { noAuth: true },
      { noAuth: 'off' },
    ];
    for (const options of good) {
      const named = Object.fromEntries(Object.entries(options).map(([key, value]) => [fileKey(key), value]));
      expect([named, isValid(named)]).toEqual([named, true]);
      await expect(read(JSON.stringify(named))).resolves.toBeDefined();
    }
    const bad = [
      { port: 'abc' },
      { prot: 1 },
      { no_auth: 'maybe' },
      { log_level: 'loud' },
      { memory_limit: '5 parsecs' },
    ];
    for (const named of [
      ...bad,
      { cors_origin: [1] },
      { host: 5 },
      { init: { basins: [{}] } },
      { init: { more: 1 } },
    ]) {
      expect([named, isValid(named)]).toEqual([named, false]);
      await expect(read(JSON.stringify(named))).rejects.toMatchObject({ code: 'config' });
    }
  });

  test('takes the example, which a server takes too, and which names every key', async () => {
    const { value } = await readDocument(EXAMPLE);
    expect([isValid(value), isValid.errors]).toEqual([true, null]);
    expect(ajv.compile(initSchema())((value as { init: unknown }).init)).toBe(true);
    const settings = await readSettingsFile(EXAMPLE);
    expect(traceConfig({}, {}, settings).config).toMatchObject({ port: 4318, memoryLimit: 2 ** 29 });
    const text = readFileSync(EXAMPLE, 'utf8');
    // A file of its own and what it says inline exclude each other, so that one is in a sentence.
    for (const { key } of FLAGGED) expect(text).toMatch(new RegExp(`^(# )?(.*\`)?${fileKey(key)}:`, 'm'));
    // What is commented out is right as well.
    const all = text.replace(/^# ([a-z_]+:)/gm, '$1').replace(/^# {3}- /gm, '  - ');
    const folder = path.dirname(EXAMPLE);
    expect(settingsIn(await parseDocument('all', all), folder).values).toMatchObject({
      corsOrigin: ['https://app.example'],
    });
  });
});
