/**
 * Outside issuers on a clock that only the test moves: deadlines, who waits for what, and which principal a token
 * gives.
 */

import { describe, expect, test } from '@jest/globals';
import type { Token } from '../../src/access/grant.ts';
import type { FetchKeys } from '../../src/access/issuer-keys.ts';
import { unknownToken } from '../../src/access/jwt.ts';
import { OutsideIssuers } from '../../src/access/outside-issuers.ts';
import { OIDC_FETCH_TIMEOUT_MS, OIDC_MOVED_MS, OIDC_WAITING_MAX } from '../../src/model/limits.ts';
import type { BasinConfig, OidcTrust } from '../../src/model/stream-config.ts';
import { BASIN as CONFIG } from '../support/log-harness.ts';
import { type IssuerKey, makeKey, signed } from '../support/oidc-issuer.ts';
import { ManualClock } from '../support/socket-clock.ts';

const ISSUER = 'https://issuer.example';
const BASIN = 'trusting-basin';

function trusting(name: string, oidc: OidcTrust | undefined, deletedAt?: number) {
  const config: BasinConfig = { ...CONFIG, oidc };
  return { name, config, deletedAt };
}

const MOVED = 'the basin is in another partition of the cluster now: send again';

const remote = (): OidcTrust => ({ issuer: ISSUER, audience: 'a', keys: { uri: `${ISSUER}/keys` } });

async function setUp(fetchKeys: FetchKeys, basins = [trusting(BASIN, remote())]) {
  const clock = new ManualClock();
  const warnings: string[] = [];
  const causes: string[] = [];
  const at: { basins: ReturnType<typeof trusting>[]; elsewhere: string[] } = { basins, elsewhere: [] };
  const outside = new OutsideIssuers({
    basins: () => at.basins,
    isElsewhere: (name) => at.elsewhere.includes(name),
    clock,
    warn: (issuer, message, cause) => {
      warnings.push(`${issuer} ${message}`);
      causes.push(cause);
    },
    fetchKeys,
  });
  const key = await makeKey('k');
  const token = (claims: object = {}, by: IssuerKey = key) =>
    signed(by, { iss: ISSUER, aud: 'a', sub: 'project', exp: clock.now() / 1_000 + 300, ...claims });
  return { clock, warnings, causes, at, outside, key, token };
}

/** Never responds, and ends when it is aborted. */
const hanging: FetchKeys = (_uri, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

test('an issuer that does not respond is waited for until the deadline', async () => {
  const { clock, outside, token, warnings } = await setUp(hanging);
  const jwt = await token();
  let isOver = false;
  const sent = outside.identify(jwt, 'hash', undefined).finally(() => {
    isOver = true;
  });
  sent.catch(() => {});
  clock.advance(OIDC_FETCH_TIMEOUT_MS - 1);
  await new Promise(setImmediate);
  expect(isOver).toBe(false);
  clock.advance(1);
  await expect(sent).rejects.toMatchObject({ code: 'unavailable', detail: { retryAfterSeconds: 2 } });
  expect(warnings).toEqual([expect.stringMatching(/^https:\/\/issuer\.example .*longer than 5 s$/)]);
  // The next request is refused at once, because asking again is pointless.
  await expect(outside.identify(jwt, 'hash', undefined)).rejects.toMatchObject({ code: 'unavailable' });
});

test('an issuer that responds and then stops sending is waited for until the deadline too', async () => {
  const { clock, outside, token, warnings } = await setUp(async (_uri, signal) => {
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue(Buffer.from('{"keys":'));
        signal.addEventListener('abort', () => controller.error(signal.reason));
      },
    });
    return new Response(body);
  });
  const sent = outside.identify(await token(), 'hash', undefined);
  sent.catch(() => {});
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  clock.advance(OIDC_FETCH_TIMEOUT_MS);
  await expect(sent).rejects.toMatchObject({ code: 'unavailable' });
  expect(warnings).toHaveLength(1);
});

test('a limited number of senders wait for one issuer, and more are told at once to retry', async () => {
  const { clock, outside, token } = await setUp(hanging);
  const jwt = await token();
  const waiting = Array.from({ length: OIDC_WAITING_MAX }, (_, i) => outside.identify(jwt, `${i}`, undefined));
  const settled = Promise.allSettled(waiting);
  await expect(outside.identify(jwt, 'one more', undefined)).rejects.toMatchObject({ code: 'unavailable' });
  clock.advance(OIDC_FETCH_TIMEOUT_MS);
  expect((await settled).map(({ status }) => status)).toEqual(waiting.map(() => 'rejected'));
});

test('a basin that changes its configuration while its issuer is asked accepts no token', async () => {
  let answer = (_response: Response): void => {};
  const { at, outside, token, key } = await setUp(() => new Promise((resolve) => (answer = resolve)));
  const jwt = await token();
  const set = (): Response => new Response(JSON.stringify({ keys: [key.jwk] }));
  for (const after of [[], [trusting(BASIN, undefined)], [trusting(BASIN, remote(), 1)], [trusting(BASIN, remote())]]) {
    at.basins = [trusting(BASIN, remote())];
    const sent = outside.identify(jwt, 'hash', undefined);
    sent.catch(() => {});
    at.basins = after;
    answer(set());
    await expect(sent).rejects.toMatchObject({ code: 'authn' });
  }
  at.basins = [trusting(BASIN, remote())];
  const sent = outside.identify(jwt, 'hash', undefined);
  answer(set());
  await expect(sent).resolves.toMatchObject({ id: 'oidc:project' });
});

test('the sender may append to streams of the basin, and nothing else', async () => {
  const key = await makeKey('k');
  const jwks = JSON.stringify({ keys: [key.jwk] });
  const basins = [trusting(BASIN, { issuer: ISSUER, audience: 'a', keys: { jwks } })];
  const { outside, token } = await setUp(hanging, basins);
  const jwt = await token({}, key);
  const sender = await outside.identify(jwt, 'hash', undefined);
  expect(sender.allows('append', BASIN)).toBe(true);
  expect(sender.allows('append', BASIN, 'any/stream')).toBe(true);
  expect(sender.allows('append', 'another-basin', 'x')).toBe(false);
  for (const operation of ['read', 'create-stream', 'list-streams', 'issue-access-token', 'account-metrics'] as const) {
    expect(sender.allows(operation, BASIN)).toBe(false);
  }
  expect(sender.token?.resourceAttributes).toEqual(new Map([['project.id', 'project']]));
  expect(sender.token).toMatchObject({ autoPrefix: '', stream: undefined, scope: { basins: { exact: BASIN } } });
  // Its signature is not verified again.
  expect(await outside.identify(jwt, 'hash', BASIN)).toBe(sender);
});

test.each([
  ['repo:acme/shop:ref:refs/heads/main', 'oidc:repo:acme/shop:ref:refs/heads/main'],
  ['a\u0007\u202e\u2028`"\\\n', 'oidc:a\\u{7}\\u{202e}\\u{2028}\\u{60}\\u{22}\\u{5c}\\u{a}'],
  ['🌊'.repeat(65), `oidc:${'🌊'.repeat(64)}…`],
])('%j is shown in messages as %s', async (sub, id) => {
  const key = await makeKey('k');
  const jwks = JSON.stringify({ keys: [key.jwk] });
  const { outside, token } = await setUp(hanging, [trusting(BASIN, { issuer: ISSUER, audience: 'a', keys: { jwks } })]);
  expect((await outside.identify(await token({ sub }, key), 'hash', undefined)).id).toBe(id);
});

test('the operator is told what a refused token says, the sender which check it failed', async () => {
  const key = await makeKey('k');
  const jwks = JSON.stringify({ keys: [key.jwk] });
  const basins = [trusting(BASIN, { issuer: ISSUER, audience: 'a', keys: { jwks } })];
  const { outside, token, warnings } = await setUp(hanging, basins);
  const jwt = await token({ exp: 7 }, key);
  const message = expect.stringMatching(/^the token has expired/) as unknown as string;
  await expect(outside.identify(jwt, 'hash', undefined)).rejects.toMatchObject({ code: 'authn', message });
  expect(warnings).toEqual([
    expect.stringMatching(/issuer\.example with subject oidc:project for basin trusting-basin .*"exp".*exp 7/),
  ]);
});

test('each subject whose token has expired is a cause of its own in the log, and a claim without a signature is none', async () => {
  const key = await makeKey('k');
  const jwks = JSON.stringify({ keys: [key.jwk] });
  const { outside, token, causes } = await setUp(hanging, [
    trusting(BASIN, { issuer: ISSUER, audience: 'a', keys: { jwks } }),
  ]);
  const refused = async (sub: string, by: IssuerKey) => {
    await expect(outside.identify(await token({ sub, exp: 7 }, by), sub, undefined)).rejects.toMatchObject({
      code: 'authn',
    });
    return causes.at(-1);
  };
  const [one, two, again] = [await refused('one', key), await refused('two', key), await refused('one', key)];
  expect([one, two]).toEqual([
    expect.stringMatching(/oidc:one.*check expired/),
    expect.stringMatching(/oidc:two.*check expired/),
  ]);
  expect(again).toBe(one);
  const other = await makeKey('k');
  expect(await refused('three', other)).toBe(await refused('four', other));
});

describe('a basin that has moved to another partition', () => {
  const leave = async () => {
    const key = await makeKey('k');
    const jwks = JSON.stringify({ keys: [key.jwk] });
    const set = await setUp(hanging, [trusting(BASIN, { issuer: ISSUER, audience: 'a', keys: { jwks } })]);
    const jwt = await set.token({}, key);
    const sender = await set.outside.identify(jwt, 'hash', undefined);
    set.at.elsewhere = [BASIN];
    set.at.basins = [trusting('other', undefined)];
    return { ...set, key, jwt, sender };
  };
  const moved = { code: 'unavailable', message: MOVED };

  test('has the senders with valid tokens send again, for a minute, and no others', async () => {
    const { outside, token, key, jwt, clock } = await leave();
    for (const basin of [undefined, BASIN]) {
      await expect(outside.identify(jwt, 'hash', basin)).rejects.toMatchObject(moved);
    }
    const forged = await token({}, await makeKey('k'));
    const refused = [
      outside.identify(forged, 'forged', undefined),
      outside.identify(await token({ aud: 'b' }, key), 'of another audience', undefined),
      outside.identify(jwt, 'hash', 'other'),
    ];
    for (const each of refused) await expect(each).rejects.toMatchObject({ code: 'authn' });
    clock.advance(OIDC_MOVED_MS - 1);
    await expect(outside.identify(await token({}, key), 'later', undefined)).rejects.toMatchObject(moved);
    clock.advance(1);
    await expect(outside.identify(await token({}, key), 'late', undefined)).rejects.toMatchObject({ code: 'authn' });
  });

  test('has a sender send again that was identified before', async () => {
    const { outside, sender } = await leave();
    expect(() => outside.expectTrust(sender.token as Token)).toThrow(MOVED);
  });

  test('is as any other when it is back, and one that is gone for good is no longer trusted', async () => {
    const { outside, at, jwt, sender, key } = await leave();
    await expect(outside.identify(jwt, 'hash', BASIN)).rejects.toMatchObject(moved);
    const jwks = JSON.stringify({ keys: [key.jwk] });
    at.basins = [trusting(BASIN, { issuer: ISSUER, audience: 'a', keys: { jwks } })];
    at.elsewhere = [];
    expect((await outside.identify(jwt, 'hash', BASIN)).id).toBe(sender.id);
    at.basins = [];
    expect(() => outside.expectTrust(sender.token as Token)).toThrow(unknownToken());
    await expect(outside.identify(jwt, 'hash', BASIN)).rejects.toMatchObject({ code: 'authn' });
  });
});
