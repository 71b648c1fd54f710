/**
 * S2 sessions as load, a process of its own. Appends: sessions on one connection, each with several batches under way.
 * Reads: one session, its bytes and frames counted until it ends. Prints one line of JSON.
 *
 * argv[2] is a JSON object: see {@link SessionLoad}.
 */

import { readFileSync } from 'node:fs';
import { connectRawH2, type RawConnection } from './h2-client.ts';

export type SessionLoad = Target & (Appends | Reads);

interface Target {
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Appends {
  readonly kind: 'append';
  /** One session each. */
  readonly paths: readonly string[];
  /** A whole s2s frame, sent again and again. */
  readonly frameFile: string;
  readonly inFlight: number;
  /** Over all sessions. */
  readonly batches: number;
}

export interface Reads {
  readonly kind: 'read';
  /** Read one after the other. */
  readonly paths: readonly string[];
}

export interface AppendsResult {
  readonly batches: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface ReadsResult {
  readonly bytes: number;
  readonly frames: number;
  readonly seconds: number;
  /** From each request to the end of its first frame. */
  readonly firstFrameMs: readonly number[];
}

const LENGTH_BYTES = 3;
const TERMINAL = 0x80;

if (process.argv[2] !== undefined) await main(JSON.parse(process.argv[2]) as SessionLoad);

async function main(load: SessionLoad): Promise<void> {
  const connection = await connectRawH2(load.port);
  const result = await (load.kind === 'append' ? append(connection, load) : read(connection, load));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  connection.destroy();
}

async function append(connection: RawConnection, load: Target & Appends): Promise<AppendsResult> {
  const frame = readFileSync(load.frameFile);
  const latencies: number[] = [];
  let unsent = load.batches;
  const startedAt = performance.now();
  const session = (path: string): Promise<void> =>
    new Promise((resolve) => {
      const sentAt: number[] = [];
      const onFrame = (): void => {
        latencies.push(performance.now() - (sentAt.shift() ?? 0));
        send();
      };
      const stream = connection.request(head(load, 'POST', path), { onData: frames(onFrame), onEnd: resolve });
      const send = (): void => {
        if (unsent === 0) {
          if (sentAt.length === 0) stream.end();
          return;
        }
        unsent--;
        sentAt.push(performance.now());
        stream.write(frame);
      };
      for (let i = 0; i < load.inFlight; i++) send();
    });
  await Promise.all(load.paths.map(session));
  const seconds = (performance.now() - startedAt) / 1e3;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0;
  return { batches: latencies.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

async function read(connection: RawConnection, load: Target & Reads): Promise<ReadsResult> {
  let bytes = 0;
  let count = 0;
  let seconds = 0;
  const firstFrameMs: number[] = [];
  for (const path of load.paths) {
    const startedAt = performance.now();
    let first = true;
    await new Promise<void>((resolve) => {
      const onFrame = frames(() => {
        if (first) firstFrameMs.push(performance.now() - startedAt);
        first = false;
        count++;
      });
      const onData = (chunk: Buffer): void => {
        bytes += chunk.length;
        onFrame(chunk);
      };
      connection.request(head(load, 'GET', path), { onData, onEnd: resolve }).end();
    });
    seconds += (performance.now() - startedAt) / 1e3;
  }
  return { bytes, frames: count, seconds, firstFrameMs };
}

function head(load: Target, method: string, path: string): [string, string][] {
  return [
    [':method', method],
    [':scheme', 'http'],
    [':path', path],
    [':authority', `127.0.0.1:${load.port}`],
    ['content-type', 's2s/proto'],
    ...Object.entries(load.headers),
  ];
}

/** Calls back at the end of each s2s frame, however the bytes are cut; a terminal frame ends the process. */
function frames(onFrame: () => void): (chunk: Buffer) => void {
  let head = Buffer.alloc(0);
  let left = 0;
  return (chunk) => {
    for (let rest = chunk; rest.length > 0; ) {
      if (left === 0) {
        const missing = LENGTH_BYTES + 1 - head.length;
        head = Buffer.concat([head, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (head.length <= LENGTH_BYTES) return;
        left = head.readUIntBE(0, LENGTH_BYTES) - 1;
        if (((head[LENGTH_BYTES] ?? 0) & TERMINAL) !== 0) {
          process.stderr.write(`the session failed: ${rest.toString('latin1')}\n`);
          process.exit(1);
        }
        head = Buffer.alloc(0);
        if (left === 0) onFrame();
        continue;
      }
      const taken = Math.min(left, rest.length);
      left -= taken;
      rest = rest.subarray(taken);
      if (left === 0) onFrame();
    }
  };
}
