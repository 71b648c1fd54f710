/** What a language model was asked and what it said, with the tools it used: of a trace or of a whole session. */

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { countText } from '../parts/time.ts';
import { useKeys } from '../state/keys.ts';
import { hrefOf, place, type Query } from '../state/place.ts';
import { basin } from '../state/session.ts';
import './conversation.css';
import { type ConversationChoice, ConversationFeed, KEPT_MAX, SESSION_KEYS } from './conversation-feed.ts';
import { ConversationHead } from './conversation-head.tsx';
import { StepList } from './step-view.tsx';

export function ConversationScreen() {
  const choice = choiceOf(place.value.query);
  if (choice === undefined) return <NoChoice />;
  const key = 'traceId' in choice ? choice.traceId : `${choice.key} ${choice.id}`;
  return <Followed key={key} choice={choice} />;
}

function choiceOf({ trace, conversation, session }: Query): ConversationChoice | undefined {
  const [ofConversation, ofSession] = SESSION_KEYS;
  if (conversation !== undefined) return { key: ofConversation, id: conversation };
  if (session !== undefined) return { key: ofSession, id: session };
  const traceId = trace?.replaceAll('-', '').toLowerCase() ?? '';
  return /^[0-9a-f]{32}$/.test(traceId) ? { traceId } : undefined;
}

function NoChoice() {
  return (
    <div class="state">
      <h1>Conversation</h1>
      <p>
        What a language model was asked, what it said and which tools it used, in the order in which it happened. Open
        one from a span of a model: in Live, in a record or in a trace.
      </p>
      <p>
        <a href={hrefOf('live', { basin: basin.value, filter: 'signal=traces name~chat' })}>
          Look for spans of models in Live
        </a>
      </p>
    </div>
  );
}

function Followed({ choice }: { readonly choice: ConversationChoice }) {
  const [feed, setFeed] = useState<ConversationFeed | undefined>();
  const name = basin.value;
  useEffect(() => {
    const opened = new ConversationFeed(name, choice);
    setFeed(opened);
    return () => opened.close();
  }, [name]);
  return feed === undefined ? null : <ConversationView feed={feed} choice={choice} />;
}

function ConversationView({ feed, choice }: { readonly feed: ConversationFeed; readonly choice: ConversationChoice }) {
  const steps = feed.steps.value;
  const { isComplete, isFull, seen, streams, lost, error } = feed.status.value;
  const box = useRef<HTMLDivElement>(null);
  const { span } = place.value.query;
  useStepKeys(box);
  const isThere = useMemo(() => steps.length > 0, [steps]);
  // A link to one turn leads there once it has come.
  useEffect(() => {
    if (isThere && span !== undefined) document.getElementById(`step-${span}`)?.scrollIntoView({ block: 'start' });
  }, [isThere, span]);
  if (error !== undefined) {
    return (
      <div class="state">
        <h1>Conversation</h1>
        <Fault error={error} />
      </div>
    );
  }
  if (steps.length === 0) {
    return <NothingSaid choice={choice} isComplete={isComplete} seen={seen} streams={streams} />;
  }
  return (
    <div class="screen chat" ref={box}>
      <ConversationHead steps={steps} choice={choice} isComplete={isComplete} lost={lost} />
      {isFull && (
        <p class="chat-note" role="status">
          This is the beginning: the first {countText(KEPT_MAX)} spans, or as much as fits into memory. What comes after
          is in the trace.
        </p>
      )}
      <StepList steps={steps} chosen={span} />
    </div>
  );
}

/** Focus moves from step to step; everything in them is a link, a button or a disclosure. */
function useStepKeys(box: { readonly current: HTMLElement | null }): void {
  const move = (step: 1 | -1, selector: string): void => {
    const all = [...(box.current?.querySelectorAll<HTMLElement>(selector) ?? [])];
    const focused = document.activeElement?.closest<HTMLElement>('.chat-step');
    const at = focused === null || focused === undefined ? -1 : all.indexOf(focused);
    const below = all.findIndex((each) => focused !== null && focused !== undefined && isAfter(each, focused));
    const next = at >= 0 ? at + step : step > 0 ? Math.max(0, below) : (below < 0 ? all.length : below) - 1;
    const target = all[Math.min(all.length - 1, Math.max(0, next))];
    target?.focus();
    target?.scrollIntoView({ block: 'nearest' });
  };
  useKeys(
    [
      { key: 'j', does: 'next turn', run: () => move(1, '.chat-step') },
      { key: 'k', does: 'previous turn', run: () => move(-1, '.chat-step') },
      { key: 'n', does: 'next error', run: () => move(1, '.chat-step.is-failed') },
      { key: 'N', does: 'previous error', run: () => move(-1, '.chat-step.is-failed') },
    ],
    [],
  );
}

function isAfter(element: Element, other: Element): boolean {
  return (other.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
}

interface NothingProps {
  readonly choice: ConversationChoice;
  readonly isComplete: boolean;
  readonly seen: number;
  readonly streams: number;
}

function NothingSaid({ choice, isComplete, seen, streams }: NothingProps) {
  if (!isComplete) {
    return (
      <div class="state" aria-busy="true">
        <h1>Conversation</h1>
        <p role="status">Looking in all streams…</p>
      </div>
    );
  }
  return (
    <div class="state">
      <h1>No model spoke here</h1>
      <p role="status">
        {countText(seen)} records in {countText(streams)} streams belong to this, and none of them is a span of a
        language model. If one comes, it shows here by itself.
      </p>
      {'traceId' in choice && (
        <p>
          <a href={hrefOf('trace', { basin: basin.value, trace: choice.traceId })}>Show the whole trace</a>
        </p>
      )}
    </div>
  );
}
