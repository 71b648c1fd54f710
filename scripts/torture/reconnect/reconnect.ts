/**
 * Connections of readers are cut at random while streams are written. Readers of every protocol, of one stream and of many,
 * with a filter and without, and the command line over a prefix with a filter, end with exactly the records: none missing,
 * none twice, all in order.
 *
 * Negative control: a reader that does not say where it was gets records twice, and that is noticed.
 */

import { createClient } from '../../../src/client/client.ts';
import { startProbedServer } from '../loop/probed-server.ts';
import { randomFrom, startCuttingProxy } from './cutting-proxy.ts';
import { READERS, type ReaderSetting, readByCommandLine, readCarelessly, type Seen } from './readers.ts';

export interface ReconnectPlan {
  readonly port: number;
  readonly token: string;
  readonly seed: number;
  /** A connection is cut after at most about so many bytes, most of them much earlier. */
  readonly bytesMax: number;
  /** Whether to go on writing, asked before each round. */
  goOn(round: number): boolean;
}

export interface ReconnectOutcome {
  readonly cuts: number;
  readonly records: number;
  /** What each reader got wrong. */
  readonly breaches: readonly string[];
  /** What the careless reader got wrong. */
  readonly controlBreaches: readonly string[];
}

const STREAMS = ['cut-a', 'cut-b', 'cut-c', 'cut-d'];
const [FIRST_STREAM = ''] = STREAMS;
const FILTER = 'body~even';
const CONTROL = 'control';
const COMMAND_LINE = 'tailrace over a prefix with a filter';
const BATCH_RECORDS_MAX = 6;

export async function run(): Promise<void> {
  const seconds = Number(process.env.TAILRACE_TORTURE_SECONDS ?? 60);
  const server = await startProbedServer();
  const end = performance.now() + seconds * 1_000;
  const outcome = await readThroughCuts({
    ...server,
    seed: Date.now(),
    bytesMax: 100_000,
    goOn: () => performance.now() < end,
  });
  await server.stop();
  process.stdout.write(`  ${outcome.cuts} cuts, ${outcome.records} records in ${STREAMS.length} streams\n`);
  if (outcome.breaches.length > 0) throw new Error(outcome.breaches.join('\n'));
  if (outcome.controlBreaches.length === 0) throw new Error('a reader that does not resume was not noticed');
}

export async function readThroughCuts(plan: ReconnectPlan): Promise<ReconnectOutcome> {
  // Readers of one stream are refused until it is there.
  await createStreams(plan);
  const random = randomFrom(plan.seed);
  const proxy = await startCuttingProxy(plan.port, plan.bytesMax, random);
  const written: Seen = new Map(STREAMS.map((stream) => [stream, []]));
  const ends = new Map<string, number>();
  const reads = Object.entries(READERS).flatMap(([kind, read]) =>
    [undefined, FILTER].map((filter) => ({
      name: `${kind}${filter === undefined ? '' : ' with a filter'}`,
      read,
      filter,
    })),
  );
  const begin = (name: string, read: (setting: ReaderSetting) => Promise<void>, filter: string | undefined) => {
    const isMany = name.includes('many') || name === CONTROL || name === COMMAND_LINE;
    const seen: Seen = new Map();
    const streams = isMany ? STREAMS : [FIRST_STREAM];
    const note = (stream: string, seqNum: number): boolean => {
      const numbers = seen.get(stream) ?? [];
      // The control may be cut for ever before it comes to the end.
      const isCaught = name === CONTROL && seqNum <= (numbers.at(-1) ?? -1);
      numbers.push(seqNum);
      seen.set(stream, numbers);
      return (
        isCaught || streams.every((one) => (seen.get(one)?.at(-1) ?? -1) >= (ends.get(one) ?? Number.POSITIVE_INFINITY))
      );
    };
    const setting = { port: proxy.port, token: plan.token, stream: FIRST_STREAM, filter, note };
    return read(setting).then(() => breachesOf(name, streams, seen, written, filter));
  };
  const control = begin(CONTROL, readCarelessly, undefined);
  const all = Promise.all([
    ...reads.map(({ name, read, filter }) => begin(name, read, filter)),
    begin(COMMAND_LINE, readByCommandLine, FILTER),
  ]);
  try {
    await Promise.race([write(plan, random, written, ends), all]);
    const breaches = (await all).flat();
    return { cuts: proxy.cuts, records: [...written.values()].flat().length, breaches, controlBreaches: await control };
  } finally {
    proxy.close();
  }
}

async function createStreams({ port, token }: ReconnectPlan): Promise<void> {
  const client = createClient({ endpoint: `http://127.0.0.1:${port}`, token, basin: 'telemetry' });
  for (const stream of STREAMS) await client.createStream(stream);
}

/** The last record of each stream is one that the filter wants. */
async function write(
  { port, token, goOn }: ReconnectPlan,
  random: () => number,
  written: Seen,
  ends: Map<string, number>,
): Promise<void> {
  const client = createClient({ endpoint: `http://127.0.0.1:${port}`, token, basin: 'telemetry' });
  const append = async (stream: string, count: number): Promise<number> => {
    const numbers = written.get(stream) ?? [];
    const from = numbers.length;
    const more = Array.from({ length: count }, (_, i) => from + i);
    // A reader may have them before the writer has its answer.
    numbers.push(...more);
    await client.append(
      stream,
      more.map((n) => ({ body: `<${n}> ${n % 2 === 0 ? 'even' : 'odd'}` })),
    );
    return numbers.length;
  };
  for (let round = 0; goOn(round); round++) {
    const stream = STREAMS[Math.floor(random() * STREAMS.length)] ?? FIRST_STREAM;
    await append(stream, 1 + Math.floor(random() * BATCH_RECORDS_MAX));
  }
  for (const stream of STREAMS) {
    const length = (written.get(stream) ?? []).length;
    // The end is announced before it comes.
    ends.set(stream, length % 2 === 0 ? length : length + 1);
    await append(stream, length % 2 === 0 ? 1 : 2);
  }
}

function breachesOf(
  name: string,
  streams: readonly string[],
  seen: Seen,
  written: Seen,
  filter: string | undefined,
): readonly string[] {
  return streams.flatMap((stream) => {
    const wanted = (written.get(stream) ?? []).filter((n) => filter === undefined || n % 2 === 0);
    const got = seen.get(stream) ?? [];
    const at = Array.from({ length: Math.max(wanted.length, got.length) }, (_, i) => i).find(
      (i) => wanted[i] !== got[i],
    );
    return at === undefined ? [] : [`${name}: record ${got[at]} came in place of ${wanted[at]} of ${stream}`];
  });
}
