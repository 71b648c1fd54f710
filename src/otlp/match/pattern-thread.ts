/**
 * The thread that runs regular expressions on long texts. Their time grows only with the text, but on 1 MiB even that is
 * more than a turn of the event loop may take. It is started when it is first needed, and does not keep the process alive.
 */

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { TailraceError } from '../../model/error.ts';
import type { Filter } from '../../model/filter.ts';
import { type MatchedRecord, RecordMatcher } from './record-matcher.ts';

/** What the thread is asked; it answers in the same order. */
interface PatternQuestion {
  readonly filter: Filter;
  readonly record: MatchedRecord;
}

interface PendingAnswer {
  resolve(isWanted: boolean): void;
  reject(error: TailraceError): void;
}

const HEAP_MIB_MAX = 128;
/** The last filters are kept, by their text: a reader asks with the same one for each record. */
const MATCHERS_MAX = 64;
/** What the thread knows itself by. */
const THREAD = 'tailrace filter patterns';

let worker: Worker | undefined;
let waiting: PendingAnswer[] = [];

/**
 * Whether a filter wants a record.
 * @throws TailraceError `internal` when the thread ended
 */
export function askPatternThread(filter: Filter, record: MatchedRecord): Promise<boolean> {
  worker ??= start();
  // Copies: a view is sent with all of the memory behind it.
  const headers = record.headers.map(([name, value]) => [new Uint8Array(name), new Uint8Array(value)] as const);
  const copy = { signal: record.signal, headers, body: new Uint8Array(record.body) };
  worker.postMessage({ filter, record: copy } satisfies PatternQuestion);
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

function start(): Worker {
  const started = new Worker(new URL(import.meta.url), {
    workerData: THREAD,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
  started.unref();
  started.on('message', (isWanted: boolean) => waiting.shift()?.resolve(isWanted));
  // 'exit' follows.
  started.on('error', () => {});
  started.on('exit', () => {
    worker = undefined;
    const left = waiting;
    waiting = [];
    for (const { reject } of left) reject(new TailraceError('internal', 'the thread of a filter ended'));
  });
  return started;
}

/** The other side: answers question by question. */
function answerQuestions(): void {
  const matchers = new Map<string, RecordMatcher>();
  parentPort?.on('message', ({ filter, record }: PatternQuestion) => {
    const matcher = matchers.get(filter.text) ?? new RecordMatcher(filter.terms);
    if (matchers.size >= MATCHERS_MAX) matchers.clear();
    matchers.set(filter.text, matcher);
    parentPort?.postMessage(matcher.wants(record));
  });
}

if (!isMainThread && workerData === THREAD) answerQuestions();
