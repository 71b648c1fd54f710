/** One message: who says it, its text, its calls of tools and their results. Long ones are folded. */

import { useState } from 'preact/hooks';
import { countText } from '../parts/time.ts';
import { oneLine, printable } from '../record/printable.ts';
import { ValueView } from '../record/value-view.tsx';
import type { Json } from '../wire/rows.ts';
import type { ChatMessage, MessagePart } from './message-forms.ts';
import { ProseView } from './prose-view.tsx';

/** A text longer than the first number is cut to the second. */
const FOLD_CHARS = 2_500;
const SHOWN_CHARS = 1_500;
/** What a system is told is the same in every turn. */
const SYSTEM_FOLD_CHARS = 400;
const SYSTEM_SHOWN_CHARS = 250;

export function MessageView({ message: { role, parts } }: { readonly message: ChatMessage }) {
  return (
    <section class={`chat-message chat-of-${/^[a-z]+$/.test(role) ? role : 'other'}`} aria-label={role}>
      <h3>{oneLine(role)}</h3>
      <div>
        {parts.map((part, i) => (
          <Part key={`${i} ${part.type}`} part={part} isSystem={role === 'system'} />
        ))}
        {parts.length === 0 && <span class="muted">nothing</span>}
      </div>
    </section>
  );
}

function Part({ part, isSystem }: { readonly part: MessagePart; readonly isSystem: boolean }) {
  switch (part.type) {
    case 'text':
      return <FoldedProse text={part.text} isSystem={isSystem} />;
    case 'reasoning':
      return (
        <details class="chat-reasoning">
          <summary class="muted">reasoning, {countText(part.text.length)} characters</summary>
          <ProseView text={printable(part.text)} />
        </details>
      );
    case 'call':
      return (
        <div class="chat-call">
          <span>
            <span class="muted">calls</span> <code>{oneLine(part.name)}</code>
          </span>
          {part.args !== undefined && <ValueView value={part.args as Json} />}
        </div>
      );
    case 'result':
      return (
        <div class="chat-call">
          <span class="muted">result{part.name === undefined ? '' : ` of ${oneLine(part.name)}`}</span>
          <ValueView value={(part.result ?? null) as Json} />
        </div>
      );
    case 'media':
      return <span class="chip">{oneLine(part.what)}</span>;
    default:
      return <ValueView value={part.value as Json} />;
  }
}

function FoldedProse({ text, isSystem }: { readonly text: string; readonly isSystem: boolean }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > (isSystem ? SYSTEM_FOLD_CHARS : FOLD_CHARS);
  const head = text.slice(0, isSystem ? SYSTEM_SHOWN_CHARS : SHOWN_CHARS);
  return (
    <>
      <ProseView text={printable(isLong && !isWhole ? `${head}…` : text)} />
      {isLong && (
        <button type="button" class="record-more" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'show less' : `all ${countText(text.length)} characters`}
        </button>
      )}
    </>
  );
}
