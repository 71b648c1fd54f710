/** Access tokens of init files: how they are declared, what is wrong with one, and that applying them is making sure of them. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Token } from '../../src/access/grant.ts';
import { hashToken } from '../../src/access/tokens/credential.ts';
import { tokenStore } from '../../src/access/tokens/stores.ts';
import { TokenTable } from '../../src/access/tokens/token-table.ts';
import { applyInitTokens } from '../../src/init/init-tokens.ts';
import { parseInitFile } from '../../src/init/parse-init.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { AuditSubject } from '../../src/observe/audit.ts';
import { SILENT } from '../../src/observe/logger.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { TestClock } from '../support/log-harness.ts';

const SECRET = 's'.repeat(32);
const OTHER = 'o'.repeat(1_024);
const NOTHING = { created: 0, replaced: 0, rotated: 0, unchanged: 0, expired: 0 };
const SHIPPER = {
  id: 'shipper',
  scope: { basins: { exact: 'orders-eu' }, streams: { prefix: 'eu/' }, ops: ['append', 'read', 'append'] },
  auto_prefix_streams: true,
  resource_attributes: { 'b.b': '2', 'a.a': '1' },
  limits: { profile: 'frametail-pro' },
  prefix: 'acme',
  secret_file: 'shipper.token',
};

let dir: string;
let engine: Engine;
let clock: TestClock;
let ended: Token[];

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-init-tokens-'));
  engine = openMemoryEngine();
  clock = new TestClock();
  ended = [];
});

afterEach(async () => {
  await engine.close();
  rmSync(dir, { recursive: true, force: true });
});

function at(name: string): string {
  return path.join(dir, name);
}

function specOf(...tokens: readonly object[]) {
  return parseInitFile(at('init.json'), JSON.stringify({ access_tokens: tokens }));
}

/** As at a start: what was stored is read, and then made sure of. */
async function start(tokens: readonly object[], roots: readonly string[] = []) {
  const store = tokenStore(engine, (rows) => engine.commit(rows));
  const table = await TokenTable.load(store, clock, (token) => ended.push(token));
  const actions: (readonly [string, string | undefined])[] = [];
  const audit = { write: ({ action, tokenId }: AuditSubject) => void actions.push([action, tokenId]) };
  const context = { table, rootHashes: roots.map(hashToken), audit, logger: SILENT };
  const outcome = await applyInitTokens(specOf(...tokens), context);
  return { table, outcome, actions };
}

describe('declaring', () => {
  test('a token is read as the API reads it, and its file lies beside the init file', () => {
    const [token, absolute] = specOf(SHIPPER, { ...SHIPPER, id: 'b', secret_file: '/run/secrets/b' }).tokens;
    expect(token).toMatchObject({
      place: 'access_tokens[0] (shipper)',
      secretFile: at('shipper.token'),
      request: { id: 'shipper', autoPrefixStreams: true, limits: { spansPerMinute: 10_000 }, prefix: 'acme' },
    });
    expect(absolute?.secretFile).toBe('/run/secrets/b');
    expect(parseInitFile('f', '{}').tokens).toEqual([]);
  });

  test.each<[string, object, RegExp]>([
    [
      'an inline secret',
      { secret: SECRET },
      /access_tokens\[0\]\.secret: no secret belongs into this file.*`secret_file`/,
    ],
    ['a token', { access_token: SECRET }, /access_tokens\[0\]\.access_token: no secret belongs into this file/],
    ['no secret file', { secret_file: undefined }, /access_tokens\[0\]\.secret_file: must name the file/],
    ['a field that is not there', { scopes: {} }, /access_tokens\[0\]: unknown field `scopes`/],
    ['one in the scope', { scope: { basin: {} } }, /access_tokens\[0\]\.scope: unknown field `basin`/],
    ['no operation', { scope: {} }, /access_tokens\[0\] \(shipper\): Access token permissions cannot be empty/],
    ['an operation that is not there', { scope: { ops: ['fly'] } }, /access_tokens\[0\] \(shipper\): `scope\.ops\.0`/],
    ['the id of the root token', { id: 'root' }, /access_tokens\[0\] \(root\): .*root token/],
    [
      'a time that is none',
      { expires_at: 'soon' },
      /access_tokens\[0\] \(shipper\): `expires_at`: must be a time such as/,
    ],
    ['a prefix on nothing', { scope: { ops: ['read'] } }, /access_tokens\[0\] \(shipper\): Auto prefixing/],
  ])('%s is refused with its place', (_name, change, message) => {
    expect(() => specOf({ ...SHIPPER, ...change })).toThrow(message);
    expect(() => specOf({ ...SHIPPER, ...change })).not.toThrow(SECRET);
  });

  test('two of one id, and two of one file', () => {
    expect(() => specOf(SHIPPER, { ...SHIPPER, secret_file: 'b' })).toThrow(
      /access_tokens\[1\] \(shipper\)\.id: it is there twice/,
    );
    const same = { ...SHIPPER, id: 'b', secret_file: './x/../shipper.token' };
    expect(() => specOf(SHIPPER, same)).toThrow(/access_tokens\[1\] \(b\)\.secret_file: another token has that file/);
  });

  test('the example in src/settings/README.md has one', () => {
    const readme = readFileSync(new URL('../../src/settings/README.md', import.meta.url), 'utf8');
    const [, example = ''] = /The file of `--init-file`[^`]+```json\n([^`]+)```/.exec(readme) ?? [];
    expect(parseInitFile('src/settings/README.md', example).tokens).toHaveLength(1);
  });
});

describe('applying', () => {
  test('a secret that is missing is made, for its owner alone, and stays', async () => {
    const first = await start([SHIPPER]);
    expect(first.outcome).toEqual({ ...NOTHING, created: 1 });
    expect(first.actions).toEqual([['issue-access-token', 'shipper']]);
    const secret = readFileSync(at('shipper.token'), 'utf8');
    expect(secret).toMatch(/^acme_[0-9a-f]{48}\n$/);
    expect(statSync(at('shipper.token')).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(['shipper.token']);
    const token = first.table.find(hashToken(secret.trim()))?.token;
    expect(token).toMatchObject({ id: 'shipper', number: 1, rotation: 0, autoPrefix: 'eu/' });
    const second = await start([{ ...SHIPPER, scope: { ...SHIPPER.scope, ops: ['read', 'append'] } }]);
    expect(second.outcome).toEqual({ ...NOTHING, unchanged: 1 });
    expect(second.actions).toEqual([]);
    expect(second.table.find(hashToken(secret.trim()))?.token).toMatchObject({ number: 1, rotation: 0 });
    expect([ended, readFileSync(at('shipper.token'), 'utf8')]).toEqual([[], secret]);
  });

  test('another secret rotates the token, another definition replaces it, and the old one is void', async () => {
    writeFileSync(at('shipper.token'), ` ${SECRET}\n`);
    await start([SHIPPER]);
    writeFileSync(at('shipper.token'), OTHER);
    const rotated = await start([SHIPPER]);
    expect(rotated.outcome).toEqual({ ...NOTHING, rotated: 1 });
    expect(rotated.actions).toEqual([['rotate-access-token', 'shipper']]);
    expect(rotated.table.find(hashToken(SECRET))).toBeUndefined();
    expect(rotated.table.find(hashToken(OTHER))?.token).toMatchObject({ number: 1, rotation: 1 });
    const changed = { ...SHIPPER, resource_attributes: { 'a.a': '1' } };
    const replaced = await start([changed]);
    expect(replaced.outcome).toEqual({ ...NOTHING, replaced: 1 });
    expect(replaced.table.find(hashToken(OTHER))?.token).toMatchObject({ number: 2, rotation: 0 });
    expect(ended.map(({ number, rotation }) => [number, rotation])).toEqual([
      [1, 0],
      [1, 1],
    ]);
    // It is on disk as well, under the same secret.
    expect((await start([changed])).outcome).toEqual({ ...NOTHING, unchanged: 1 });
  });

  test('a token that was revoked comes back as another one, and one that is not declared stays', async () => {
    writeFileSync(at('shipper.token'), SECRET);
    const { table } = await start([SHIPPER]);
    await table.revoke('shipper');
    const again = await start([SHIPPER]);
    expect(again.outcome).toEqual({ ...NOTHING, created: 1 });
    expect(again.table.get('shipper').number).toBe(2);
    expect((await start([])).table.get('shipper').number).toBe(2);
  });

  test('a crash between the file and the row is mended', async () => {
    const { commit } = engine;
    engine.commit = () => Promise.reject(new TailraceError('storage', 'the disk is gone'));
    await expect(start([SHIPPER])).rejects.toMatchObject({ code: 'storage' });
    engine.commit = commit;
    const secret = readFileSync(at('shipper.token'), 'utf8').trim();
    const { table, outcome } = await start([SHIPPER]);
    expect(outcome).toEqual({ ...NOTHING, created: 1 });
    expect(table.find(hashToken(secret))?.id).toBe('shipper');
  });

  test('an end that lies behind is refused where it is new, and one that came since is no reason not to start', async () => {
    writeFileSync(at('shipper.token'), SECRET);
    const brief = { ...SHIPPER, expires_at: new Date(clock.now() + 1_000).toISOString() };
    expect((await start([brief])).outcome).toEqual({ ...NOTHING, created: 1 });
    clock.advance(1_000);
    expect((await start([brief])).outcome).toEqual({ ...NOTHING, expired: 1 });
    const past = { ...SHIPPER, expires_at: new Date(clock.now() - 1).toISOString() };
    await expect(start([past])).rejects.toThrow(/access_tokens\[0\] \(shipper\): expires_at must lie in the future/);
    const later = { ...SHIPPER, expires_at: new Date(clock.now() + 1).toISOString() };
    const { table, outcome } = await start([later]);
    expect([outcome, table.find(hashToken(SECRET))?.token?.number]).toEqual([{ ...NOTHING, replaced: 1 }, 2]);
  });
});

describe('secrets that cannot be', () => {
  test.each<[string, string | Buffer, RegExp]>([
    ['short', SECRET.slice(1), /has 31 characters, and needs at least 32/],
    ['empty', '', /has 0 characters/],
    ['long', `${OTHER}o`, /has more than 1024 characters/],
    ['endless', Buffer.alloc(1024 * 1024, 's'), /has more than 1024 characters/],
    ['of two words', `${SECRET} ${SECRET}`, /printable ASCII characters alone, and no spaces/],
    ['of other letters', `${SECRET}ü`, /printable ASCII characters alone/],
    ['of bytes', Buffer.alloc(64, 0), /printable ASCII characters alone/],
  ])('a secret that is %s is refused, and nothing is made', async (_name, secret, message) => {
    writeFileSync(at('b.token'), secret);
    const wrong = start([SHIPPER, { ...SHIPPER, id: 'b', secret_file: 'b.token' }]);
    await expect(wrong).rejects.toThrow(message);
    await expect(wrong).rejects.toThrow(/access_tokens\[1\] \(b\)\.secret_file: /);
    await expect(wrong).rejects.not.toThrow('ssss');
    expect(readdirSync(dir)).toEqual(['b.token']);
  });

  test('one secret is one token’s, and the root token’s is its own', async () => {
    writeFileSync(at('shipper.token'), SECRET);
    writeFileSync(at('b.token'), `${SECRET}\n`);
    const b = { ...SHIPPER, id: 'b', secret_file: 'b.token' };
    await expect(start([SHIPPER, b])).rejects.toThrow(
      /\[1\] \(b\)\.secret_file: it holds the secret of access_tokens\[0\] \(shipper\)/,
    );
    await expect(start([b], ['another', SECRET])).rejects.toThrow(
      /\[0\] \(b\)\.secret_file: it holds the secret of the root token/,
    );
    await start([SHIPPER]);
    await expect(start([b])).rejects.toThrow(/\[0\] \(b\): the secret is that of access token `shipper`/);
    expect((await start([SHIPPER])).outcome).toEqual({ ...NOTHING, unchanged: 1 });
  });

  test('a file that cannot be read, and one that cannot be made', async () => {
    mkdirSync(at('shipper.token'));
    await expect(start([SHIPPER])).rejects.toThrow(
      /\(shipper\)\.secret_file: .*shipper\.token cannot be read \(EISDIR\)/,
    );
    const nowhere = { ...SHIPPER, secret_file: 'nowhere/shipper.token' };
    await expect(start([nowhere])).rejects.toThrow(/secret_file: .*is missing, and cannot be written \(ENOENT\)/);
    await expect(start([nowhere])).rejects.toMatchObject({ code: 'config' });
  });
});
