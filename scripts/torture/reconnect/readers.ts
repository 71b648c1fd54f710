/** Readers of every protocol that connect again whenever their connection is cut, and note what they got. */

import { spawn } from 'node:child_process';
import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClient } from '../../../src/client/client.ts';

/** Sequence numbers by stream, in the order in which they came. */
export type Seen = Map<string, number[]>;

export interface ReaderSetting {
  readonly port: number;
  readonly token: string;
  /** The default one without it. */
  readonly basin?: string;
  /** What a reader of one stream reads. */
  readonly stream: string;
  readonly filter: string | undefined;
  /** Whether a reader comes back to a server that stops, or is not ready. */
  readonly comesBack?: boolean;
  /** Ends the reader. */
  readonly signal?: AbortSignal;
  /** Told of each record; true when it was the last one of all. */
  note(stream: string, seqNum: number): boolean;
}

const DIST = import.meta.url.includes('/dist/scripts/') ? '../../../' : '../../../dist/';
const CLI_MAIN = fileURLToPath(new URL(`${DIST}cli/main.js`, import.meta.url));
const COMPLAINT_CHARS = 2_000;
const NOT_READY = 503;
const COMES_BACK_MS = 50;

type ReadAll = (setting: ReaderSetting) => Promise<void>;

export const READERS: Readonly<Record<string, ReadAll>> = {
  websocket: async ({ port, token, basin, stream, filter, signal, note }) => {
    const client = createClient({ endpoint: `http://127.0.0.1:${port}`, token, basin });
    for await (const frame of reconnecting(() =>
      client.read(stream, { view: 'raw', start: { seqNum: 0 }, filter, signal }),
    )) {
      if (frame.type === 'batch' && frame.records.some(({ seqNum }) => note(stream, seqNum))) return;
    }
  },
  'many over websocket': async ({ port, token, basin, filter, signal, note }) => {
    const client = createClient({ endpoint: `http://127.0.0.1:${port}`, token, basin });
    const read = (): ReturnType<typeof client.readMany<'raw'>> =>
      client.readMany({ prefix: '' }, { view: 'raw', from: 'start', filter, signal });
    for await (const frame of reconnecting(read)) {
      if (frame.type === 'batch' && frame.records.some(({ seqNum }) => note(frame.stream, seqNum))) return;
    }
  },
  events: (setting) => readEvents(setting, `/v1/streams/${setting.stream}/records?seq_num=0`),
  'many as events': (setting) => readEvents(setting, '/v1/records?prefix=&from=start'),
  s2s: readSession,
};

/**
 * `tailrace tail` over a prefix, as a process of its own. A command that never reached the server ends, as it says; until
 * then it is started again.
 */
export async function readByCommandLine({ port, token, filter, note }: ReaderSetting): Promise<void> {
  const where = filter === undefined ? [] : ['--where', filter];
  const args = ['read', '--prefix', '', '-s', '0', '--format', '{{stream}} {{seq}}', ...where];
  const env = { ...process.env, TAILRACE_ENDPOINT: `http://127.0.0.1:${port}`, TAILRACE_TOKEN: token };
  for (let isDone = false, hasRead = false; !isDone; ) {
    const child = spawn(process.execPath, [CLI_MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-COMPLAINT_CHARS);
    });
    for await (const line of createInterface({ input: child.stdout })) {
      hasRead = true;
      const [stream = '', seqNum] = line.split(' ');
      isDone = note(stream, Number(seqNum));
      if (isDone) break;
    }
    child.kill('SIGKILL');
    if (hasRead && !isDone) throw new Error(`the command ended before it had read everything: ${complaint}`);
  }
}

/** The negative control: without the id of the last event it gets records again. */
export function readCarelessly(setting: ReaderSetting): Promise<void> {
  return readEvents(setting, '/v1/records?prefix=&from=start', true);
}

/** The first connection may be cut as well, before the reader knows that there is a server. */
async function* reconnecting<T>(read: () => AsyncGenerator<T, void, void>): AsyncGenerator<T> {
  for (;;) {
    let isConnected = false;
    try {
      for await (const one of read()) {
        isConnected = true;
        yield one;
      }
      return;
    } catch (error) {
      if (isConnected) throw error;
    }
  }
}

async function readEvents(setting: ReaderSetting, path: string, isCareless = false): Promise<void> {
  const { filter, signal, note } = setting;
  const query = filter === undefined ? '' : `&filter=${encodeURIComponent(filter)}`;
  let lastId: string | undefined;
  while (signal?.aborted !== true) {
    const resume = lastId === undefined || isCareless ? {} : { 'last-event-id': lastId };
    for await (const { event, id, data } of eventsIn(
      open(setting, path + query, { accept: 'text/event-stream', ...resume }),
    )) {
      lastId = id ?? lastId;
      if (event === 'error' && setting.comesBack === true) break;
      if (event === 'error') throw new Error(`an event says: ${data}`);
      if (event !== 'batch') continue;
      const batch = JSON.parse(data) as { stream?: string; records: { seq_num: number }[] };
      if (batch.records.some((record) => note(batch.stream ?? setting.stream, record.seq_num))) return;
    }
  }
}

/** Records say their numbers in their bodies, so that what has come of a frame that was cut counts too. */
async function readSession(setting: ReaderSetting): Promise<void> {
  const { stream, filter, note } = setting;
  const query = filter === undefined ? '' : `&filter=${encodeURIComponent(filter)}`;
  let next = 0;
  for (;;) {
    const path = `/v1/streams/${stream}/records?seq_num=${next}${query}`;
    let rest = '';
    for await (const text of open(setting, path, { 'content-type': 's2s/proto' })) {
      rest += text;
      for (const [, number] of rest.matchAll(/<(\d+)>/g)) {
        next = Number(number) + 1;
        if (note(stream, next - 1)) return;
      }
      rest = rest.slice(Math.max(0, rest.lastIndexOf('>') + 1));
    }
  }
}

/** The text of a response, up to where it is cut. */
async function* open(
  { port, token, basin = 'telemetry', comesBack, signal }: ReaderSetting,
  path: string,
  more: object,
): AsyncGenerator<string> {
  const headers = { authorization: `Bearer ${token}`, 's2-basin': basin, ...more };
  const sent = request({ port, host: '127.0.0.1', path, headers, agent: false, ...(signal && { signal }) });
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve);
      sent.on('error', reject);
      sent.end();
    });
    if (response.statusCode === NOT_READY && comesBack === true) return;
    if (response.statusCode !== 200) throw new Refused(`${path} was answered with ${response.statusCode}`);
    response.setEncoding('latin1');
    for await (const text of response) yield String(text);
  } catch (error) {
    if (error instanceof Refused) throw error;
  } finally {
    if (comesBack === true) await new Promise((resolve) => setTimeout(resolve, COMES_BACK_MS));
    sent.destroy();
  }
}

class Refused extends Error {}

async function* eventsIn(texts: AsyncIterable<string>) {
  let text = '';
  for await (const more of texts) {
    text += more;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const field = (name: string): string | undefined =>
        new RegExp(`^${name}: (.*)$`, 'm').exec(text.slice(0, end))?.[1];
      yield { event: field('event'), id: field('id'), data: field('data') ?? '' };
      text = text.slice(end + 2);
    }
  }
}
