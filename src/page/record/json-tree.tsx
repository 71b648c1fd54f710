/** Lists and objects as a tree of the browser's own disclosures, so that all keys work. */

import { useState } from 'preact/hooks';
import { countText } from '../parts/time.ts';
import { MarkedText } from './marked-text.tsx';

const OPEN_DEPTH = 2;
const ITEMS_MAX = 100;
const PREVIEW_CHARS = 60;

export interface JsonTreeProps {
  readonly value: unknown;
  readonly find?: string;
  readonly name?: string | undefined;
  readonly depth?: number;
  /** Deeper ones begin closed. */
  readonly openDepth?: number;
}

export function JsonTree({ value, find = '', name, depth = 0, openDepth = OPEN_DEPTH }: JsonTreeProps) {
  if (typeof value !== 'object' || value === null) {
    return (
      <div class="record-leaf">
        <Name name={name} find={find} />
        <span class={`record-${value === null ? 'null' : typeof value}`}>
          <MarkedText text={typeof value === 'string' ? value : String(value)} find={find} />
        </span>
      </div>
    );
  }
  return <Branch value={value} find={find} name={name} depth={depth} openDepth={openDepth} />;
}

function Branch({ value, find, name, depth, openDepth }: Required<JsonTreeProps> & { readonly value: object }) {
  const entries = Object.entries(value);
  const [shown, setShown] = useState(ITEMS_MAX);
  const isHit = find !== '' && JSON.stringify(value).toLowerCase().includes(find.toLowerCase());
  const [isOpen, setOpen] = useState(depth < openDepth);
  const isShown = isOpen || isHit;
  const marks = Array.isArray(value) ? '[]' : '{}';
  return (
    <details
      class="record-branch"
      open={isShown}
      onToggle={({ currentTarget }) => {
        if (currentTarget.open !== isShown) setOpen(currentTarget.open);
      }}
    >
      <summary>
        <Name name={name} find={find} />
        <span class="muted">{isShown ? `${marks} ${entries.length}` : previewOf(value)}</span>
      </summary>
      {isShown && (
        <div class="record-children">
          {entries.slice(0, shown).map(([key, item]) => (
            <JsonTree key={key} value={item} find={find} name={key} depth={depth + 1} openDepth={openDepth} />
          ))}
          {entries.length > shown && (
            <button type="button" class="record-more" onClick={() => setShown(shown + ITEMS_MAX * 10)}>
              … {countText(entries.length - shown)} more
            </button>
          )}
        </div>
      )}
    </details>
  );
}

function Name({ name, find }: { readonly name: string | undefined; readonly find: string }) {
  if (name === undefined) return null;
  return (
    <span class="record-name">
      <MarkedText text={name} find={find} />
    </span>
  );
}

function previewOf(value: object): string {
  const text = JSON.stringify(value);
  return text.length > PREVIEW_CHARS ? `${text.slice(0, PREVIEW_CHARS)}…` : text;
}
