/** The other side of pattern-thread.ts: it answers question by question. */

import { parentPort } from 'node:worker_threads';
import type { PatternQuestion } from './pattern-thread.ts';
import { RecordMatcher } from './record-matcher.ts';

/** The last filters, by their text: a reader asks with the same one for each record. */
const matchers = new Map<string, RecordMatcher>();
const MATCHERS_MAX = 64;

parentPort?.on('message', ({ filter, record }: PatternQuestion) => {
  let matcher = matchers.get(filter.text);
  if (matcher === undefined) {
    matcher = new RecordMatcher(filter.terms);
    if (matchers.size >= MATCHERS_MAX) matchers.clear();
    matchers.set(filter.text, matcher);
  }
  parentPort?.postMessage(matcher.wants(record));
});
