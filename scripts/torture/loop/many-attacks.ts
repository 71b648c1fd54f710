/** Readers of many streams, and sums over many groups: what is small for one stream or one group, ten thousand times. */

import { gzipSync } from 'node:zlib';
import { type Attack, call, type Target } from './attack.ts';
import { distinctStreams, field } from './bodies.ts';
import { openReader, textFrame } from './many-reader.ts';

const STREAMS = 10_000;
const READERS = 10;
const RESUMING = 6;
const NAME_BYTES = 256;
/** Just below the largest message, and eight MiB of them. */
const MESSAGE_CHARS = 65_000;
const MAP_CHARS = 8_300_000;
/** In JSON it takes six times its bytes. */
const CONTROL = '\u0001';

export const MANY_ATTACKS: readonly Attack[] = [
  {
    name: `${READERS} readers that begin with 10,000 streams each, and an append to all of these`,
    together: 2,
    prepare: async (target) => {
      await fillAll(target);
      return async () => {
        const readers = await openAll(target, '/v1/records?glob=many*&from=tail');
        await fillAll(target);
        for (const reader of readers) reader.end();
      };
    },
  },
  {
    name: 'a reader that reads 10,000 streams from their start',
    together: 8,
    prepare: async (target) => {
      await fillAll(target);
      return async () => {
        const reader = await openReader(target, '/v1/records?prefix=many/&from=start');
        await reader.until(/"caught_up"/);
        reader.end();
      };
    },
  },
  {
    name: 'resume maps of 8 MiB from many readers at once',
    together: 2,
    prepare: async (target) => {
      const map = resumeMap();
      return async () => {
        const readers = await Promise.all(
          Array.from({ length: RESUMING }, () => openReader(target, '/v1/records?prefix=none/&from=resume')),
        );
        for (const reader of readers) reader.send(map);
        await Promise.all(readers.map((reader) => reader.until(/"caught_up"|"error"/)));
        for (const reader of readers) reader.end();
      };
    },
  },
  ...['application/json', 'text/event-stream'].map((accept) => groups(accept)),
];

/** Every group has three names as long as they may be, all of control characters, and columns with long names. */
function groups(accept: string): Attack {
  const headers = { 's2-basin': 'telemetry', accept };
  const key = 'k'.repeat(2_000);
  const by = `attr.n,attr.${key},attr.${CONTROL.repeat(1_000)}`;
  const path = `/v1/streams/groups/aggregate?${new URLSearchParams({ by })}`;
  return {
    name: `sums by 10,000 groups with long names as ${accept}`,
    together: 4,
    prepare: async (target) => {
      const stored = await post(target, groupedRecords(key));
      if (!stored.startsWith('200')) throw new Error(`groups: ${stored}`);
      return () => call(target, { method: 'GET', path, headers });
    },
  };
}

function groupedRecords(key: string): Buffer {
  const value = (text: string): Buffer => field(2, field(1, Buffer.from(text)));
  const attribute = (name: string, text: string): Buffer => field(6, field(1, Buffer.from(name)), value(text));
  const long = attribute(key, CONTROL.repeat(NAME_BYTES));
  const records = Array.from({ length: STREAMS + 1 }, (_, i) =>
    field(2, attribute('n', String(i).padEnd(NAME_BYTES, CONTROL)), long),
  );
  const resource = field(1, field(1, field(1, Buffer.from('s2.stream')), value('groups')));
  return field(1, resource, field(2, Buffer.concat(records)));
}

async function fillAll(target: Target): Promise<void> {
  const stored = await post(target, distinctStreams(STREAMS, 'many'));
  if (!stored.startsWith('200')) throw new Error(`many streams: ${stored}`);
}

async function openAll(target: Target, path: string) {
  const readers = await Promise.all(Array.from({ length: READERS }, () => openReader(target, path)));
  await Promise.all(readers.map((reader) => reader.until(/"caught_up"/)));
  return readers;
}

function resumeMap(): Buffer {
  const frames: Buffer[] = [];
  const pad = ' '.repeat(MAP_CHARS / STREAMS - 24);
  let entries: string[] = [];
  let chars = 0;
  for (let i = 0; i < STREAMS; i++) {
    entries.push(`"none/${i}":0${pad}`);
    chars += pad.length + 16;
    const isLast = i === STREAMS - 1;
    if (chars < MESSAGE_CHARS - pad.length - 32 && !isLast) continue;
    frames.push(textFrame(`{"resume":{${entries.join(',')}}${isLast ? '' : ',"more":true'}}`));
    [entries, chars] = [[], 0];
  }
  return Buffer.concat(frames);
}

function post(target: Target, body: Buffer): Promise<string> {
  const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' };
  return call(target, { method: 'POST', path: '/v1/logs', headers, body: gzipSync(body, { level: 1 }) });
}
