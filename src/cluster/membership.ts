/** Which nodes there are, and how they do in a partition: each says it every few seconds, and reads what the others say. */

import type { Clock } from '../model/clock.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { MEMBER_RENEW_MS, MEMBER_TTL_MS } from '../model/limits.ts';
import type { KeyBucket } from '../storage/replicated/replicated-log.ts';
import { DRAIN_PREFIX, decodeNode, encodeEntry, keyOf, memberPrefix, type NodeInfo } from './node-info.ts';

export interface MembershipOptions {
  readonly bucket: KeyBucket;
  readonly clock: Clock;
  readonly partition: number;
  /** What this node says of itself. */
  describe(): NodeInfo;
  /** Called when an operator has said that this node shall lead no more, or again. */
  onDrain(isDraining: boolean): void;
  onError(error: TailraceError): void;
}

/** Lives from `start` to `close`. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #prefix: string;
  #nodes: readonly NodeInfo[] = [];
  #stopped = false;
  #cancel = (): void => {};
  #renewing: Promise<void> = Promise.resolve();

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#prefix = memberPrefix(options.partition);
  }

  /** Those that said something in the last seconds, in the order of their URLs; also this one. */
  get nodes(): readonly NodeInfo[] {
    return this.#nodes;
  }

  /** Resolves when this node was announced once, or could not be. */
  async start(): Promise<void> {
    this.#renewing = this.#renew();
    await this.#renewing;
  }

  /** Says at once what has changed. */
  async renew(): Promise<void> {
    this.#cancel();
    await this.start();
  }

  /**
   * Asks a node to lead no more, or to do so again. It must be there; what was asked of one that is away can be taken back.
   * @throws TailraceError `not_found`, `invalid` where no other node could lead, `unavailable`
   */
  async drain(url: string, on: boolean): Promise<void> {
    const { bucket } = this.#options;
    const draining = await bucket.list(DRAIN_PREFIX);
    const key = keyOf(DRAIN_PREFIX, url);
    const entry = draining.get(key);
    const isHere = this.#nodes.some((node) => node.url === url);
    if (!isHere && (on || entry === undefined)) {
      const known = this.#nodes.map((node) => node.url).join(', ');
      throw new TailraceError('not_found', `there is no node ${url}: there are ${known}`);
    }
    if (!on) {
      if (entry !== undefined) await bucket.remove(key, entry.revision);
      return;
    }
    const mayLead = ({ url: other, role }: NodeInfo): boolean =>
      other !== url && role !== 'joining' && !draining.has(keyOf(DRAIN_PREFIX, other));
    if (!this.#nodes.some(mayLead)) {
      throw new TailraceError('invalid', `no other node could lead in place of ${url}: start one, or undo its drain`);
    }
    await bucket.put(key, Buffer.from(url), {});
  }

  /** Takes this node off the list. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#renewing;
    const { bucket, onError, describe } = this.#options;
    try {
      const key = keyOf(this.#prefix, describe().url);
      const entry = await bucket.get(key);
      if (entry !== undefined) await bucket.remove(key, entry.revision);
    } catch (error) {
      // It ends by itself.
      onError(asTailraceError(error));
    }
  }

  async #renew(): Promise<void> {
    const { bucket, clock, describe, onDrain, onError } = this.#options;
    try {
      const me = describe();
      await bucket.put(keyOf(this.#prefix, me.url), encodeEntry(me), { ttlMs: MEMBER_TTL_MS });
      const entries = await bucket.list(this.#prefix);
      this.#nodes = [...entries.values()].map(decodeNode).sort((a, b) => (a.url < b.url ? -1 : 1));
      if (!this.#stopped) onDrain((await bucket.get(keyOf(DRAIN_PREFIX, me.url))) !== undefined);
    } catch (error) {
      onError(asTailraceError(error));
    }
    if (this.#stopped) return;
    this.#cancel = clock.timer(MEMBER_RENEW_MS, () => {
      this.#renewing = this.#renew();
    });
  }
}
