/** What writers of a cluster were told against what a reader got: lost, twice, out of order, at another place. */

import { type ReadBack, violations } from '../../../test/support/writers.ts';
import type { ClusterWrite } from './cluster-writers.ts';

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
    'acknowledged at': changed([...behind, ...before, name]),
    'no request wrote': changed([...whole.names, 'never written']),
  };
  for (const [what, said] of Object.entries(expected)) {
    if (!said.includes(what)) throw new Error(`the checker does not see "${what}"`);
  }
}
