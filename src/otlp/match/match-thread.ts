/**
 * The thread for records on which a filter takes long: large ones, with many conditions or regular expressions. That grows
 * only with record and filter, but may be more than a turn of the event loop. So may what is summed of a large record. It is
 * started when it is first needed.
 */

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { AggregateQuery } from '../../model/aggregate.ts';
import { TailraceError } from '../../model/error.ts';
import type { Filter } from '../../model/filter.ts';
import { ColumnReader, type TextRow } from '../extract/column-reader.ts';
import { Names } from '../extract/names.ts';
import { type MatchedRecord, RecordMatcher } from './record-matcher.ts';

/** What the thread is asked of a record, one of both; it answers in the same order. */
interface Question {
  readonly filter?: Filter;
  readonly query?: AggregateQuery;
  readonly record: MatchedRecord;
}

interface PendingAnswer {
  resolve(answer: unknown): void;
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
  return ask({ filter, record }) as Promise<boolean>;
}

/**
 * What the columns of a query are in an OTLP record: a row, or one for each data point.
 * @throws TailraceError `internal` when the thread ended
 */
export function askColumnThread(query: AggregateQuery, record: MatchedRecord): Promise<readonly TextRow[]> {
  return ask({ query, record }) as Promise<readonly TextRow[]>;
}

function ask(question: Question): Promise<unknown> {
  worker ??= start();
  // Without a question it does not keep the process alive.
  worker.ref();
  const { record } = question;
  // A copy: a view is sent with all of the memory behind it.
  worker.postMessage({ ...question, record: { ...record, body: new Uint8Array(record.body) } } satisfies Question);
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

function start(): Worker {
  const started = new Worker(new URL(import.meta.url), {
    workerData: THREAD,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
  started.on('message', (answer: unknown) => {
    waiting.shift()?.resolve(answer);
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
  parentPort?.on('message', ({ filter, query, record }: Question) => {
    if (query !== undefined) {
      parentPort?.postMessage(textRows(query, record));
      return;
    }
    if (filter === undefined) return;
    const matcher = matchers.get(filter.text) ?? new RecordMatcher(filter.terms);
    if (matchers.size >= MATCHERS_MAX) matchers.clear();
    matchers.set(filter.text, matcher);
    parentPort?.postMessage(matcher.wants(record));
  });
}

function textRows(query: AggregateQuery, { signal, body }: MatchedRecord): readonly TextRow[] {
  const reader = new ColumnReader(query, new Names());
  const rows: TextRow[] = [];
  reader.readMessage(signal, body, () => rows.push(reader.textRow()));
  return rows;
}

if (!isMainThread && workerData === THREAD) answerQuestions();
