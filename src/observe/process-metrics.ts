/** The metrics that Prometheus clients give of every process, under their usual names. Read only when scraped. */

import { readdir, readFile } from 'node:fs/promises';
import { type Labelled, type ScrapedMetric, unlabelled } from './scraped-metric.ts';

const STARTED_SECONDS = Math.round((Date.now() - performance.now()) / 1_000);

/** Those that are known only on Linux have no value elsewhere. */
export function processMetrics(): ScrapedMetric[] {
  const gauge = (name: string, help: string, read: () => Labelled | Promise<Labelled>): ScrapedMetric => ({
    type: 'gauge',
    name,
    help,
    labels: [],
    read,
  });
  const cpu = { name: 'process_cpu_seconds_total', help: 'User and system CPU time spent, in seconds.' };
  return [
    { type: 'counter', ...cpu, labels: [], read: processorTime },
    gauge('process_start_time_seconds', 'When the process started, in Unix seconds.', () =>
      unlabelled(STARTED_SECONDS),
    ),
    gauge('process_resident_memory_bytes', 'Resident memory, in bytes.', () => unlabelled(process.memoryUsage.rss())),
    gauge('process_virtual_memory_bytes', 'Virtual memory, in bytes; the map of the store is in it.', () =>
      fromProc('status', /^VmSize:\s+(\d+) kB$/m, 1_024),
    ),
    gauge('process_threads', 'Threads of the process.', () => fromProc('status', /^Threads:\s+(\d+)$/m, 1)),
    gauge('process_open_fds', 'Open file descriptors.', openFiles),
    gauge('process_max_fds', 'Most file descriptors that may be open.', () =>
      fromProc('limits', /^Max open files\s+(\d+)/m, 1),
    ),
    gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use, in bytes.', () =>
      unlabelled(process.memoryUsage().heapUsed),
    ),
    gauge('nodejs_external_memory_bytes', 'Memory of buffers outside of the heap, in bytes.', () =>
      unlabelled(process.memoryUsage().external),
    ),
  ];
}

function processorTime(): Labelled {
  const { user, system } = process.cpuUsage();
  return unlabelled((user + system) / 1e6);
}

async function openFiles(): Promise<Labelled> {
  const files = await readdir('/proc/self/fd').catch(() => undefined);
  // One of them is the directory itself.
  return files === undefined ? [] : unlabelled(files.length - 1);
}

async function fromProc(file: string, pattern: RegExp, unit: number): Promise<Labelled> {
  const text = await readFile(`/proc/self/${file}`, 'utf8').catch(() => '');
  const found = pattern.exec(text)?.[1];
  return found === undefined ? [] : unlabelled(Number(found) * unit);
}
