/** Metrics of a server need to look up something: here it is as little as can be. */

import type { MetricSources } from '../../src/observe/watched-sources.ts';

/** What is looked up of a server that does nothing. */
export const IDLE_SOURCES: MetricSources = {
  stat: async () => {
    const engine = { state: 'open', usedBytes: 0, fileBytes: 0, freeBytes: 0 };
    return { engine, openStreams: 0, reads: { byProtocol: new Map(), lagRecordsMax: 0 } };
  },
  connections: () => 0,
  memory: { usedBytes: 0, limitBytes: 0 },
  received: () => new Map(),
  recentSenders: () => [],
  loop: { look: () => ({ p50: 0, p99: 0, max: 0 }) },
  storeBytesMax: undefined,
  lastBackup: () => undefined,
};
