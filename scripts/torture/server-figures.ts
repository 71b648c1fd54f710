/** What a server under torture says of itself: its metrics, and the most memory that it took for a while. */

import type { ProbedServer } from './loop/probed-server.ts';

const MIB = 1024 * 1024;
const LOOK_MS = 250;

/** Looks again and again until `peak` is called, which resolves with the most. */
export function watchMemory(server: ProbedServer): { peak(): Promise<number> } {
  let peak = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      peak = Math.max(peak, await residentBytes(server));
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return peak;
  })();
  return {
    peak: () => {
      isOver = true;
      return watching;
    },
  };
}

/** Resident memory of the process. */
export function residentBytes(server: ProbedServer): Promise<number> {
  return serverMetric(server, 'process_resident_memory_bytes');
}

/** A number of its Prometheus metrics. */
export async function serverMetric({ port, token }: ProbedServer, name: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`, { headers })).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

export function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
