/** Names with values; a click on a value goes to Live with a filter for it, the sign beside it excludes it there. */

import { hrefOf, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import type { Json } from '../wire/rows.ts';
import { type Condition, conditionText } from './condition.ts';
import { MarkedText } from './marked-text.tsx';
import { textOfValue } from './printable.ts';
import type { ShownPair } from './record-parts.ts';
import { ValueView } from './value-view.tsx';

const LINK_CHARS_MAX = 300;

export function PairList({ pairs, find }: { readonly pairs: readonly ShownPair[]; readonly find: string }) {
  return (
    <dl class="record-pairs">
      {pairs.map((pair, i) => (
        <Pair key={`${i} ${pair.name}`} pair={pair} find={find} />
      ))}
    </dl>
  );
}

/** Whether the name or the value holds what is looked for. */
export function holds({ name, value }: ShownPair, find: string): boolean {
  return `${name}\n${textOfValue(value)}`.toLowerCase().includes(find.toLowerCase());
}

function Pair({ pair, find }: { readonly pair: ShownPair; readonly find: string }) {
  const { name, value, condition } = pair;
  return (
    <div class="record-pair">
      <dt>
        <MarkedText text={name} find={find} />
      </dt>
      <dd class={typeof value === 'number' ? 'record-number' : undefined}>
        {condition === undefined || isLarge(value) ? (
          <ValueView value={value} find={find} />
        ) : (
          <a
            class="record-value"
            draggable={false}
            href={conditionHref(condition)}
            title={`Show ${conditionText(condition)} in Live`}
            onClick={keepSelection}
          >
            <MarkedText text={textOfValue(value)} find={find} />
          </a>
        )}
        {condition !== undefined && isLarge(value) && <ConditionLink condition={condition} isNegated={false} />}
        {condition !== undefined && <ConditionLink condition={condition} isNegated />}
      </dd>
    </div>
  );
}

/** Live with the condition; from Live itself in addition to what is asked for there. */
function conditionHref(condition: Condition, isNegated = false): string {
  const { screen = 'live', query } = place.value;
  const text = conditionText(condition, isNegated);
  if (screen !== 'live') return hrefOf('live', { basin: basin.value, filter: text });
  const filter = query.filter?.trim() ?? '';
  const isThere = ` ${filter} `.includes(` ${text} `);
  return hrefOf('live', { ...query, filter: isThere ? filter : `${filter} ${text}`.trim() });
}

/** What is folded, or a tree, is no link itself. */
function isLarge(value: Json): boolean {
  return typeof value === 'string' && (value.length > LINK_CHARS_MAX || /^\s*[[{]/.test(value) || value.includes('\n'));
}

function ConditionLink({ condition, isNegated }: { readonly condition: Condition; readonly isNegated: boolean }) {
  const what = `${isNegated ? 'Exclude' : 'Show'} ${conditionText(condition)} in Live`;
  return (
    <a class="record-condition" href={conditionHref(condition, isNegated)} title={what} aria-label={what}>
      {isNegated ? '≠' : '='}
    </a>
  );
}

/** Who selects a part of a value to copy it does not leave for it. */
function keepSelection(event: MouseEvent): void {
  if (getSelection()?.isCollapsed === false) event.preventDefault();
}
