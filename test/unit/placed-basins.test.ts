/** In which partition of a cluster a new basin begins. */

import { expect, test } from '@jest/globals';
import { PlaceWriter } from '../../src/cluster/place-writer.ts';
import { Places } from '../../src/cluster/places.ts';
import type { ClusterCall } from '../../src/http/cluster-calls.ts';
import type { Partition } from '../../src/node/partition.ts';
import { PlacedBasins } from '../../src/node/placed-basins.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { TestClock } from '../support/log-harness.ts';

/** As a node sees a partition whose basins it has not followed yet. */
function behind(number: number): Partition {
  const log = { listBasins: () => [], basin: () => undefined };
  return { number, log } as unknown as Partition;
}

test('new basins are spread evenly, also while the logs of other partitions have not shown them', async () => {
  const places = new Places();
  const engine = openMemoryEngine();
  const writer = new PlaceWriter({ places, clock: new TestClock(), commit: (writes) => engine.commit(writes) });
  await writer.keepCount(3);
  const asked: number[] = [];
  const call = async ({ partition }: ClusterCall): Promise<void> => void asked.push(partition);
  const partitions = [0, 1, 2].map(behind);
  const placed = new PlacedBasins({
    ...{ places, call, defaultBasin: 'telemetry' },
    writer: () => writer,
    count: () => partitions.length,
    partitions: () => partitions,
  });
  for (let i = 0; i < 9; i++) {
    const making = { mode: 'create', basin: `basin-${i}`, config: undefined, token: undefined } as const;
    await placed.make(making);
  }
  expect([0, 1, 2].map((partition) => places.all.filter(({ row }) => row.partition === partition).length)).toEqual([
    3, 3, 3,
  ]);
  expect(asked).toEqual([1, 2, 1, 2, 1, 2]);
});
