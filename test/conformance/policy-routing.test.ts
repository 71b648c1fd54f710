/** Where the policy of a basin sends resources, and which ones it refuses: rules 2 to 5 in their order. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import { makeBasin, makeSenderToken } from '../support/otlp-basin.ts';
import { type Attributes, OtlpSender, storedItems } from '../support/otlp-sender.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: ControlClient;

const dir = mkdtempSync(join(tmpdir(), 'tailrace-routing-'));

beforeAll(start);

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await startServer({ dataDir: join(dir, 'data') });
  s2 = new ControlClient(server);
}

interface Target {
  readonly basin: string;
  readonly sender: OtlpSender;
}

/** A new basin with this policy, and a sender to it. */
async function basinWith(config: object, streams: readonly string[] = []): Promise<Target> {
  const basin = await makeBasin(s2, config);
  for (const stream of streams) await s2.call(`PUT /streams/${encodeURIComponent(stream)}`, { basin });
  return { basin, sender: new OtlpSender(server, basin) };
}

/** A sender with a token of its own. */
async function senderWith(basin: string, fields: object): Promise<OtlpSender> {
  const { token } = await makeSenderToken(s2, fields, { exact: basin });
  return new OtlpSender({ port: server.port, token }, basin);
}

async function services(basin: string, stream: string): Promise<readonly unknown[]> {
  return (await storedItems(s2, basin, stream)).map(({ resource }) => {
    const { attributes = [] } = resource as { attributes?: { key: string; value: { stringValue: string } }[] };
    return attributes.find(({ key }) => key === 'service.name')?.value.stringValue;
  });
}

const service = (name: string, more: Attributes = {}): Attributes => ({ 'service.name': name, ...more });

describe('service routing', () => {
  test('sends a resource to the existing stream of its service, and others on to the template', async () => {
    const { basin, sender } = await basinWith({ otlp_service_routing: true, otlp_default_stream: 'rest/{signal}' }, [
      'billing',
      'named',
    ]);
    const sent = [service('billing'), service('shop'), service('billing', { 's2.stream': 'named' }), {}, service('')];
    expect(await sender.logs(sent)).toMatchObject({ status: 200, rejected: 0 });
    expect(await services(basin, 'billing')).toEqual(['billing']);
    expect(await services(basin, 'named')).toEqual(['billing']);
    expect(await services(basin, 'rest/logs')).toEqual(['shop', undefined, '']);
    expect((await s2.call('GET /streams/shop', { basin })).status).toBe(404);
  });

  test('finds a stream that is on disk only, and no longer one that is deleted', async () => {
    const { basin } = await basinWith({ otlp_service_routing: true, otlp_default_stream: 'rest' }, ['billing']);
    await server.stop();
    await start();
    const sender = new OtlpSender(server, basin);
    await sender.logs([service('billing')]);
    expect(await services(basin, 'billing')).toEqual(['billing']);
    await s2.call('DELETE /streams/billing', { basin });
    await s2.untilGone('GET /streams/billing', { basin });
    await sender.logs([service('billing')]);
    expect(await services(basin, 'rest')).toEqual(['billing']);
  });

  test('without a template rejects what names no existing stream', async () => {
    const { sender } = await basinWith({ otlp_service_routing: true }, ['billing']);
    const outcome = await sender.logs([service('billing'), service('shop')]);
    expect(outcome).toMatchObject({ status: 200, rejected: 1 });
    expect(outcome.message).toContain('no stream named `shop` exists');
  });

  test('is off by default', async () => {
    const { basin, sender } = await basinWith({ otlp_default_stream: 'rest' }, ['billing']);
    await sender.logs([service('billing')]);
    expect(await services(basin, 'rest')).toEqual(['billing']);
  });

  test('comes after the fixed stream of the token, and uses the names of an auto-prefixed one', async () => {
    const policy = { otlp_service_routing: true, otlp_default_stream: 'rest' };
    const { basin } = await basinWith(policy, ['billing', 'team/billing']);
    const fixed = await senderWith(basin, { stream: 'mine' });
    await fixed.logs([service('billing')]);
    expect(await services(basin, 'mine')).toEqual(['billing']);
    const scope = { basins: { exact: basin }, streams: { prefix: 'team/' }, op_groups: { stream: { write: true } } };
    const prefixed = await senderWith(basin, { scope, auto_prefix_streams: true });
    await prefixed.logs([service('billing'), service('shop')]);
    expect(await services(basin, 'team/billing')).toEqual(['billing']);
    expect(await services(basin, 'team/rest')).toEqual(['shop']);
    expect(await services(basin, 'billing')).toEqual([]);
  });

  test('does not tell a token about streams that it may not append to', async () => {
    const { basin } = await basinWith({ otlp_service_routing: true, otlp_default_stream: 'mine/rest' }, ['secret-one']);
    const scope = { basins: { exact: basin }, streams: { prefix: 'mine/' }, op_groups: { stream: { write: true } } };
    const sender = await senderWith(basin, { scope });
    for (const name of ['secret-one', 'missing-one']) {
      expect(await sender.logs([service(name)])).toMatchObject({ status: 200, rejected: 0 });
    }
    expect(await services(basin, 'mine/rest')).toEqual(['secret-one', 'missing-one']);
  });

  test('takes thousands of services in one request', async () => {
    const { basin, sender } = await basinWith({ otlp_service_routing: true, otlp_default_stream: 'rest' }, ['s-7']);
    const sent = Array.from({ length: 3_000 }, (_, i) => service(`s-${i}`));
    expect(await sender.logs(sent)).toMatchObject({ status: 200, rejected: 0 });
    expect(await services(basin, 's-7')).toEqual(['s-7']);
  });
});

describe('the template of a basin', () => {
  test('takes the service, the signal and any attribute, and rejects a resource that lacks one', async () => {
    const { basin, sender } = await basinWith({ otlp_default_stream: '{service.name}/{signal}/{region}' });
    const outcome = await sender.logs([service('a', { region: 'eu' }), { region: 'us' }, service('b')]);
    expect(outcome).toMatchObject({ status: 200, rejected: 1 });
    expect(outcome.message).toContain('needs a text for region');
    expect(await services(basin, 'a/logs/eu')).toEqual(['a']);
    expect(await services(basin, 'unknown_service/logs/us')).toEqual([undefined]);
  });

  test('that makes a name which is not valid rejects that resource alone', async () => {
    const { basin, sender } = await basinWith({ otlp_default_stream: '{service.name}' });
    const outcome = await sender.logs([service('x'.repeat(513)), service('fine')]);
    expect(outcome).toMatchObject({ status: 200, rejected: 1 });
    expect(outcome.message).toContain('makes no valid stream name here');
    expect(await services(basin, 'fine')).toEqual(['fine']);
  });
});

describe('required resource attributes', () => {
  const config = { otlp_default_stream: 'all', otlp_required_resource_attributes: ['project.id', 'team'] };

  test('reject each resource that lacks one, and say which one it is', async () => {
    const { basin, sender } = await basinWith(config);
    const both = { 'project.id': 'p', team: 't' };
    const outcome = await sender.logs([service('a', both), service('b', { team: 't' }), { ...both, 'project.id': '' }]);
    expect(outcome).toMatchObject({ status: 200, rejected: 2 });
    expect(outcome.message).toContain('the resource has no project.id, which the basin requires');
    expect(await services(basin, 'all')).toEqual(['a']);
    expect(await sender.logs([{ 'project.id': 'p' }])).toMatchObject({ status: 200, rejected: 1 });
  });

  test('count when the token sets them', async () => {
    const { basin } = await basinWith(config);
    const sender = await senderWith(basin, { resource_attributes: { 'project.id': 'p', team: 't' } });
    expect(await sender.logs([service('a')])).toMatchObject({ status: 200, rejected: 0 });
    expect(await services(basin, 'all')).toEqual(['a']);
  });
});
