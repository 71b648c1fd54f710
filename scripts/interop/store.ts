/**
 * What readers get can be posted to a Collector. A store is filled with all that the server takes: requests with every
 * field, awkward ones, mutated ones, and those that real senders sent. Then each `otlp.proto` frame and each `otlp.json`
 * request goes to a Collector, which must take it whole.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import WebSocket from 'ws';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { goldenMessages } from '../../test/support/golden-messages.ts';
import { itemsOf } from '../../test/support/otlp-items.ts';
import { field, requestBytes } from '../../test/support/otlp-wire.ts';
import { readStream } from '../../test/support/read-back.ts';
import { seededRandom } from '../../test/support/writers.ts';
import { buildCollector, CollectorProcess, configOf } from './collector-process.ts';
import { streamsOf } from './comparison.ts';
import { type MadeRequest, madeRequests } from './made-requests.ts';
import { expectThat, report } from './report.ts';
import { RestartableServer } from './restartable-server.ts';
import { sourcesOf } from './tool-chain.ts';

const EACH = 400;
const MUTATIONS = 6;
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_129);
const APPENDED = 'appended';
const APPEND_RECORDS = 200;
/** Those that hold OTLP data. */
const GOLDEN_FORMATS = [1, 2, 4];
const REPORTS = sourcesOf('../../test/fixtures/reports');
const STORES = sourcesOf('../../test/fixtures/stores');

export async function run(): Promise<void> {
  const collector = await CollectorProcess.start(await buildCollector(), (port) => [configOf(port, 'nop', {})]);
  const server = await RestartableServer.start(['--default-stream', 'made/{signal}']);
  try {
    await expectStrict(collector);
    await fill(server);
    let records = 0;
    let refused = 0;
    const posted = { proto: 0, json: 0 };
    for (const stream of await streamsOf(server)) {
      const stored = (await readStream(server, stream)).length;
      records += stored;
      const items = new Set(stream === APPENDED ? [] : [stored]);
      for (const encoding of ['proto', 'json'] as const) {
        const messages = await read(server, stream, encoding);
        items.add(messages.flatMap(({ signal, body }) => itemsOf(signal, body, encoding === 'json')).length);
        for (const message of messages) refused += Number(!(await isTaken(collector, message, encoding)));
        posted[encoding] += messages.length;
      }
      expectThat(
        items.size === 1,
        `all records of ${stream} are in the frames of both encodings: ${[...items].join(', ')}`,
      );
    }
    for (const format of GOLDEN_FORMATS) refused += await postGolden(collector, format);
    report(`store: ${records} records; ${posted.proto} frames of otlp.proto and ${posted.json} requests of otlp.json`);
    expectThat(refused === 0, `the Collector takes all of them; it refused ${refused}`);
  } finally {
    await server.stop();
    await collector.kill();
  }
}

/** What readers get of the store of an earlier release. Returns how many messages were refused. */
async function postGolden(collector: CollectorProcess, format: number): Promise<number> {
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-golden-'));
  try {
    const messages = await goldenMessages(format, dir, STORES);
    let refused = 0;
    for (const { signal, message, json } of messages) {
      refused += Number(!(await isTaken(collector, { signal, body: message }, 'proto')));
      refused += Number(!(await isTaken(collector, { signal, body: Buffer.from(json) }, 'json')));
    }
    report(`store: ${messages.length} messages of the store of format ${format}, in both encodings`);
    return refused;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The Collector would notice: it refuses a trace id of three bytes, and a span id that is not hex. */
async function expectStrict(collector: CollectorProcess): Promise<void> {
  const shortId = Uint8Array.from(field(1, field(2, field(2, field(9, [1, 2, 3])))));
  const notHex = Buffer.from('{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"spanId":"not hex"}]}]}]}');
  const { status: ofShort } = await collector.send('logs', shortId);
  const { status: ofNotHex } = await collector.send('logs', notHex, 'application/json');
  expectThat(
    ofShort === 400 && ofNotHex === 400,
    `the Collector refuses bad ids with 400, not ${ofShort}, ${ofNotHex}`,
  );
}

async function fill(server: RestartableServer): Promise<void> {
  const awkward = SIGNALS.flatMap((signal) =>
    fc.sample(requestBytes(signal), { numRuns: EACH, seed: SEED }).map((body) => ({ signal, body })),
  );
  const made = madeRequests(EACH, 'made/full', SEED);
  const next = seededRandom(SEED);
  const random = (below: number): number => Math.floor(next() * below);
  const mutated = [...awkward, ...made].flatMap((one) =>
    Array.from({ length: MUTATIONS }, () => ({ ...one, body: mutate(one.body, random) })),
  );
  const counts = new Map<number, number>();
  for (const request of [...awkward, ...made, ...mutated, ...reported()]) {
    const status = await post(server, request);
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  await append(server, [...awkward, ...made, ...mutated]);
  const answered = [...counts].map(([status, count]) => `${count} × ${status}`).join(', ');
  report(`store: requests that are made, mutated (seed ${SEED}) and reported: ${answered}`);
  expectThat((counts.get(200) ?? 0) > EACH * SIGNALS.length * 2, 'most of what is made is taken');
}

/** Every report to every signal: the server knows what it is. */
function reported(): MadeRequest[] {
  const names = readdirSync(REPORTS).filter((name) => !name.endsWith('.txt'));
  const bodies = names.map((name) => readFileSync(`${REPORTS}/${name}`));
  return bodies.flatMap((body) => SIGNALS.map((signal) => ({ signal, body })));
}

async function post(server: RestartableServer, { signal, body }: MadeRequest): Promise<number> {
  const type = body[0] === 0x7b ? 'application/json' : 'application/x-protobuf';
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': type };
  const response = await fetch(`http://127.0.0.1:${server.port}/v1/${signal}`, { method: 'POST', headers, body });
  await response.arrayBuffer();
  return response.status;
}

/** Over the API of S2, which takes any bytes: those with exactly one item are OTLP. */
async function append(server: RestartableServer, requests: readonly MadeRequest[]): Promise<void> {
  const headers = {
    authorization: `Bearer ${server.token}`,
    'content-type': 'application/json',
    's2-format': 'base64',
  };
  const url = `http://127.0.0.1:${server.port}/v1/streams/${APPENDED}/records`;
  const base64 = (bytes: string | Uint8Array) => Buffer.from(bytes).toString('base64');
  for (let at = 0; at < requests.length; at += APPEND_RECORDS) {
    const records = requests.slice(at, at + APPEND_RECORDS).map(({ signal, body }) => {
      return { headers: [[base64('otel.signal'), base64(signal)]], body: base64(body) };
    });
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ records }) });
    expectThat(response.status === 200, `the append is taken: ${response.status} ${await response.text()}`);
  }
}

async function isTaken(collector: CollectorProcess, message: MadeRequest, encoding: 'proto' | 'json') {
  const type = encoding === 'proto' ? 'application/x-protobuf' : 'application/json';
  const { status, body } = await collector.send(message.signal, message.body, type);
  const answer = body.toString();
  const isWhole = status === 200 && !/partialSuccess":\{"/.test(answer) && (encoding === 'json' || body.length <= 2);
  if (!isWhole) report(`refused: ${encoding}, ${message.signal}: ${status} ${answer.slice(0, 300)}`);
  return isWhole;
}

/** The OTLP messages of a stream, from its beginning to its tail. */
function read(server: RestartableServer, stream: string, encoding: 'proto' | 'json'): Promise<MadeRequest[]> {
  const url = `ws://127.0.0.1:${server.port}/v1/streams/${encodeURIComponent(stream)}/records?seq_num=0`;
  const headers = { authorization: `Bearer ${server.token}` };
  const socket = new WebSocket(url, `otlp.${encoding}`, { headers, maxPayload: 0 });
  const found: MadeRequest[] = [];
  let signal: Signal = 'logs';
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (code) =>
      code === 1000 || code === 1005 ? resolve(found) : reject(new Error(`closed: ${code}`)),
    );
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) return void found.push({ signal, body: data });
      const frame = JSON.parse(data.toString()) as Frame;
      if (frame.signal !== undefined && frame.signal !== null) signal = frame.signal;
      for (const request of frame.requests ?? []) {
        found.push({ signal: signalIn(request), body: Buffer.from(JSON.stringify(request)) });
      }
      if (frame.type === 'caught_up') socket.close();
    });
  });
}

interface Frame {
  readonly type: string;
  readonly signal?: Signal | null;
  readonly requests?: readonly object[];
}

function signalIn(request: object): Signal {
  if ('resourceLogs' in request) return 'logs';
  return 'resourceSpans' in request ? 'traces' : 'metrics';
}

/** One to three bytes or bits are others, a piece is cut out, or one is there twice. */
function mutate(body: Uint8Array, random: (below: number) => number): Buffer {
  let mutated = Buffer.from(body);
  for (let edits = 1 + random(3); edits > 0 && mutated.length > 0; edits--) {
    const at = random(mutated.length);
    const kind = random(8);
    const end = at + random(12);
    if (kind < 3) mutated[at] = random(256);
    else if (kind < 6) mutated[at] = (mutated[at] ?? 0) ^ (1 << random(8));
    else if (kind === 6) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(end)]);
    else mutated = Buffer.concat([mutated.subarray(0, end), mutated.subarray(at)]);
  }
  return mutated;
}
