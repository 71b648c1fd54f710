/** Items of 16 MiB in a basin that stores them whole, sent and read in every view: as bad as they may be. */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { WebSocket } from 'ws';
import { type Attack, call, type Target } from './attack.ts';
import { field, filled, jsonRecord, logRecord } from './bodies.ts';

const compress = promisify(gzip);
const MiB = 1024 * 1024;
const BASIN = 'large-items';
/** What the item has besides, and the record around it. */
const ITEM_BYTES = 16 * MiB - 4_096;
const CONFIG = { create_stream_on_append: true, otlp_default_stream: 'all', large_items_max: 16 * MiB };
const VIEWS = ['otlp.proto', 'otlp.json', 'view.json', 'view.text', 's2.json', 's2.proto'];
/** Over HTTP, as one answer and as events. */
const HTTP_VIEWS = ['raw', 'otlp', 'otlp-json', 'message', 'text'];

const text = (bytes: number, part: string | Uint8Array): Buffer => logRecord(field(5, field(1, filled(bytes, part))));
const attribute = (key: string, value: Buffer): Buffer =>
  field(6, field(1, Buffer.from(key)), field(2, field(1, value)));
/** So many strings that what is around them just fits into an S2 record. */
const STRINGS = 20_000;
const JSON_TEXT = Buffer.from(`[${'{"role":"user","content":[1,"\\n"]},'.repeat(10)}0]`);

export const LARGE_ATTACKS: readonly Attack[] = [
  item('control characters', () => text(ITEM_BYTES, '\x01')),
  item('letters of two bytes', () => text(ITEM_BYTES, 'é')),
  item('bytes that are not UTF-8', () => text(ITEM_BYTES, Buffer.of(0xff))),
  item('many strings', () =>
    logRecord(...Array.from({ length: STRINGS }, (_, i) => attribute(`k${i}`, filled(ITEM_BYTES / STRINGS - 20, '"')))),
  ),
  item('strings that are JSON', () =>
    logRecord(
      attribute('gen_ai.input.messages', filled(ITEM_BYTES / 2, JSON_TEXT)),
      attribute('gen_ai.output.messages', Buffer.from(`[${'0,'.repeat(99_000)}"${'\\n'.repeat(3 * MiB)}"]`)),
    ),
  ),
  item('a JSON string with escapes', () => {
    const [before, after] = jsonRecord('"body":{"stringValue":"…"}');
    return Buffer.concat([Buffer.from(before), filled(23 * MiB, '\\n'), Buffer.from(after)]);
  }),
  item('a JSON string with halves of surrogate pairs', () => {
    const [before, after] = jsonRecord('"body":{"stringValue":"…"}');
    return Buffer.concat([Buffer.from(before), filled(6 * 4_000_000, '\\ud83d'), Buffer.from(after)]);
  }),
];

/** Sends the item, and reads it in all views at once. */
function item(name: string, make: () => Buffer): Attack {
  return {
    name: `large items: ${name}`,
    together: 2,
    prepare: async (target) => {
      const json = { 'content-type': 'application/json' };
      const body = JSON.stringify({ basin: BASIN, config: CONFIG });
      await call(target, { method: 'POST', path: '/v1/basins', headers: json, body });
      const packed = await compress(make(), { level: 1 });
      const type = name.includes('JSON string') ? 'application/json' : 'application/x-protobuf';
      const headers = { 'content-type': type, 'content-encoding': 'gzip', 's2-basin': BASIN };
      return async () => {
        const answer = await call(target, { method: 'POST', path: '/v1/logs', headers, body: packed });
        if (!answer.startsWith('200')) throw new Error(`${name}: ${answer}`);
        await Promise.all(VIEWS.map((view) => readLast(target, view)));
        for (const accept of ['application/json', 'application/x-ndjson', 'text/event-stream']) {
          const headers = { 's2-basin': BASIN, accept };
          for (const view of HTTP_VIEWS) {
            const path = `/v1/streams/all/records?tail_offset=1&count=1&view=${view}`;
            await call(target, { method: 'GET', path, headers });
          }
        }
      };
    },
  };
}

/** Resolves when the last record of the stream has come. */
function readLast({ port, token }: Target, view: string): Promise<void> {
  const path = '/v1/streams/all/records?tail_offset=1&count=1';
  const headers = { authorization: `Bearer ${token}`, 's2-basin': BASIN };
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, view, { headers, maxPayload: 0 });
  return new Promise((resolve, reject) => {
    let bytes = 0;
    socket.on('message', (data: Buffer) => {
      bytes += data.length;
    });
    socket.on('error', reject);
    socket.on('close', (code) => {
      if (bytes > MiB / 2) resolve();
      else reject(new Error(`${view}: closed with ${code} after ${bytes} bytes`));
    });
  });
}
