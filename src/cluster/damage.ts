/**
 * What a node knows of damage to its store, and when it may take a copy of another node. Copies are far between: what looks
 * damaged in every copy must not have the nodes copy from each other without end.
 */

import type { TailraceError } from '../model/error.ts';
import { REPAIR_AGAIN_MS, REPAIR_RETRY_MS } from '../model/limits.ts';
import type { NodeInfo } from './node-info.ts';

export class Damage {
  #what: string | undefined;
  /** Why no copy could be taken so far. */
  #hindrance: string | undefined;
  #count = 0;
  #failures = 0;
  #notBefore = 0;
  /** How often the copy of a node was damaged, too. */
  readonly #refused = new Map<string, number>();

  get isFound(): boolean {
    return this.#what !== undefined;
  }

  /** How often damage was found since the start. */
  get count(): number {
    return this.#count;
  }

  /** A sentence for operators. */
  get problems(): readonly string[] {
    if (this.#what === undefined) return [];
    const why = this.#hindrance ?? 'it waits for another node with a whole store';
    return [`Its store is damaged (${this.#what}). It takes a copy of another node by itself; ${why}.`];
  }

  /** Returns false for damage that is known already. */
  note({ message }: TailraceError): boolean {
    if (this.#what !== undefined) return false;
    this.#what = message;
    this.#hindrance = undefined;
    this.#count++;
    return true;
  }

  /** Whether a copy may be taken now. */
  mayRepair(nowMs: number): boolean {
    if (nowMs >= this.#notBefore) return true;
    this.#hindrance ??= 'the last copy is not long ago, so it waits some minutes';
    return false;
  }

  /** A copy of a node has taken the place of the store. Returns whether that was damaged. */
  copied(nowMs: number): boolean {
    const wasFound = this.isFound;
    this.#what = undefined;
    this.#failures = 0;
    this.#refused.clear();
    if (wasFound) this.#notBefore = nowMs + REPAIR_AGAIN_MS;
    return wasFound;
  }

  /** No copy could be taken of a node. */
  failed(url: string, { code, message }: TailraceError, nowMs: number): void {
    if (code === 'corrupt') this.#refused.set(url, (this.#refused.get(url) ?? 0) + 1);
    if (!this.isFound) return;
    this.#hindrance = message;
    this.#notBefore = nowMs + Math.min(REPAIR_AGAIN_MS, REPAIR_RETRY_MS * 2 ** this.#failures++);
  }

  /** The node whose copy is taken: one whose copy was not damaged, and rather one that does not lead. */
  sourceAmong(nodes: readonly NodeInfo[]): NodeInfo | undefined {
    const rank = ({ url, role }: NodeInfo): number => 2 * (this.#refused.get(url) ?? 0) + (role === 'leading' ? 1 : 0);
    const whole = nodes.filter(({ role, isDamaged }) => role !== 'joining' && isDamaged !== true);
    return whole.sort((a, b) => rank(a) - rank(b))[0];
  }
}
