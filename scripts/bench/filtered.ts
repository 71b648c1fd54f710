/**
 * The bar S15: replay with a filter that wants one record of a hundred, beside decoding all of them with protobufjs. Both in
 * processor time, so that other work on the machine does not count: that of the server and that of the decoder.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { RARE_TEXT, rareBody } from './bodies.ts';
import { type BenchServer, load, startTailrace } from './processes.ts';
import { type BarResult, human, spread } from './report.ts';
import type { ReadsResult } from './s2s-load.ts';
import { sessionLoad } from './sessions.ts';

/**
 * No block can be passed over by its header, since each holds such records: by a field of all records, and by a text that
 * may be anywhere in them.
 */
const FILTERS: Readonly<Record<string, string>> = { level: 'level>=error', text: JSON.stringify(RARE_TEXT) };
const REQUESTS = 1_000;

const body = rareBody();
const logs = protobuf.Root.fromJSON(SCHEMA).lookupType(
  'opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest',
);

export async function filterBars(runs: number, scale: number): Promise<BarResult[]> {
  const server = await startTailrace();
  try {
    const records = await fill(server, Math.ceil(REQUESTS * scale));
    const bars: BarResult[] = [];
    for (const [what, filter] of Object.entries(FILTERS)) bars.push(await bar(server, what, filter, records, runs));
    return bars;
  } finally {
    await server.stop();
  }
}

async function bar(
  server: BenchServer,
  what: string,
  filter: string,
  records: number,
  runs: number,
): Promise<BarResult> {
  const ours: number[] = [];
  const decoded: number[] = [];
  const path = `/v1/streams/orders/records?${new URLSearchParams({ seq_num: '0', wait: '0', filter })}`;
  // The first read, while the server compiles its code, does not count; nor does the decoder's.
  await sessionLoad<ReadsResult>(server, { kind: 'read', paths: [path] });
  for (let run = 0; run < runs; run++) {
    const before = server.cpuSeconds();
    const { bytes } = await sessionLoad<ReadsResult>(server, { kind: 'read', paths: [path] });
    if (bytes * 10 > records * (body.body.length / body.records)) throw new Error(`${filter} wants too many`);
    if (bytes < records) throw new Error(`${filter} wants too few`);
    ours.push(records / (server.cpuSeconds() - before));
    decoded.push(decodeRate(records));
    process.stderr.write(`S15 ${what}: run ${run + 1} of ${runs} done\n`);
  }
  return {
    bar: 'S15',
    what: `replay, s2s, with a filter by ${what} that wants 1 %`,
    ours: `${human(spread(ours).median)} records per CPU s`,
    reference: `protobufjs decodes all: ${human(spread(decoded).median)} records per CPU s`,
    ratio: spread(ours.map((rate, run) => rate / (decoded[run] ?? Number.NaN))),
    wanted: ['>=', 5],
  };
}

/** Returns how many records there are. */
async function fill(server: BenchServer, requests: number): Promise<number> {
  const bodyFile = join(server.dataDir, 'rare.bin');
  writeFileSync(bodyFile, body.body);
  const headers = { ...server.headers, 'content-type': 'application/x-protobuf' };
  await load({ port: server.port, path: '/v1/logs', headers, bodyFile, connections: 4, requests });
  return requests * body.records;
}

/** Records per second of processor time, of as many as were replayed. */
function decodeRate(records: number): number {
  for (let warm = 0; warm < 20; warm++) logs.decode(body.body);
  const before = process.cpuUsage();
  for (let done = 0; done < records; done += body.records) logs.decode(body.body);
  const { user, system } = process.cpuUsage(before);
  return (records / (user + system)) * 1e6;
}
