/** A server opens a store that an earlier release left, serves it, and writes to it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { verify } from '../../src/maintenance.ts';
import { FORMAT_VERSION } from '../../src/storage/values.ts';
import { type GoldenStore, type GoldenStream, unpackGoldenStore } from '../support/golden-store.ts';
import { call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const TOKEN = 'a-token-from-outside-wins-over-the-one-in-the-store';

let dir: string;
let server: TestServer;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-format-'));
});

afterEach(async () => {
  await server.kill();
  rmSync(dir, { recursive: true, force: true });
});

test.each([1, 2, 3])('a store of format %i is served and written to', async (format) => {
  const golden = unpackGoldenStore(format, dir);
  server = await startServer({ dataDir: dir, env: { TAILRACE_ROOT_TOKEN: TOKEN } });
  for (const { name, streams } of golden.basins) {
    const listed = (await api('GET', '/v1/streams', name)) as { streams: { name: string }[] };
    const staying = streams.filter(stays).map((stream) => stream.name);
    expect(listed.streams.map((stream) => stream.name)).toEqual(expect.arrayContaining(staying));
  }
  for (const { basin, name, tail, key } of keptOf(golden)) {
    const records = `/v1/streams/${encodeURIComponent(name)}/records`;
    expect(await api('GET', `${records}/tail`, basin)).toEqual({
      tail: { seq_num: tail.seqNum, timestamp: tail.timestamp },
    });
    const input = { records: [{ timestamp: tail.timestamp, body: 'new' }] };
    const ack = await api('POST', records, basin, { key, input });
    expect(ack).toMatchObject({ start: { seq_num: tail.seqNum } });
    const read = await api('GET', `${records}?seq_num=${tail.seqNum}`, basin, { key });
    expect(read).toMatchObject({ records: [{ seq_num: tail.seqNum, body: 'new' }] });
  }
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  expect(await verify({ dataDir: dir })).toMatchObject({ format: FORMAT_VERSION, faultCount: 0, faults: [] });
});

/** Streams whose records never expire: what expires depends on the day of the test run. */
function keptOf({ basins, encryptionKey }: GoldenStore) {
  return basins.flatMap(({ name: basin, streams }) =>
    streams
      .filter((stream) => stays(stream) && settingOf(stream, 'retentionAgeSeconds') === null)
      .map((stream) => ({ basin, ...stream, key: stream.cipher === undefined ? undefined : encryptionKey })),
  );
}

/** Whether it exists on any day: an empty stream may be deleted in the background. */
function stays(stream: GoldenStream): boolean {
  return stream.count > 0 || settingOf(stream, 'deleteOnEmptyMinAgeSeconds') === 0;
}

function settingOf({ config }: GoldenStream, leaf: string): unknown {
  return config.find(([name]) => name === leaf)?.[1];
}

async function api(
  method: string,
  target: string,
  basin: string,
  { key, input }: { key?: string | undefined; input?: object } = {},
): Promise<unknown> {
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    's2-basin': basin,
    'content-type': 'application/json',
    ...(key === undefined ? {} : { 's2-encryption-key': Buffer.from(key, 'hex').toString('base64') }),
  };
  const body = input === undefined ? {} : { body: JSON.stringify(input) };
  const answer = await call(server.port, { method, path: target, headers, ...body });
  expect({ target, status: answer.status }).toEqual({ target, status: 200 });
  return JSON.parse(answer.body.toString());
}
