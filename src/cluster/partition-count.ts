/**
 * How many partitions a cluster has: what the node with the largest setting said, kept in the bucket. It never goes down, as
 * basins may be in all of them.
 */

import type { Clock } from '../model/clock.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { CLUSTER_PARTITIONS_MAX, PARTITIONS_LOOK_MS } from '../model/limits.ts';
import { PARTITIONS_COMMAND_VERSION } from '../storage/replicated/command.ts';
import type { KeyBucket, KeyEntry } from '../storage/replicated/replicated-log.ts';
import { decodeNode, memberPrefix } from './node-info.ts';

export interface PartitionCountOptions {
  readonly bucket: KeyBucket;
  readonly clock: Clock;
  /** Of this node. */
  readonly url: string;
  /** As this node is set; other nodes may want more. */
  readonly wanted: number;
  /** Called when another node has raised it. */
  onRaised(count: number): void;
  /** It could not be looked at: that is tried again. */
  onError(error: TailraceError): void;
}

const KEY = 'partitions';

/** Lives from `agree` to `close`. */
export class PartitionCount {
  readonly #options: PartitionCountOptions;
  #count: number;
  #closed = false;
  #cancel = (): void => {};

  private constructor(options: PartitionCountOptions, count: number) {
    this.#options = options;
    this.#count = count;
  }

  /**
   * Raises the number where this node wants more, and looks from then on whether others do.
   * @throws TailraceError `config` where a node is there, or was a moment ago, whose build knows one partition only, or for a
   *   number that this build does not know; `unavailable`
   */
  static async agree(options: PartitionCountOptions): Promise<PartitionCount> {
    const count = new PartitionCount(options, await agreedCount(options));
    count.#lookLater();
    return count;
  }

  get count(): number {
    return this.#count;
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #lookLater(): void {
    if (this.#closed) return;
    this.#cancel = this.#options.clock.timer(PARTITIONS_LOOK_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { bucket, onRaised, onError } = this.#options;
    try {
      const count = countIn(await bucket.get(KEY));
      if (count > this.#count && !this.#closed) {
        this.#count = count;
        onRaised(count);
      }
    } catch (error) {
      if (!this.#closed) onError(asTailraceError(error));
    }
    this.#lookLater();
  }
}

async function agreedCount({ bucket, url, wanted }: PartitionCountOptions): Promise<number> {
  for (;;) {
    const entry = await bucket.get(KEY);
    const count = countIn(entry);
    if (wanted <= count) return count;
    await expectAllKnowPartitions(bucket, url);
    const revision = await bucket.put(KEY, Buffer.from(String(wanted)), { revision: entry?.revision ?? 0 });
    if (revision !== undefined) return wanted;
  }
}

/** What an older build of this node said before it ended does not count. @throws TailraceError `config` */
async function expectAllKnowPartitions(bucket: KeyBucket, own: string): Promise<void> {
  const nodes = [...(await bucket.list(memberPrefix(0))).values()].map(decodeNode);
  const old = nodes.find(({ url, commandVersion }) => url !== own && commandVersion < PARTITIONS_COMMAND_VERSION);
  if (old === undefined) return;
  throw new TailraceError(
    'config',
    `the node ${old.url} has version ${old.version}, which knows no partitions: upgrade all nodes first, then raise --cluster-partitions`,
  );
}

/** @throws TailraceError `config` */
function countIn(entry: KeyEntry | undefined): number {
  if (entry === undefined) return 1;
  const text = Buffer.from(entry.value).toString();
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= CLUSTER_PARTITIONS_MAX) return count;
  throw new TailraceError(
    'config',
    `the cluster has ${text} partitions, and this build knows up to ${CLUSTER_PARTITIONS_MAX}: upgrade this node`,
  );
}
