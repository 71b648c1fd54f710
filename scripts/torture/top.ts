/**
 * `tailrace top` in a terminal of tmux for 60 s, or as many as are named behind the form, while senders come and go and
 * the server starts once anew: its memory stays flat, it takes a small share of a processor, and its last screen is right.
 * The controls are a process that leaks and a screen that stands still, which must be noticed.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type BenchServer, startTailrace } from '../bench/processes.ts';
import { call, expectThat, report } from './victim.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const SECONDS = Number(process.argv[3] ?? 60);
const CONTROL_SECONDS = 30;
const STREAMS = 200;
/** A new sender every second; each sends for so long. */
const SENDER_SECONDS = 8;
const PAUSE_MS = 200;
const LOGS = 20;
/**
 * How much the least memory of the last third may be above that of the second one. The least, because garbage of seconds
 * comes and goes; the collector of Node lets the young generation grow by up to 16 MiB. A leak of 100 kB for each look is
 * more than this.
 */
const GROWTH_MIB_MAX = 16;
/** Of one processor. A look is a few calls a second and a frame of some lines, which took 0.01. */
const SHARE_MAX = 0.1;
/** A leak of 2 MiB for each look. */
const LEAK = 'globalThis.kept = []; setInterval(() => kept.push(Buffer.alloc(2 * 1024 * 1024, 1)), 1_000).unref();';

export async function run(): Promise<void> {
  expectThat(spawnSync('tmux', ['-V']).status === 0, 'tmux is here: install it');
  const growth = await watchedMinute();
  expectThat(growth <= GROWTH_MIB_MAX, `the memory of top grows by at most ${GROWTH_MIB_MAX} MiB, not ${growth}`);
  const server = await startTailrace();
  const leaking = openTop(server, `data:text/javascript,${encodeURIComponent(LEAK)}`);
  try {
    await leaking.saw(/q quit/);
    const leaked = (await sampled(leaking.pid, CONTROL_SECONDS, async () => {})).growthMib;
    report(`control: a top that leaks 2 MiB a second grows by ${leaked} MiB`);
    expectThat(leaked > GROWTH_MIB_MAX, 'a leak is noticed');
  } finally {
    leaking.close();
    await server.stop();
  }
}

/** Returns by how many MiB it grew. */
async function watchedMinute(): Promise<number> {
  let server = await startTailrace();
  const { port, dataDir } = server;
  const top = openTop(server);
  const senders = startSenders(server);
  try {
    await top.saw(/q quit/);
    const { growthMib, mib, share } = await sampled(top.pid, SECONDS, async (second) => {
      if (second !== Math.floor(SECONDS / 2)) return;
      await server.end();
      await top.saw(/^reconnecting: cannot reach/m);
      server = await startTailrace(dataDir, port);
    });
    const { sent, failed } = await senders.stop();
    report(`${SECONDS} s of top: ${mib.join(', ')} MiB every 5 s, which grow by ${growthMib} MiB`);
    report(`it took ${Math.round(share * 1_000) / 10} % of a processor`);
    report(`${senders.count()} senders, ${sent} requests, ${failed} not taken around the restart`);
    expectThat(share <= SHARE_MAX, `top takes at most ${SHARE_MAX} of a processor, not ${share}`);
    expectThat(sent > SECONDS && failed < sent, 'the senders send');
    await expectRight(top, server);
    await expectStaleNoticed(top, server);
    return growthMib;
  } finally {
    await senders.stop();
    top.close();
    await server.stop();
  }
}

/** Memory of a process each second, and what it took of a processor. The first third is its start. */
async function sampled(pid: number, seconds: number, each: (second: number) => Promise<void>) {
  const began = processorSeconds(pid);
  const from = performance.now();
  const mib: number[] = [];
  for (let second = 0; second < seconds; second++) {
    await Promise.all([sleep(1_000), each(second)]);
    mib.push(residentMib(pid));
  }
  const share = (processorSeconds(pid) - began) / ((performance.now() - from) / 1_000);
  const third = Math.floor(seconds / 3);
  const least = (values: readonly number[]) => Math.min(...values);
  const growthMib = least(mib.slice(2 * third)) - least(mib.slice(third, 2 * third));
  return { growthMib, share, mib: mib.filter((_, second) => second % 5 === 4) };
}

/** Streams, senders and rates are those that the server has when nothing is sent any more. */
async function expectRight(top: TopScreen, server: BenchServer): Promise<void> {
  const [streams, senders] = [await countOf(server, 'streams'), await countOf(server, 'senders')];
  // The window of rates is ten seconds.
  await top.saw(new RegExp(`^http\\S+ \\S+  up .*  0 rec/s .*\\n(.*\\n)*${streams} streams · by rate`));
  top.type('s');
  await top.saw(new RegExp(`^${senders} senders · by rate\\n.*SERVICE +SDK +ADDRESS`, 'm'));
  top.type('s');
  await top.saw(/streams · by rate/);
  report(`the last screen has the ${streams} streams and ${senders} senders of the server, and 0 rec/s`);
}

/** A screen that stands still does not have a stream that came later. */
async function expectStaleNoticed(top: TopScreen, server: BenchServer): Promise<void> {
  top.type('p');
  await top.saw(/PAUSED/);
  await send(server, 'late', 'late');
  await sleep(3_000);
  const streams = await countOf(server, 'streams');
  const isRight = top.lines().includes(`${streams} streams`);
  report(`control: a paused top ${isRight ? 'has' : 'lacks'} a stream that came later`);
  expectThat(!isRight, 'a screen that stands still is noticed');
}

async function countOf({ port, headers }: BenchServer, what: 'streams' | 'senders'): Promise<number> {
  const { body } = await call(port, 'GET', `/v1/${what}?limit=1000`, { ...headers, 's2-basin': 'telemetry' });
  return (JSON.parse(body) as Readonly<Record<string, readonly unknown[]>>)[what]?.length ?? 0;
}

/** Each second one more begins, under a name of its own. They go on where the server is away. */
function startSenders(server: BenchServer) {
  const running = new Set<Promise<void>>();
  let [count, sent, failed, isOver] = [0, 0, 0, false];
  const one = async (name: string, stream: string): Promise<void> => {
    for (const end = performance.now() + SENDER_SECONDS * 1_000; performance.now() < end && !isOver; ) {
      sent += 1;
      failed += Number((await send(server, name, stream)) !== 200);
      await sleep(PAUSE_MS);
    }
  };
  const timer = setInterval(() => {
    count += 1;
    running.add(one(`sender-${count}`, `stream-${(count * 37) % STREAMS}`));
  }, 1_000);
  return {
    count: () => count,
    stop: async () => {
      clearInterval(timer);
      isOver = true;
      await Promise.all(running);
      return { sent, failed };
    },
  };
}

async function send({ port, headers }: BenchServer, service: string, stream: string): Promise<number> {
  const attributes = Object.entries({ 'service.name': service, 's2.stream': stream }).map(([key, stringValue]) => {
    return { key, value: { stringValue } };
  });
  const logRecords = Array.from({ length: LOGS }, (_, i) => {
    return {
      timeUnixNano: `${Date.now()}000000`,
      severityNumber: i === 0 ? 17 : 9,
      body: { stringValue: `line ${i}` },
    };
  });
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
  const type = { 'content-type': 'application/json', 'user-agent': `torture/${service}` };
  return (await call(port, 'POST', '/v1/logs', { ...headers, ...type }, body)).status;
}

interface TopScreen {
  readonly pid: number;
  lines(): string;
  saw(pattern: RegExp): Promise<void>;
  type(key: string): void;
  close(): void;
}

const SAW_MS_MAX = 60_000;
const LOOK_MS = 200;
let opened = 0;

/** In a tmux of its own. */
function openTop({ port, headers }: BenchServer, preload?: string): TopScreen {
  opened += 1;
  const socket = `tailrace-top-${process.pid}-${opened}`;
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    TAILRACE_ENDPOINT: `http://127.0.0.1:${port}`,
    TAILRACE_TOKEN: (headers.authorization ?? '').replace('Bearer ', ''),
    ...(preload === undefined ? {} : { NODE_OPTIONS: `--import=${preload}` }),
  };
  const tmux = (...args: readonly string[]) =>
    execFileSync('tmux', ['-f', '/dev/null', '-L', socket, ...args], { env, encoding: 'utf8' });
  tmux('new-session', '-d', '-x', '140', '-y', '30', process.execPath, MAIN, 'top');
  const lines = () => tmux('capture-pane', '-p');
  return {
    pid: Number(tmux('display-message', '-p', '#{pane_pid}')),
    lines,
    saw: async (pattern) => {
      for (const end = performance.now() + SAW_MS_MAX; !pattern.test(lines()); await sleep(LOOK_MS)) {
        expectThat(performance.now() < end, `the screen shows ${pattern}:\n${lines()}`);
      }
    },
    type: (key) => void tmux('send-keys', key),
    close: () => void spawnSync('tmux', ['-L', socket, 'kill-server']),
  };
}

function residentMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib) / 1_024);
}

/** Clock ticks are hundredths of a second on every Linux that we run on. */
function processorSeconds(pid: number): number {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}
