/** What writers of a cluster were told against what a reader got: lost, twice, out of order, at another place. */

import { createHash } from 'node:crypto';
import { verify } from '../../../src/maintenance.ts';
import { partitionDir } from '../../../src/storage/data-dir.ts';
import { type ClusterNode, type ClusterSetup, catchUpStopped } from '../../../test/support/cluster-nodes.ts';
import { readBack } from '../../../test/support/read-back.ts';
import { storedRows } from '../../../test/support/stored-rows.ts';
import { type ReadBack, type Target, violations } from '../../../test/support/writers.ts';
import type { ClusterWrite } from './cluster-writers.ts';

const FAULTS_SHOWN = 10;
const READ_TRIES = 60;
const READ_AGAIN_MS = 500;

/** Returns a sentence for each fault. The requests of a writer are in the history in the order in which they were sent. */
export function faultsOf(history: readonly ClusterWrite[], read: ReadonlyMap<string, ReadBack>): readonly string[] {
  const faults = violations(history, read);
  for (const [stream, { names }] of read) {
    const places = new Map(names.map((name, place) => [name, place]));
    let last = -1;
    for (const { id, start, streams } of history) {
      const place = places.get(streams.get(stream)?.[0] ?? '');
      if (place === undefined) continue;
      if (place < last) faults.push(`${id}: out of order: it was sent later and is at ${place}, before ${last}`);
      if (start !== undefined && start !== place) faults.push(`${id}: acknowledged at ${start}, and is at ${place}`);
      last = place;
    }
  }
  return faults;
}

/** The controls: a checker that finds nothing in these proves nothing. @throws Error */
export function expectToFindFaults(history: readonly ClusterWrite[], read: ReadonlyMap<string, ReadBack>): void {
  const acked = history.findLast(({ outcome, start }) => outcome === 'acked' && start !== undefined);
  const [stream, [name = ''] = []] = [...(acked?.streams ?? [])][0] ?? [];
  const whole = stream === undefined ? undefined : read.get(stream);
  if (stream === undefined || whole === undefined) throw new Error('nothing was acknowledged');
  const at = whole.names.indexOf(name);
  const changed = (names: readonly string[]) => {
    const seqNums = names.map((_, i) => i);
    return faultsOf(history, new Map(read).set(stream, { names, seqNums })).join('\n');
  };
  const [before, behind] = [whole.names.slice(0, at), whole.names.slice(at + 1)];
  const expected = {
    'records lost': changed([...before, ...behind]),
    duplicate: changed([...whole.names, name]),
    'out of order': changed([...whole.names].reverse()),
    'acknowledged at': changed([...whole.names.slice(1), ...whole.names.slice(0, 1)]),
    'no request wrote': changed([...whole.names, 'never written']),
  };
  for (const [what, said] of Object.entries(expected)) {
    if (!said.includes(what)) throw new Error(`the checker does not see "${what}"`);
  }
}

/** Of each stream, with its basin, what readers get. @throws Error when it is not the same through all nodes */
export async function readThroughEach(
  nodes: readonly ClusterNode[],
  streams: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, ReadBack>> {
  const read = new Map<string, ReadBack>();
  for (const [stream, basin] of streams) {
    const targets = nodes.map(({ server: { port, token } }) => ({ port, token, basin }));
    const [first, ...others] = await Promise.all(targets.map((target) => readWhenServed(target, stream)));
    if (first === undefined) throw new Error('there are no nodes');
    read.set(stream, first);
    for (const other of others) {
      if (JSON.stringify(other) !== JSON.stringify(first)) throw new Error(`nodes show ${stream} in different ways`);
    }
  }
  return read;
}

/** What a reader gets that shall come again: 503 before it begins, and 1012 when the node hands over meanwhile. */
const COME_AGAIN = /(?:503| closed with 1012 .*)$/;

/** A node that has just come back refuses readers until it follows, and reading all at once may cost another one its lead. */
async function readWhenServed(target: Target, stream: string): Promise<ReadBack> {
  for (let tries = 1; ; tries++) {
    try {
      return await readBack(target, stream);
    } catch (error) {
      if (!COME_AGAIN.test(String(error)) || tries === READ_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, READ_AGAIN_MS));
    }
  }
}

/** Compares the stores of each partition, each after it has followed its log to the end. @throws Error */
export async function expectEqualStores(setup: ClusterSetup, nodes: readonly ClusterNode[]): Promise<void> {
  for (let partition = 0; partition < (setup.partitions ?? 1); partition++) {
    const stores: string[] = [];
    for (const { dataDir } of nodes) {
      await catchUpStopped(setup, dataDir, partition);
      const sum = createHash('sha256');
      // In one text those of an hour would be too long.
      for (const row of await storedRows(partitionDir(dataDir, partition))) sum.update(`${row}\n`);
      stores.push(sum.digest('hex'));
    }
    if (new Set(stores).size > 1) throw new Error(`the stores of partition ${partition} differ`);
  }
  for (const { dataDir } of nodes) {
    const { faultCount, faults } = await verify({ dataDir });
    const said = faults.slice(0, FAULTS_SHOWN).map(({ where, what }) => `${where}: ${what}`);
    if (faultCount > 0) throw new Error(`${faultCount} faults in the store of a node: ${said.join('; ')}`);
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
