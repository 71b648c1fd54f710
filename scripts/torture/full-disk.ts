/**
 * The long form of the tests of a full store: it fills up again and again, by its cap and by a disk that somebody else fills
 * to its last byte, under concurrent writers and kill -9. Fences and trims must go through, service must resume, and
 * every acknowledged record must be at its position.
 *
 * Negative control: a server without the reserve must refuse the trim.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createServer } from '../../src/server.ts';
import type { Engine } from '../../src/storage/engine.ts';

const ROUNDS = Number(process.env.TAILRACE_TORTURE_ROUNDS ?? 20);
const FILLS_EACH = 3;
const STREAMS = ['one', 'two', 'three', 'four'];
const CAP_BYTES = 24 * 1024 * 1024;
const DISK_MIB = 64;
/** On a disk: of it, more than the reserve must be the store's, or trims cannot free as much. */
const RECORDS_MIN = 420;
const RECORDS_MORE = 150;
const BODY_BYTES_MAX = 150_000;
const RESUME_MS_MAX = 20_000;
const FILLER = Buffer.alloc(64 * 1024, 1);
const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

interface Target {
  readonly url: string;
  readonly token: string;
}

/** What is known of a stream: acknowledged bodies by position, and where it begins at least. */
interface Known {
  readonly acked: Map<number, string>;
  trimmedTo: number;
}

interface Figures {
  fills: number;
  kills: number;
  acked: number;
  refused: number;
  commands: number;
  readonly resumeMs: number[];
}

/** Prints its figures. @throws Error with what did not hold */
export async function run(): Promise<void> {
  const figures: Figures = { fills: 0, kills: 0, acked: 0, refused: 0, commands: 0, resumeMs: [] };
  let disks = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const disk = round % 2 === 0 ? mountDisk() : undefined;
    if (disk !== undefined) disks++;
    const dir = disk ?? mkdtempSync(path.join(tmpdir(), 'tailrace-torture-'));
    try {
      await oneRound(path.join(dir, 'data'), disk, figures);
    } finally {
      if (disk !== undefined) spawnSync('umount', ['-l', disk]);
      rmSync(dir, { recursive: true, force: true });
    }
  }
  if (disks === 0) console.log('full-disk: nothing can be mounted here, so only the cap was reached, no disk');
  await negativeControl();
  const { resumeMs, ...counts } = figures;
  resumeMs.sort((a, b) => a - b);
  const [median, worst] = [resumeMs[resumeMs.length >> 1], resumeMs.at(-1)].map((ms) => `${Math.round(ms ?? 0)} ms`);
  console.log(`full-disk: ${ROUNDS} rounds, ${disks} on a full disk: ${JSON.stringify(counts)}`);
  console.log(
    `full-disk: from the trim to the next record, with kills: median ${median}, worst ${worst}; 0 lost, 0 gaps`,
  );
}

async function oneRound(dataDir: string, disk: string | undefined, figures: Figures): Promise<void> {
  const known = new Map(STREAMS.map((name): [string, Known] => [name, { acked: new Map(), trimmedTo: 0 }]));
  let server = await start(dataDir, disk === undefined);
  try {
    for (let fill = 0; fill < FILLS_EACH; fill++) {
      const until = disk === undefined || fill > 0 ? Number.POSITIVE_INFINITY : RECORDS_MIN + randomInt(RECORDS_MORE);
      await writeUntil(server.target, known, figures, until);
      if (disk !== undefined) fillFromOutside(disk);
      await writeUntil(server.target, known, figures, Number.POSITIVE_INFINITY);
      figures.fills++;
      const began = performance.now();
      for (const [name, stream] of known) await freeMost(server.target, name, stream, figures);
      if (randomInt(2) === 0) {
        figures.kills++;
        await kill(server.child);
        server = await start(dataDir, disk === undefined);
      }
      await untilTaken(server.target, known, figures, began);
      for (const [name, stream] of known) await expectAll(server.target, name, stream);
    }
  } finally {
    await kill(server.child);
  }
}

/** All streams at once, until each was refused, or so many records were taken. */
async function writeUntil(
  target: Target,
  known: ReadonlyMap<string, Known>,
  figures: Figures,
  records: number,
): Promise<void> {
  let taken = 0;
  const writers = [...known].map(async ([name, stream]) => {
    while (taken < records) {
      if (!(await append(target, name, stream, figures))) return;
      taken++;
    }
  });
  await Promise.all(writers);
}

async function append(target: Target, name: string, { acked }: Known, figures: Figures): Promise<boolean> {
  const body = randomBytes(1 + randomInt(BODY_BYTES_MAX)).toString('base64');
  const { status, json } = await call(target, 'POST', name, { records: [{ body }] });
  if (status === 200) {
    acked.set(startOf(json), body.slice(0, 64));
    figures.acked++;
    return true;
  }
  if (status !== 500) throw new Error(`an append to a full store was answered with ${status}`);
  figures.refused++;
  return false;
}

/** A fence, and a trim that leaves the last few records. */
async function freeMost(target: Target, name: string, stream: Known, figures: Figures): Promise<void> {
  const fence = await call(target, 'POST', name, { records: [command('fence', Buffer.from(`f${randomInt(9)}`))] });
  if (fence.status !== 200) throw new Error(`a fence on a full store was answered with ${fence.status}`);
  const trimmedTo = Math.max(stream.trimmedTo, startOf(fence.json) - randomInt(4));
  const to = Buffer.alloc(8);
  to.writeBigUInt64BE(BigInt(trimmedTo));
  const trim = await call(target, 'POST', name, { records: [command('trim', to)] });
  if (trim.status !== 200) throw new Error(`a trim on a full store was answered with ${trim.status}`);
  stream.trimmedTo = trimmedTo;
  figures.commands += 2;
}

async function untilTaken(
  target: Target,
  known: ReadonlyMap<string, Known>,
  figures: Figures,
  began: number,
): Promise<void> {
  const [name, stream] = [...known][0] ?? [];
  if (name === undefined || stream === undefined) return;
  while (!(await append(target, name, stream, figures))) {
    if (performance.now() - began > RESUME_MS_MAX) throw new Error('service did not resume after the trims');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  figures.resumeMs.push(performance.now() - began);
}

/** Reads a stream from its beginning: no gap, nothing from before the trim point, every acknowledged record. */
async function expectAll(target: Target, name: string, { acked, trimmedTo }: Known): Promise<void> {
  let next = trimmedTo;
  for (;;) {
    const { status, json } = await call(target, 'GET', `${name}/records?seq_num=${next}&count=1000`);
    if (status === 416) break;
    if (status !== 200) throw new Error(`a read was answered with ${status}`);
    const { records } = json as { records: readonly { seq_num: number; body?: string }[] };
    if (records.length === 0) break;
    for (const { seq_num: seqNum, body = '' } of records) {
      if (seqNum !== next) throw new Error(`${name}: after ${next - 1} comes ${seqNum}`);
      const wanted = acked.get(seqNum);
      if (wanted !== undefined && body.slice(0, 64) !== wanted) throw new Error(`${name}: ${seqNum} is another record`);
      next++;
    }
  }
  const last = Math.max(-1, ...acked.keys());
  if (last >= next) throw new Error(`${name}: ${last} was acknowledged, the stream ends at ${next}`);
}

/** The same store over an engine that gives nobody the reserve. */
async function negativeControl(): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tailrace-torture-'));
  const rootToken = randomBytes(32).toString('hex');
  const config = { port: 0, dataDir, rootToken, logLevel: 'silent', storeBytesMax: CAP_BYTES } as const;
  const server = await createServer(config, { wrapEngine: withoutReserve });
  const { url } = await server.listen();
  // What a server in this process waits for while it closes keeps no process alive.
  const awake = setInterval(() => {}, 1_000);
  const stream: Known = { acked: new Map(), trimmedTo: 0 };
  const figures: Figures = { fills: 0, kills: 0, acked: 0, refused: 0, commands: 0, resumeMs: [] };
  try {
    const target = { url, token: rootToken };
    await writeUntil(target, new Map([['one', stream]]), figures, Number.POSITIVE_INFINITY);
    const passed = await freeMost(target, 'one', stream, figures).then(
      () => true,
      () => false,
    );
    if (passed) throw new Error('negative control: a server without the reserve took a trim while it was full');
    console.log('full-disk: negative control: without the reserve the trim is refused, as it must be');
  } finally {
    await server.close();
    clearInterval(awake);
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function withoutReserve(engine: Engine): Engine {
  const commit = engine.commit.bind(engine);
  engine.commit = (writes) => commit(writes);
  return engine;
}

async function call(target: Target, method: 'GET' | 'POST', what: string, body?: object) {
  const url = `${target.url}/v1/streams/${method === 'GET' ? what : `${what}/records`}`;
  const headers = {
    authorization: `Bearer ${target.token}`,
    's2-basin': 'telemetry',
    's2-format': 'base64',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return { status: answer.status, json: (await answer.json()) as unknown };
}

function command(name: string, body: Buffer) {
  return { headers: [['', Buffer.from(name).toString('base64')]], body: body.toString('base64') };
}

function startOf(json: unknown): number {
  return (json as { start: { seq_num: number } }).start.seq_num;
}

async function start(dataDir: string, isCapped: boolean): Promise<{ child: ChildProcess; target: Target }> {
  const cap = isCapped ? ['--store-bytes-max', String(CAP_BYTES)] : [];
  const args = [MAIN, 'serve', '--port', '0', '--data-dir', dataDir, '--log-level', 'error', ...cap];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /listening on (http:\/\/\S+)/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stdout.resume();
    return { child, target: { url, token: readFileSync(path.join(dataDir, 'root-token'), 'utf8').trim() } };
  }
  throw new Error('the server ended before it listened');
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

function mountDisk(): string | undefined {
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-torture-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', dir]).status === 0) return dir;
  rmSync(dir, { recursive: true });
  return undefined;
}

/** Until there is not one byte left. */
function fillFromOutside(disk: string): void {
  const fd = openSync(path.join(disk, 'outside'), 'a');
  for (let bytes = FILLER.length; bytes >= 1; bytes = bytes >> 1) {
    try {
      while (writeSync(fd, FILLER, 0, bytes) > 0);
    } catch {
      // Less may fit.
    }
  }
  closeSync(fd);
}
