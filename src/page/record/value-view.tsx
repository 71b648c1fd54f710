/** A value of a record: long and many-lined texts are folded, JSON is a tree, also where it was sent as text. */

import { useState } from 'preact/hooks';
import { countText } from '../parts/time.ts';
import type { Json } from '../wire/rows.ts';
import { JsonTree } from './json-tree.tsx';
import { MarkedText } from './marked-text.tsx';
import { textOfValue } from './printable.ts';
import './record.css';

const LINES_MAX = 12;
const CHARS_MAX = 1_200;
/** JSON in a text is parsed up to here. */
const JSON_CHARS_MAX = 1_000_000;

export interface ValueViewProps {
  readonly value: Json;
  /** What is looked for: what holds it is unfolded. */
  readonly find?: string;
}

export function ValueView({ value, find = '' }: ValueViewProps) {
  const [isText, setText] = useState(false);
  const tree = treeOf(value);
  if (tree === undefined) return <LongText text={textOfValue(value)} find={find} />;
  if (typeof value !== 'string') return <JsonTree value={tree} find={find} />;
  return (
    <div class="record-json">
      <button type="button" class="record-more" aria-pressed={isText} onClick={() => setText(!isText)}>
        as text
      </button>
      {isText ? <LongText text={value} find={find} /> : <JsonTree value={tree} find={find} />}
    </div>
  );
}

/** A list or an object, also in a text. */
function treeOf(value: Json): object | undefined {
  if (typeof value === 'object' && value !== null) return value;
  if (typeof value !== 'string' || value.length > JSON_CHARS_MAX || !/^\s*[[{]/.test(value)) return undefined;
  try {
    return JSON.parse(value) as object;
  } catch {
    return undefined;
  }
}

/** All of it where that is short, else the beginning with a button for the rest. */
function LongText({ text, find = '' }: { readonly text: string; readonly find?: string }) {
  const [isWhole, setWhole] = useState(false);
  const lines = text.split('\n');
  const head = lines.slice(0, LINES_MAX).join('\n').slice(0, CHARS_MAX);
  const isFolded = head.length < text.length && text.length > head.length + 80;
  const isHit = find !== '' && text.toLowerCase().includes(find.toLowerCase());
  const isOpen = isWhole || isHit || !isFolded;
  return (
    <span class="record-text">
      <MarkedText text={isOpen ? text : head} find={find} />
      {isFolded && !isHit && (
        <button type="button" class="record-more" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'show less' : moreText(lines.length, text.length - head.length)}
        </button>
      )}
    </span>
  );
}

function moreText(lines: number, chars: number): string {
  return lines > LINES_MAX ? `… ${countText(lines - LINES_MAX)} more lines` : `… ${countText(chars)} more characters`;
}
