/**
 * Answers to requests that were accepted, for those who repeat one: it is not done again, and gets the first answer. An
 * answer is written in the transaction of its append, so what is known of a request is as durable as its records.
 */

import type { Clock } from '../model/clock.ts';
import { ANSWERS_KEPT_MAX, ANSWERS_KEPT_SLACK, BACKGROUND_PAGE } from '../model/limits.ts';
import {
  ANSWER_END,
  type AnswerId,
  answerEndKey,
  answerEnds,
  answerKey,
  answersTo,
  decodeAnswer,
  encodeAnswer,
  readAnswerEndKey,
  readAnswerKey,
} from '../storage/answer-rows.ts';
import type { Engine, Write } from '../storage/engine.ts';
import type { Basin } from './basins.ts';
import type { CommitQueue } from './commit-queue.ts';
import { commitRows } from './commit-rows.ts';
import { scanPages } from './scan-pages.ts';

/** An answer that is kept for repeats of its request. */
export interface KeptAnswer {
  /** SHA-256 of the request and its sender. */
  readonly digest: Uint8Array;
  readonly seconds: number;
  readonly answer: Uint8Array;
}

export interface AnswersDeps {
  readonly engine: Engine;
  readonly commits: CommitQueue;
  readonly clock: Clock;
  /** Called when there are too many. */
  nudge(): void;
  /** How many are kept; the default is `ANSWERS_KEPT_MAX`. */
  readonly keptMax?: number;
}

export class Answers {
  readonly #deps: AnswersDeps;
  readonly #keptMax: number;
  /** Requests under way, by basin and digest. */
  readonly #underWay = new Map<string, Promise<Uint8Array>>();
  /** Answers in the store, about: a failed transaction may count. */
  #count = 0;

  constructor(deps: AnswersDeps) {
    this.#deps = deps;
    this.#keptMax = deps.keptMax ?? ANSWERS_KEPT_MAX;
  }

  /** Counts what an earlier process has kept. */
  async load(): Promise<void> {
    for await (const page of scanPages(this.#deps.engine, answerEnds())) this.#count += page.length;
  }

  /**
   * The answer to a request: the one that is kept, else what `act` returns. A repeat of a request under way waits for it
   * and gets its answer, or its error.
   */
  once(basin: Basin, digest: Uint8Array, act: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const key = `${basin.number}/${Buffer.from(digest).toString('latin1')}`;
    const known = this.#underWay.get(key);
    if (known !== undefined) return known;
    const answer = this.#recalled({ basin: basin.number, digest })
      .then((kept) => kept ?? act())
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, answer);
    return answer;
  }

  /** So many came with a basin from another partition. */
  add(count: number): void {
    this.#count += count;
  }

  /** The rows that keep an answer, for the transaction of its append; none while there are far too many. */
  rowsOf(basin: number, { digest, seconds, answer }: KeptAnswer): readonly Write[] {
    if (this.#count >= this.#keptMax + ANSWERS_KEPT_SLACK) return [];
    this.#count++;
    if (this.#count > this.#keptMax) this.#deps.nudge();
    const name = { basin, digest, untilMs: this.#deps.clock.now() + seconds * 1_000 };
    return [
      { type: 'put', key: answerKey(name), value: encodeAnswer(answer) },
      { type: 'put', key: answerEndKey(name), value: ANSWER_END },
    ];
  }

  /** Removes answers whose time is over, and the oldest ones while there are too many. */
  async sweep(): Promise<void> {
    for (;;) {
      const page = await this.#deps.engine.scan({ ...answerEnds(), limit: BACKGROUND_PAGE });
      if (page.length === 0) this.#count = 0;
      const now = this.#deps.clock.now();
      const surplus = this.#count - this.#keptMax;
      const ended = page
        .map(({ key }) => readAnswerEndKey(key))
        .filter(({ untilMs }, at) => untilMs <= now || at < surplus);
      if (ended.length === 0) return;
      const rows = ended.flatMap((name): Write[] => [
        { type: 'delete', key: answerEndKey(name) },
        { type: 'delete', key: answerKey(name) },
      ]);
      await commitRows(this.#deps.commits, rows, { options: { mayUseReserve: true } });
      this.#count = Math.max(0, this.#count - ended.length);
    }
  }

  /** There is more than one where a later request has renewed an answer that is not removed yet. */
  async #recalled(id: AnswerId): Promise<Uint8Array | undefined> {
    const last = (await this.#deps.engine.scan({ ...answersTo(id), limit: BACKGROUND_PAGE })).at(-1);
    if (last === undefined || readAnswerKey(last.key).untilMs <= this.#deps.clock.now()) return undefined;
    // A copy: the bytes of the store may be valid only now.
    return Uint8Array.from(decodeAnswer(last.value));
  }
}
