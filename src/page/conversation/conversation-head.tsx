/** What a conversation is in a line: how many turns and tools, which models, what it cost, how long it took. */

import { countText, spanText } from '../parts/time.ts';
import { costText } from '../record/record-parts.ts';
import { hrefOf } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { type ConversationChoice, SESSION_KEYS } from './conversation-feed.ts';
import { type ConversationStep, totalsOf } from './steps.ts';

export interface ConversationHeadProps {
  readonly steps: readonly ConversationStep[];
  readonly choice: ConversationChoice;
  readonly isComplete: boolean;
  readonly lost: string | undefined;
}

export function ConversationHead({ steps, choice, isComplete, lost }: ConversationHeadProps) {
  const totals = totalsOf(steps);
  const facts = [
    `${countText(totals.turns)} ${totals.turns === 1 ? 'turn' : 'turns'}`,
    totals.tools > 0 ? `${countText(totals.tools)} ${totals.tools === 1 ? 'tool' : 'tools'} run` : '',
    tokensText(totals.inputTokens, totals.outputTokens, totals.cachedTokens),
    totals.costMicrocents > 0 ? `cost ${costText(totals.costMicrocents)}` : '',
    lengthText(steps),
    totals.models.join(', '),
  ].filter((text) => text !== '');
  return (
    <header class="chat-head">
      <h1>{steps[0]?.row.serviceName ?? 'Conversation'}</h1>
      <p>
        {facts.map((text) => (
          <span key={text}>{text}</span>
        ))}
        {totals.errors > 0 && <span class="level-error">✗ {countText(totals.errors)} failed</span>}
        <span class="muted" role="status">
          {lost !== undefined ? 'reconnecting…' : isComplete ? 'following' : 'reading…'}
        </span>
      </p>
      <Ways steps={steps} choice={choice} />
    </header>
  );
}

/** `1,287 in (1,024 cached), 214 out`. */
export function tokensText(input: number | undefined, output: number | undefined, cached: number | undefined): string {
  if ((input ?? 0) + (output ?? 0) === 0) return '';
  const fromCache = cached !== undefined && cached > 0 ? ` (${countText(cached)} cached)` : '';
  return `${countText(input ?? 0)}${fromCache} → ${countText(output ?? 0)} tokens`;
}

/** To the trace, and to the session where the spans say one. */
function Ways({ steps, choice }: { readonly steps: readonly ConversationStep[]; readonly choice: ConversationChoice }) {
  if (!('traceId' in choice)) {
    return (
      <p class="muted">
        All of {choice.key} = {choice.id}
      </p>
    );
  }
  const [ofConversation, ofSession] = SESSION_KEYS;
  const conversation = valueIn(steps, ofConversation);
  const session = valueIn(steps, ofSession);
  return (
    <p class="chat-ways">
      <a href={hrefOf('trace', { basin: basin.value, trace: choice.traceId })}>Whole trace</a>
      {conversation !== undefined && (
        <a href={hrefOf('conversation', { basin: basin.value, conversation })}>All of conversation {conversation}</a>
      )}
      {session !== undefined && (
        <a href={hrefOf('conversation', { basin: basin.value, session })}>All of session {session}</a>
      )}
    </p>
  );
}

function valueIn(steps: readonly ConversationStep[], key: string): string | undefined {
  for (const { row, children } of steps) {
    const value = row.metadata?.[key];
    if (typeof value === 'string') return value;
    const below = valueIn(children, key);
    if (below !== undefined) return below;
  }
  return undefined;
}

function lengthText(steps: readonly ConversationStep[]): string {
  const starts = steps.map(({ row }) => Date.parse(row.timestamp));
  const ends = steps.map(({ row }) => Date.parse(row.endTimestamp ?? row.timestamp));
  const length = Math.max(...ends) - Math.min(...starts);
  return Number.isFinite(length) && length > 0 ? spanText(length) : '';
}
