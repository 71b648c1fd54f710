/**
 * What a server says of its interface besides OpenAPI: how the files are sent, frames of real WebSockets against the AsyncAPI
 * document, and the documentation for language models.
 */

import { readdir, readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import specs from '@asyncapi/specs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ajv, type ValidateFunction } from 'ajv';
import { SUBPROTOCOLS } from '../../src/readers/encoders.ts';
import { otlpBody } from '../support/access-rows.ts';
import { type CallResponse, call } from '../support/http-call.ts';
import { makeBasin, type RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { type Got, Reader } from '../support/socket-reader.ts';

const FILES = ['openapi.json', 'asyncapi.json', 'llms.txt', 'llms-full.txt'];
const BASIN = 'basin-of-this-test';

let server: TestServer;
let s2: RecordsClient;
let asyncApi: AsyncApi;

interface AsyncApi {
  readonly asyncapi: string;
  readonly channels: Readonly<Record<string, { readonly messages: Readonly<Record<string, object>> }>>;
  readonly components: {
    readonly messages: Readonly<Record<string, { readonly payload?: object }>>;
    readonly schemas: object;
  };
}

function get(file: string, headers: Record<string, string> = {}): Promise<CallResponse> {
  return call(server.port, { method: 'GET', path: `/${file}`, headers });
}

beforeAll(async () => {
  server = await startServer();
  s2 = await makeBasin(server, BASIN, { create_stream_on_append: true });
  for (const signal of ['logs', 'traces', 'metrics'] as const) {
    const headers = { ...s2.headers(), 'content-type': 'application/json' };
    await call(server.port, { path: `/v1/${signal}`, headers, body: JSON.stringify(otlpBody(signal, 'mixed')) });
  }
  await s2.append('mixed', { records: [{ body: 'x', headers: [['a', 'b']] }] });
  asyncApi = JSON.parse((await get('asyncapi.json')).body.toString()) as AsyncApi;
});

afterAll(async () => {
  await server.stop();
});

describe.each(FILES)('/%s', (file) => {
  test('is the file of the build, without a token, compressed where the client takes that', async () => {
    const plain = await get(file);
    const built = await readFile(new URL(`../../dist/api/${file}`, import.meta.url));
    expect([plain.status, plain.body.equals(built)]).toEqual([200, true]);
    const zipped = await get(file, { 'accept-encoding': 'br, gzip' });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(zipped.body).equals(built)).toBe(true);
    expect(zipped.body.length).toBeLessThan(built.length);
    expect((await get(file, { 'accept-encoding': 'gzip;q=0' })).headers['content-encoding']).toBeUndefined();
  });

  test('is not sent again to a client that has it', async () => {
    const { etag = '' } = (await get(file)).headers;
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await get(file, { 'if-none-match': known });
      expect([known, answer.status, answer.body.length]).toEqual([known, 304, 0]);
      expect(answer.headers['content-length']).toBeUndefined();
    }
    expect((await get(file, { 'if-none-match': '"other"' })).status).toBe(200);
  });

  test('does not change with what is stored, and says nothing of it', async () => {
    const { body } = await get(file);
    expect(body.includes(BASIN)).toBe(false);
    expect(body.includes(server.token)).toBe(false);
  });
});

describe('the AsyncAPI document', () => {
  test('is valid AsyncAPI 3.0, and one that is broken is not', () => {
    // It brings the schema of JSON Schema with it.
    const ajv = new Ajv({ strict: false, validateFormats: false, meta: false, validateSchema: false });
    const isValid = ajv.compile(specs.schemas['3.0.0'] as object);
    expect([isValid(asyncApi), isValid.errors]).toEqual([true, null]);
    expect(isValid({ ...asyncApi, channels: { one: { address: 7 } } })).toBe(false);
  });

  test('has a channel for each subprotocol, for one stream and for many', () => {
    const names = [...SUBPROTOCOLS.keys()].flatMap((name) => [name, `${name}-many`]);
    expect(Object.keys(asyncApi.channels).sort()).toEqual(names.sort());
  });
});

describe.each([...SUBPROTOCOLS.keys()])('frames of %s', (name) => {
  const validators = new Map<string, ValidateFunction>();

  /** With every object closed: a field that is sent and not described is a fault. */
  function validatorOf(type: string): ValidateFunction | undefined {
    const payload = asyncApi.components.messages[`${name}-${type}`]?.payload;
    if (payload === undefined) return undefined;
    const known = validators.get(type);
    if (known !== undefined) return known;
    const { schemas } = asyncApi.components;
    const ajv = new Ajv({ strict: false, validateFormats: false });
    const made = ajv.compile(closed({ ...payload, components: { schemas } }) as object);
    validators.set(type, made);
    return made;
  }

  function faultsOf(channel: string, frame: Got): readonly string[] {
    const type = Buffer.isBuffer(frame) ? 'binary' : String(frame.type);
    if (asyncApi.channels[channel]?.messages[`${name}-${type}`] === undefined) return [`${type} is not described`];
    if (Buffer.isBuffer(frame)) return [];
    const validate = validatorOf(type);
    if (validate === undefined) return [`${type} has no payload`];
    return validate(frame) ? [] : (validate.errors ?? []).map((error) => `${type}: ${JSON.stringify(error)}`);
  }

  function open(path: string): Reader {
    return new Reader(`${server.url.replace('http', 'ws')}${path}`, name, { headers: s2.headers() });
  }

  test('of one stream are those that are described', async () => {
    const reader = open('/v1/streams/mixed/records?seq_num=0');
    await reader.until('caught_up');
    expect(reader.got.flatMap((frame) => faultsOf(name, frame))).toEqual([]);
    expect(reader.got.length).toBeGreaterThan(2);
    const unlike = { ...(reader.got[0] as Record<string, unknown>), more: 1 };
    expect(faultsOf(name, unlike)).not.toEqual([]);
    await reader.close();
  });

  test('of many streams are those that are described', async () => {
    const reader = open('/v1/records?prefix=&from=start');
    await reader.until('caught_up');
    expect(reader.got.flatMap((frame) => faultsOf(`${name}-many`, frame))).toEqual([]);
    await reader.close();
  });

  test('that end a read beyond the tail, and a read with a filter, are those that are described', async () => {
    const beyond = open('/v1/streams/mixed/records?seq_num=99');
    expect((await beyond.ended).code).toBe(4416);
    const filtered = open('/v1/streams/mixed/records?seq_num=0&wait=0&filter=signal%3Dtraces');
    await filtered.ended;
    expect([...beyond.got, ...filtered.got].flatMap((frame) => faultsOf(name, frame))).toEqual([]);
    expect(beyond.got.at(-1)).toMatchObject({ type: 'error', code: 'range_not_satisfiable' });
  });
});

describe('the documentation for language models', () => {
  test('has an index in the form of llmstxt.org: a title, a summary, and sections of links with a sentence', async () => {
    const text = (await get('llms.txt')).body.toString();
    const [title, , summary] = text.split('\n');
    expect(title).toBe('# Tailrace');
    expect(summary).toMatch(/^> .+/);
    const sections = text.split(/^## /m).slice(1);
    expect(sections.length).toBeGreaterThan(3);
    for (const section of sections) {
      const [, ...lines] = section
        .trim()
        .split('\n')
        .filter((line) => line !== '');
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(line).toMatch(/^- \[[^\]]+\]\((https:|\/)[^)]+\): .+/);
    }
  });

  test('links every page of documentation, and has each of them whole', async () => {
    const root = new URL('../../', import.meta.url);
    const found = await Promise.all(
      ['cli', 'scripts', 'src'].map(async (folder) =>
        (await readdir(new URL(`${folder}/`, root), { recursive: true })).map((name) => `${folder}/${name}`),
      ),
    );
    const pages = found.flat().filter((file) => file.endsWith('README.md') && !/examples\/.+\//.test(file));
    expect(pages.length).toBeGreaterThan(8);
    const [index, full] = await Promise.all(FILES.slice(2).map(async (file) => (await get(file)).body.toString()));
    for (const page of ['README.md', 'SECURITY.md', ...pages]) {
      expect([page, index?.includes(`/${page})`)]).toEqual([page, true]);
      const text = (await readFile(new URL(page, root), 'utf8')).trim();
      expect([page, full?.includes(text)]).toEqual([page, true]);
    }
  });

  test('has the help of every command', async () => {
    const full = (await get('llms-full.txt')).body.toString();
    for (const usage of ['tailrace serve', 'tailrace read', 'tailrace tokens'])
      expect(full).toContain(`Usage: ${usage}`);
  });
});

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inside = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isOpen = inside.type === 'object' && 'properties' in inside && !('additionalProperties' in inside);
  return isOpen ? { ...inside, additionalProperties: false } : inside;
}
