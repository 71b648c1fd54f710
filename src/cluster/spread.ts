/**
 * Nodes lead about equally many partitions: one that leads at least two more than another one hands one over. Who leads
 * fewest is first to take it (`Leadership`), and has no more than the giver afterwards: so each hand-over brings them nearer
 * to each other, and it ends. One that leads one more than another keeps it: they would only change places.
 */

import type { Clock } from '../model/clock.ts';
import { asTailraceError, type TailraceError } from '../model/error.ts';
import { CLUSTER_LAG_NOTED, SPREAD_LOOK_MS, SPREAD_SETTLED_MS } from '../model/limits.ts';
import { mayLead, type NodeInfo } from './node-info.ts';
import type { Replication } from './replication.ts';

type SpreadPartition = Pick<Replication, 'partition' | 'claimsLead' | 'leader' | 'lastLeader' | 'nodes' | 'handOver'>;

export interface SpreadOptions {
  readonly clock: Clock;
  /** Of this node. */
  readonly url: string;
  /** The parts of this node in all partitions. */
  partitions(): readonly SpreadPartition[];
  onError(error: TailraceError): void;
}

/**
 * What a partition counts that a node leads which sees no other one. Others that start at the same time may not have said yet
 * that they are there, and look as often as it does.
 */
const ALONE_SHARE = 1 / 3;

interface HandOver {
  readonly partition: SpreadPartition;
  readonly from: string;
  readonly to: string;
}

/**
 * Every node finds the same next hand-over in the same view, and only the node that has to give does something. It waits
 * until nothing has changed for a while, so that one is seen by all before the next one. Lives from `start` to `close`.
 */
export class Spread {
  readonly #options: SpreadOptions;
  #cancel = (): void => {};
  /** Who led what, and since when that is so. */
  #seen = '';
  #sinceMs = 0;

  constructor(options: SpreadOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel = this.#options.clock.timer(SPREAD_LOOK_MS, () => {
      this.#look();
      this.start();
    });
  }

  close(): void {
    this.#cancel();
  }

  /**
   * By how many other partitions this node leads more than one that could lead this partition, now or when it has joined;
   * also what it tries to lead counts, as it looks at all of them at once. The node that led it last does not count: it has
   * left it to the others, or is gone and not yet missed among the nodes.
   */
  excessIn(partition: number): number {
    const { url, partitions } = this.#options;
    const all = partitions();
    const it = all.find((one) => one.partition === partition);
    const own = all.filter((one) => one.partition !== partition && one.claimsLead).length;
    const isOther = (node: NodeInfo): boolean => node.url !== url && node.url !== it?.lastLeader?.url;
    const others = (it?.nodes ?? []).filter((node) => isOther(node) && !node.isDraining && node.isDamaged !== true);
    if (others.length === 0) return own * ALONE_SHARE;
    return Math.max(0, ...others.map((node) => own - ledBy(node.url, all)));
  }

  #look(): void {
    const { clock, url, partitions, onError } = this.#options;
    const all = partitions();
    const seen = all.map(({ leader }) => leader?.url ?? '').join(' ');
    const nowMs = clock.monotonicMs();
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#sinceMs = nowMs;
    }
    if (nowMs - this.#sinceMs < SPREAD_SETTLED_MS) return;
    const next = nextHandOver(all);
    if (next?.from !== url) return;
    this.#sinceMs = nowMs;
    const why = `the node ${next.to} leads fewer partitions`;
    next.partition.handOver(why).catch((error: unknown) => onError(asTailraceError(error)));
  }
}

/**
 * Undefined when nothing has to change, or it is not known who leads everything. The node gives that leads most, of these the
 * first by its URL, and the highest partition that a node could take.
 */
function nextHandOver(partitions: readonly SpreadPartition[]): HandOver | undefined {
  if (partitions.some(({ leader }) => leader === undefined)) return undefined;
  const countOf = (url: string): number => ledBy(url, partitions);
  const found = partitions.flatMap((partition): HandOver[] => {
    const from = partition.leader?.url ?? '';
    const fewer = ableToLead(partition.nodes).filter(({ url }) => countOf(from) - countOf(url) >= 2);
    return fewer.map(({ url }) => ({ partition, from, to: url }));
  });
  const inOrder = (a: HandOver, b: HandOver): number =>
    countOf(b.from) - countOf(a.from) ||
    Number(a.from > b.from) - Number(a.from < b.from) ||
    b.partition.partition - a.partition.partition ||
    countOf(a.to) - countOf(b.to);
  return found.sort(inOrder)[0];
}

function ledBy(url: string, partitions: readonly SpreadPartition[]): number {
  return partitions.filter(({ leader }) => leader?.url === url).length;
}

/** Those that would lead soon after they were asked. */
function ableToLead(nodes: readonly NodeInfo[]): readonly NodeInfo[] {
  const head = Math.max(0, ...nodes.map(({ sequence }) => sequence));
  return nodes.filter((node) => mayLead(node) && head - node.sequence <= CLUSTER_LAG_NOTED);
}
