/**
 * Real exporters export while their server is killed again and again, and started on the same ports and directory. A
 * batch is exported until the exporter reports success: nothing of it may be lost then, and in a basin with a window
 * nothing may be there twice.
 */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import {
  EXPORTERS,
  type ExportedSignal,
  type ExportItems,
  makeItems,
  openExporter,
  type RealExporter,
} from './real-exporters.ts';

export interface KilledServer {
  readonly url: string;
  readonly port: number;
  readonly grpcUrl: string | undefined;
  readonly token: string;
  /** kill -9, until it is gone. */
  kill(): Promise<void>;
}

export interface KillRounds {
  readonly rounds: number;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** Starts the server: the first time, and after each kill, on the same ports and directory. */
  readonly start: () => Promise<KilledServer>;
  /** The configuration of each basin; all get the same data. */
  readonly basins: Readonly<Record<string, object>>;
}

export interface KillFigures {
  batches: number;
  /** Exports that ended without success, and were tried again. */
  failures: number;
  /** Kills when every basin had stored a request whose response was kept back. */
  answersLost: number;
}

/** Names of items, by basin and stream. */
type Names = Readonly<Record<string, Readonly<Record<string, string[]>>>>;

interface Lane {
  readonly signal: ExportedSignal;
  readonly stream: string;
  readonly exporter: RealExporter;
  /** What was reported as exported. */
  readonly names: string[];
}

const ITEMS = 3;
const BATCHES_MAX = 12;
const RETRY_MS = 25;
/** What an exporter reports when the server was not there, or was gone before it answered. */
const TEMPORARY = /ECONN|EPIPE|socket hang up|retryable|UNAVAILABLE|timed out|DEADLINE_EXCEEDED|CANCELLED/i;

/**
 * Kills and starts, and ends with a server that runs.
 * @throws Error when an exporter reports anything but trouble that passes
 */
export async function killWhileExporting({ rounds, random, start, basins }: KillRounds) {
  const figures: KillFigures = { batches: 0, failures: 0, answersLost: 0 };
  let server = await start();
  await makeBasins(server, basins);
  const cutters = await Promise.all(Object.keys(basins).map(() => startCutter(server.port)));
  const lanes = Object.keys(basins).map((basin, index) => lanesInto(basin, server, cutters[index]?.port ?? 0));
  const all = lanes.flat();
  try {
    for (let round = 0; round < rounds; round++) {
      const kill =
        round % 2 === 0 ? killWhenStored(cutters, figures) : killAfter(Math.floor(random() * 4 * all.length));
      let isOver = false;
      const killed = kill.now.then(async () => {
        isOver = true;
        await server.kill();
        for (const cutter of cutters) cutter.restore();
        server = await start();
      });
      const exported = all.map(async ({ signal, stream, names, exporter }, lane) => {
        for (let batch = 0; batch < BATCHES_MAX && !(isOver && batch > 0); batch++) {
          const wanted = Array.from({ length: ITEMS }, (_, item) => `item-${round}-${lane}-${batch}-${item}-end`);
          const items = await makeItems(signal, stream, { names: wanted });
          for (; !(await succeeds(exporter, items)); figures.failures++) {
            await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
          }
          figures.batches++;
          names.push(...wanted);
          kill.reported();
        }
        kill.ended();
      });
      await Promise.all([killed, ...exported]);
    }
  } finally {
    await Promise.all(all.map(({ exporter }) => exporter.close()));
    for (const cutter of cutters) cutter.close();
  }
  const reported: Names = Object.fromEntries(
    Object.keys(basins).map((basin, index) => [
      basin,
      Object.fromEntries((lanes[index] ?? []).map(({ stream, names }) => [stream, names])),
    ]),
  );
  return { server, figures, reported };
}

/** An exporter of every kind; those of HTTP go through the proxy. */
function lanesInto(basin: string, { grpcUrl, token }: KilledServer, port: number): Lane[] {
  const target = { url: `http://127.0.0.1:${port}`, grpcUrl, token };
  const reachable = EXPORTERS.filter(({ protocol }) => protocol !== 'grpc' || grpcUrl !== undefined);
  return reachable.map(({ signal, protocol }) => ({
    signal,
    stream: `${signal}-${protocol.replace('/', '-')}`,
    exporter: openExporter(signal, protocol, target, { headers: { 's2-basin': basin } }),
    names: [],
  }));
}

async function succeeds(exporter: RealExporter, items: ExportItems): Promise<boolean> {
  const { code, error } = await exporter.export(items);
  if (code === 0) return true;
  if (!TEMPORARY.test(`${error?.message} ${error?.code}`)) throw new Error(`an exporter reports ${error?.message}`);
  return false;
}

interface Kill {
  /** Resolves when the server is to be killed. */
  readonly now: Promise<void>;
  /** A batch is reported as exported. */
  reported(): void;
  /** All batches of one exporter are through. */
  ended(): void;
}

/** After so many batches, whatever else is under way. */
function killAfter(batches: number): Kill {
  const { promise, resolve } = promised();
  let left = batches;
  if (left === 0) setImmediate(resolve);
  return {
    now: promise,
    reported: () => {
      if (--left <= 0) resolve();
    },
    ended: resolve,
  };
}

/** When a response came into each basin and did not pass: its request is on disk, and its exporter does not know. */
function killWhenStored(cutters: readonly Cutter[], figures: KillFigures): Kill {
  const { promise, resolve } = promised();
  let left = EXPORTERS.length;
  return {
    now: promise,
    reported: () => {
      if (--left !== 0) return;
      void Promise.all(cutters.map((cutter) => cutter.cut())).then(() => {
        figures.answersLost++;
        resolve();
      });
    },
    ended: () => {},
  };
}

function promised() {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

interface Cutter {
  readonly port: number;
  /** From now on nothing of the server passes; resolves with the first that does not. */
  cut(): Promise<void>;
  restore(): void;
  close(): void;
}

/** A proxy that can keep back what the server says. */
async function startCutter(port: number): Promise<Cutter> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let onAnswer = (): void => {};
  const server = createServer({ noDelay: true }, (client) => {
    const onward = connect({ port, host: '127.0.0.1', noDelay: true });
    const join = (one: Socket, other: Socket): void => {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    };
    join(client, onward);
    join(onward, client);
    client.pipe(onward);
    onward.on('data', (bytes: Buffer) => {
      if (!isCut) client.write(bytes);
      else onAnswer();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      const { promise, resolve } = promised();
      isCut = true;
      onAnswer = resolve;
      return promise;
    },
    restore: () => {
      isCut = false;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Reads everything back: what was reported and is not there, what is there twice. */
export async function missingAndDoubled(server: KilledServer, reported: Names, basin: string) {
  const missing: string[] = [];
  const doubled: string[] = [];
  for (const [stream, names] of Object.entries(reported[basin] ?? {})) {
    const read = await namesIn(server, basin, stream);
    const there = new Set(read);
    missing.push(...names.filter((name) => !there.has(name)));
    doubled.push(...read.filter((name, index) => read.indexOf(name) !== index));
  }
  return { missing, doubled };
}

/** The names of the items of a stream, in order. */
async function namesIn({ url, token }: KilledServer, basin: string, stream: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (;;) {
    const headers = { authorization: `Bearer ${token}`, 's2-basin': basin, 's2-format': 'base64' };
    const answer = await fetch(`${url}/v1/streams/${stream}/records?seq_num=${names.length}`, { headers });
    if (answer.status !== 200) return names;
    const { records } = (await answer.json()) as { readonly records: readonly { readonly body: string }[] };
    if (records.length === 0) return names;
    for (const { body } of records) names.push(nameIn(Buffer.from(body, 'base64').toString('latin1')));
  }
}

function nameIn(body: string): string {
  return /item-[-\d]+-end/.exec(body)?.[0] ?? '';
}

/** Makes the basins, whose streams come by themselves. */
async function makeBasins({ url, token }: KilledServer, basins: Readonly<Record<string, object>>): Promise<void> {
  for (const [basin, config] of Object.entries(basins)) {
    const answer = await fetch(`${url}/v1/basins`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ basin, config: { create_stream_on_append: true, ...config } }),
    });
    if (answer.status !== 201) throw new Error(`the basin ${basin} was not made: ${await answer.text()}`);
  }
}
