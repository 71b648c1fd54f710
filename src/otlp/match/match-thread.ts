/**
 * The thread for records on which a filter takes long: large ones, with many conditions or regular expressions. That grows
 * only with record and filter, but may be more than a turn of the event loop. It is started when it is first needed.
 */

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { TailraceError } from '../../model/error.ts';
import type { Filter } from '../../model/filter.ts';
import { type MatchedRecord, RecordMatcher } from './record-matcher.ts';

/** What the thread is asked; it answers in the same order. */
interface Question {
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
const THREAD = 'tailrace filter';

let worker: Worker | undefined;
let waiting: PendingAnswer[] = [];

/**
 * Whether a filter wants a record.
 * @throws TailraceError `internal` when the thread ended
 */
export function askMatchThread(filter: Filter, record: MatchedRecord): Promise<boolean> {
  worker ??= start();
  // Without a question it does not keep the process alive.
  worker.ref();
  // A copy: a view is sent with all of the memory behind it.
  worker.postMessage({ filter, record: { ...record, body: new Uint8Array(record.body) } } satisfies Question);
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

function start(): Worker {
  const started = new Worker(new URL(import.meta.url), {
    workerData: THREAD,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
  started.on('message', (isWanted: boolean) => {
    waiting.shift()?.resolve(isWanted);
    if (waiting.length === 0) started.unref();
  });
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
  parentPort?.on('message', ({ filter, record }: Question) => {
    const matcher = matchers.get(filter.text) ?? new RecordMatcher(filter.terms);
    if (matchers.size >= MATCHERS_MAX) matchers.clear();
    matchers.set(filter.text, matcher);
    parentPort?.postMessage(matcher.wants(record));
  });
}

if (!isMainThread && workerData === THREAD) answerQuestions();
