/** Warnings for requests from which nothing, or less than was meant, can be read, and which are no error by themselves. */

import type { Signal } from '../model/record.ts';
import type { JsonTally } from './json/transcode.ts';
import type { Tolerated } from './tolerated.ts';

/** What items are called, where they are looked for, and what of that had another name in old versions. */
const LOOKED_FOR: Readonly<Record<Signal, readonly [items: string, where: string, renamed: string]>> = {
  logs: [
    'log records',
    'resourceLogs[].scopeLogs[].logRecords[]',
    'instrumentationLibraryLogs was renamed scopeLogs, its instrumentationLibrary scope',
  ],
  traces: [
    'spans',
    'resourceSpans[].scopeSpans[].spans[]',
    'instrumentationLibrarySpans was renamed scopeSpans, its instrumentationLibrary scope',
  ],
  metrics: [
    'metrics',
    'resourceMetrics[].scopeMetrics[].metrics[]',
    'instrumentationLibraryMetrics was renamed scopeMetrics, its instrumentationLibrary scope',
  ],
};

/** Notes that a request without items was not empty, and that names of old versions were left out. */
export function noteEmptiness(
  signal: Signal,
  itemCount: number,
  isEmpty: boolean,
  { oldKeys = [] }: JsonTally,
  tolerated: Tolerated,
): void {
  const [items, where, renamed] = LOOKED_FOR[signal];
  if (itemCount === 0 && !isEmpty) {
    tolerated.note(
      'empty',
      `no ${items} were found in the request, which is not empty: they are looked for in ${where}; ${renamed}`,
    );
  } else if (oldKeys.length > 0) {
    tolerated.note('old_names', `${oldKeys.join(', ')} was left out: ${renamed}; use an SDK for OTLP 0.19 or later`);
  }
}
