/** Basins and streams by the command line, against a real server: what is printed, and the exit codes. */

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });
const json = (result: CliResult): unknown[] =>
  result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

describe('basins', () => {
  test('are created once, shown, changed in part, replaced, and deleted', async () => {
    const flags = ['--create-stream-on-append', '--retention-policy', '30d', '--timestamping-uncapped', 'true'];
    const made = await run('basins', 'create', 's2://orders-eu', ...flags);
    expect(made).toEqual({ code: 0, stdout: 'created s2://orders-eu\n', stderr: '' });
    expect(json(await run('basins', 'get', 'orders-eu', '--json'))).toMatchObject([
      {
        create_stream_on_append: true,
        create_stream_on_read: false,
        stream_cipher: null,
        default_stream_config: {
          storage_class: 'express',
          retention_policy: { age: 2_592_000 },
          timestamping: { uncapped: true },
        },
      },
    ]);
    const patched = await run(
      ...['basins', 'reconfigure', 'orders-eu', '--no-create-stream-on-append', '--unset', 'retention-policy'],
      ...['--stream-cipher', 'aes-256-gcm', '--delete-on-empty-min-age', '90m'],
    );
    expect(patched).toMatchObject({ code: 0, stderr: '' });
    expect(patched.stdout.split('\n')).toEqual(
      expect.arrayContaining([
        'create-stream-on-append  false',
        'stream-cipher            aes-256-gcm',
        'retention-policy         not set',
        'timestamping-uncapped    true',
        'delete-on-empty-min-age  1h30m',
      ]),
    );
    expect((await run('basins', 'ensure', 'orders-eu')).stdout).toBe('updated s2://orders-eu\n');
    expect((await run('basins', 'ensure', 'orders-eu')).stdout).toBe('unchanged s2://orders-eu\n');
    expect(json(await run('basins', 'get', 'orders-eu', '--json'))).toMatchObject([{ stream_cipher: null }]);
    expect(await run('basins', 'delete', 'orders-eu')).toMatchObject({ code: 0, stdout: 'deleting s2://orders-eu\n' });
  });

  test('are reported with --json by one word for what was done', async () => {
    const base = { basin: 'json-basin', created_at: TIME, deleted_at: null };
    expect(json(await run('basins', 'create', 'json-basin', '--json'))).toEqual([{ ...base, result: 'created' }]);
    expect(json(await run('basins', 'ensure', 'json-basin', '--json'))).toEqual([{ ...base, result: 'noop' }]);
    const deleted = await run('basins', 'delete', 'json-basin', '--json');
    expect(json(deleted)).toEqual([{ basin: 'json-basin', result: 'deleting' }]);
  });

  test('are listed in order, from a name on, with a prefix, up to a limit', async () => {
    for (const name of ['listed-a', 'listed-b', 'listed-c']) await run('basins', 'create', name);
    const names = async (...args: string[]) =>
      json(await run('basins', 'list', '--json', ...args)).map((row) => (row as { name: string }).name);
    expect(await names('-p', 'listed-')).toEqual(['listed-a', 'listed-b', 'listed-c']);
    expect(await names('--prefix', 'listed-', '--start-after', 'listed-a')).toEqual(['listed-b', 'listed-c']);
    expect(await names('-s', 'listed-a', '-n', '1')).toEqual(['listed-b']);
    const text = await run('basins', 'list', '-p', 'listed-c');
    expect(text.stdout).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z {2}s2:\/\/listed-c\n$/);
  });
});

describe('outside issuers', () => {
  test('are trusted by a basin, with keys at a URL or from a file, until that is removed', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'tailrace-cli-oidc-'));
    const file = join(dir, 'jwks.json');
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const issuer = ['--oidc-issuer', 'https://issuer.example', '--oidc-audience', 'tailrace'];
    const shown = async () => json(await run('basins', 'get', 'trusting-eu', '--json'))[0];
    const at = await run('basins', 'create', 'trusting-eu', ...issuer, '--oidc-jwks-uri', 'https://issuer.example/k');
    expect(at).toMatchObject({ code: 0, stderr: '' });
    const oidc = { issuer: 'https://issuer.example', audience: 'tailrace' };
    expect(await shown()).toMatchObject({ oidc: { ...oidc, jwks_uri: 'https://issuer.example/k' } });
    const jwks = { keys: [publicKey.export({ format: 'jwk' })] };
    await writeFile(file, JSON.stringify(jwks));
    const change = (...flags: string[]) => run('basins', 'reconfigure', 'trusting-eu', ...flags);
    expect((await change(...issuer, '--oidc-jwks-file', file)).stdout).toContain('kept here');
    expect(await shown()).toMatchObject({ oidc: { ...oidc, jwks } });
    const both = await change(...issuer, '--oidc-jwks-file', file, '--oidc-jwks-uri', 'https://issuer.example/k');
    expect(both.code).toBe(2);
    await writeFile(file, JSON.stringify({ keys: [privateKey.export({ format: 'jwk' })] }));
    const secret = await change(...issuer, '--oidc-jwks-file', file);
    expect(secret).toMatchObject({ stdout: '', stderr: expect.stringMatching(/secret/) });
    expect(secret.code).not.toBe(0);
    const none = await change(...issuer, '--oidc-jwks-file', join(dir, 'missing.json'));
    expect(none).toMatchObject({ code: 2, stderr: expect.stringMatching(/missing\.json/) });
    expect((await change('--unset', 'oidc')).stdout).toMatch(/^oidc +none$/m);
    await rm(dir, { recursive: true });
  });

  test('are trusted as src/access/README.md describes for a Kubernetes cluster', async () => {
    const readme = readFileSync(new URL('../../src/access/README.md', import.meta.url), 'utf8');
    const block = /\n## Outside issuers\n[\s\S]*?```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? 'false';
    const jwks = JSON.stringify({ keys: [generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })] });
    const dir = await mkdtemp(join(tmpdir(), 'tailrace-cli-oidc-'));
    const outside = `set -e; npx() { shift; tailrace "$@"; }; kubectl() { echo '${jwks}'; }`;
    expect(await runShell(`${outside}; ${block}`, { server, cwd: dir })).toMatchObject({ code: 0, stderr: '' });
    const [{ oidc }] = json(await run('basins', 'get', 'cluster-one', '--json')) as [{ oidc: object }];
    expect(oidc).toMatchObject({ audience: 'tailrace', jwks: JSON.parse(jwks) });
    await rm(dir, { recursive: true });
  });
});

describe('streams', () => {
  test('are created once, shown, changed in part, replaced, and deleted', async () => {
    const flags = ['--retention-age', '12h', '--retention-bytes', '10MiB', '--timestamping-mode', 'client-require'];
    expect(await run('streams', 'create', 'a/b', ...flags)).toEqual({
      code: 0,
      stdout: 'created s2://telemetry/a/b\n',
      stderr: '',
    });
    expect(json(await run('streams', 'get', 's2://telemetry/a/b', '--json'))).toEqual([
      {
        storage_class: 'express',
        retention_policy: { age: 43_200 },
        retention_bytes: 10_485_760,
        timestamping: { mode: 'client-require', uncapped: false },
        delete_on_empty: { min_age_secs: 0 },
      },
    ]);
    const unset = 'timestamping-mode, retention-bytes';
    const patch = ['--retention-policy', 'infinite', '--storage-class', 'standard', '--unset', unset];
    expect((await run('streams', 'reconfigure', 'a/b', ...patch)).stdout).toBe(
      [
        'storage-class            standard',
        'retention-policy         infinite',
        'retention-bytes          no bound',
        'timestamping-mode        client-prefer',
        'timestamping-uncapped    false',
        'delete-on-empty-min-age  off',
        '',
      ].join('\n'),
    );
    const ensured = json(await run('streams', 'ensure', 'a/b', '--json'));
    const entry = { basin: 'telemetry', stream: 'a/b', created_at: TIME, deleted_at: null, cipher: null };
    expect(ensured).toEqual([{ ...entry, result: 'updated' }]);
    expect((await run('streams', 'get', 'a/b')).stdout).toContain('retention-policy         7d');
    expect(await run('streams', 'delete', 'a/b')).toMatchObject({ code: 0, stdout: 'deleting s2://telemetry/a/b\n' });
  });

  test('are listed with their tail and config', async () => {
    await run('basins', 'create', 'sealed-eu', '--cipher', 'aes-256-gcm');
    for (const name of ['x/1', 'x/2', 'y']) await run('streams', 'create', `s2://sealed-eu/${name}`);
    const entry = { basin: 'sealed-eu', created_at: TIME, deleted_at: null, cipher: 'aes-256-gcm' };
    const listed = [
      { ...entry, stream: 'x/1' },
      { ...entry, stream: 'x/2' },
    ];
    expect(json(await run('streams', 'list', 's2://sealed-eu/x/', '--json'))).toEqual(listed);
    expect(json(await run('streams', 'list', 'sealed-eu', '-p', 'x', '-s', 'x/1', '--json'))).toEqual([listed[1]]);
    expect((await run('streams', 'list', 's2://sealed-eu/y')).stdout).toMatch(/Z {2}s2:\/\/sealed-eu\/y\n$/);
  });

  test('are listed completely over several pages, and a reader may stop early', async () => {
    await run('basins', 'create', 'many-streams', '--create-stream-on-append');
    const { url, token } = server;
    const headers = { authorization: `Bearer ${token}`, 's2-basin': 'many-streams' };
    const names = Array.from({ length: 1_001 }, (_, index) => `s${String(index).padStart(4, '0')}`);
    await Promise.all(names.map((name) => fetch(`${url}/v1/streams/${name}`, { method: 'PUT', headers })));
    const listed = json(await run('streams', 'list', 'many-streams', '--json'));
    expect(listed.map((row) => (row as { stream: string }).stream)).toEqual(names);
    const cut = await runShell('tailrace streams list many-streams | head -1', { server });
    expect(cut).toMatchObject({ code: 0, stderr: '' });
  });
});
