/** What a node of a cluster replies with by itself, beside the server of the node that leads. */

import type { MemoryBudget } from '../encoding/memory-budget.ts';
import type { Clock } from '../model/clock.ts';
import { AnswerWatch } from './answer-watch.ts';
import { UploadWatch } from './body/upload-watch.ts';
import type { ReplyContext } from './reply.ts';

/** One budget pays for requests with and without a token: the node that leads tells them apart. */
export function nodeReplyContext({
  clock,
  memory,
  closing,
}: {
  readonly clock: Clock;
  readonly memory: MemoryBudget;
  /** Whether the node stops: connections are then closed after their responses. */
  readonly closing: () => boolean;
}): ReplyContext {
  const budgets = { budget: memory, strangers: memory };
  return { memory: budgets, watch: new UploadWatch(clock), answers: new AnswerWatch(clock), closing };
}
