/** Moves basins of a cluster from partition to partition, one after the other and some at once, whatever else goes on. */

import type { ClusterNode } from '../../../test/support/cluster-nodes.ts';
import { call } from '../../../test/support/http-call.ts';

export interface BasinMove {
  readonly basin: string;
  readonly to: number;
  readonly from: number;
  /** When it was asked for and when it was over, by the clock of `performance.now()`. */
  readonly period: { readonly from: number; readonly to: number };
  readonly outcome: 'ended' | 'given up';
}

interface Asked {
  readonly status: number;
  readonly json: Readonly<Record<string, never>>;
}

const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 3_000;
/** A basin rests after each move for so many times what that took. */
const RESTS = 3;
const LOOK_MS = 100;
const ANSWER_MS = 3_000;
/** In which a move ends, or is given up, when nothing is wrong with the cluster any more. */
const REST_MS = 90_000;

export class BasinMoves {
  readonly done: BasinMove[] = [];
  readonly #nodes: readonly ClusterNode[];
  readonly #token: string;
  readonly #random: () => number;
  readonly #partitions: number;
  readonly #moving = new Map<string, Promise<void>>();
  readonly #onMove: (move: BasinMove) => void;

  constructor(
    { nodes, token, partitions }: { nodes: readonly ClusterNode[]; token: string; partitions: number },
    random: () => number,
    onMove: (move: BasinMove) => void,
  ) {
    this.#nodes = nodes;
    this.#token = token;
    this.#partitions = partitions;
    this.#random = random;
    this.#onMove = onMove;
  }

  async create(basins: readonly string[]): Promise<void> {
    for (const basin of basins) {
      await this.#until('POST', '/v1/basins', { basin, config: { create_stream_on_append: true } }, [201, 409]);
    }
  }

  /** Resolves when `isOver` says so and no move is under way. @throws Error when one does not end */
  async run(basins: readonly string[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await pause(PAUSE_MS_MIN + this.#random() * (PAUSE_MS_MAX - PAUSE_MS_MIN));
      const basin = basins[Math.floor(this.#random() * basins.length)] ?? '';
      if (this.#moving.has(basin)) continue;
      const moving = this.#moveAndRest(basin, isOver).finally(() => this.#moving.delete(basin));
      // It is waited for in the end.
      moving.catch(() => {});
      this.#moving.set(basin, moving);
    }
    await Promise.all(this.#moving.values());
  }

  /** A basin that grows takes longer each time: it rests in proportion, so that moves take the same share of the time. */
  async #moveAndRest(basin: string, isOver: () => boolean): Promise<void> {
    const since = performance.now();
    await this.#move(basin, isOver);
    const until = performance.now() + RESTS * (performance.now() - since);
    while (!isOver() && performance.now() < until) await pause(LOOK_MS);
  }

  async #move(basin: string, isOver: () => boolean): Promise<void> {
    const before = await this.#placeOf(basin);
    const from = before.partition;
    const to = (from + 1 + Math.floor(this.#random() * (this.#partitions - 1))) % this.#partitions;
    const since = performance.now();
    const asked = await this.#ask('POST', '/v1/cluster/move', { basin, partition: to });
    // Without an answer it may have begun.
    if (asked !== undefined && asked.status !== 202) {
      if (asked.status !== 503)
        throw new Error(`a move was refused with ${asked.status}: ${JSON.stringify(asked.json)}`);
      return;
    }
    let last: number | undefined;
    for (;;) {
      const place = await this.#placeOf(basin);
      if (!place.isMoving) {
        const outcome = place.partition === to ? 'ended' : 'given up';
        if (asked === undefined && outcome === 'given up') return;
        const move: BasinMove = { basin, from, to, period: { from: since, to: performance.now() }, outcome };
        this.done.push(move);
        this.#onMove(move);
        return;
      }
      if (isOver()) last ??= performance.now();
      if (last !== undefined && performance.now() - last > REST_MS) {
        throw new Error(`the move of ${basin} from ${from} to ${to} does not end: ${place.problem}`);
      }
      await pause(LOOK_MS);
    }
  }

  async #placeOf(basin: string) {
    const { json } = await this.#until('GET', `/v1/cluster?place_of=${basin}`, undefined, [200]);
    const { place, moves } = json as unknown as {
      readonly place: { readonly partition: number };
      readonly moves: readonly { readonly basin: string }[];
    };
    const move = moves.find((each) => each.basin === basin);
    return { partition: place.partition, isMoving: move !== undefined, problem: JSON.stringify(move) };
  }

  async #until(method: string, path: string, body: object | undefined, wanted: readonly number[]): Promise<Asked> {
    for (;;) {
      const asked = await this.#ask(method, path, body);
      if (asked !== undefined && wanted.includes(asked.status)) return asked;
      if (asked !== undefined && asked.status < 500) {
        throw new Error(`${method} ${path}: ${asked.status} ${JSON.stringify(asked.json)}`);
      }
      await pause(LOOK_MS);
    }
  }

  /** Undefined when a node does not answer. */
  async #ask(method: string, path: string, body?: object): Promise<Asked | undefined> {
    const node = this.#nodes[Math.floor(Math.random() * this.#nodes.length)];
    if (node?.runs !== true) return undefined;
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    try {
      const answer = await call(node.port, { method, path, headers, signal, ...text });
      return { status: answer.status, json: JSON.parse(answer.body.toString()) as Asked['json'] };
    } catch {
      return undefined;
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
