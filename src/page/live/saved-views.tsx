/** Views under a name, kept in this browser: a view is what the URL says, without the row and the position. */

import { useState } from 'preact/hooks';
import { go, place, type Query } from '../state/place.ts';
import { PLACE_PARTS } from './list-place.ts';
import { Menu } from './menu.tsx';

const KEY = 'tailrace-views';
const VIEWS_MAX = 50;

type SavedView = { readonly name: string; readonly query: Query };

export function SavedViews() {
  const [views, setViews] = useState(readViews);
  const [name, setName] = useState('');
  const store = (next: readonly SavedView[]): void => {
    localStorage.setItem(KEY, JSON.stringify(next.slice(0, VIEWS_MAX)));
    setViews(next.slice(0, VIEWS_MAX));
  };
  const save = (event: Event): void => {
    event.preventDefault();
    const { query: now } = place.peek();
    const query = Object.fromEntries(Object.entries(now).filter(([part]) => !PLACE_PARTS.includes(part)));
    store([{ name: name.trim(), query }, ...views.filter((view) => view.name !== name.trim())]);
    setName('');
  };
  return (
    <Menu title="Views">
      <div class="menu-body">
        {views.length === 0 && (
          <p class="muted">A view keeps streams, filter and columns under a name, in this browser.</p>
        )}
        {views.map((view) => (
          <div key={view.name} class="menu-row">
            <button type="button" class="button quiet" onClick={() => go('live', view.query)}>
              {view.name}
            </button>
            <button
              type="button"
              class="button quiet"
              aria-label={`Forget ${view.name}`}
              onClick={() => store(views.filter((other) => other !== view))}
            >
              ×
            </button>
          </div>
        ))}
        <form class="menu-row" onSubmit={save}>
          <input
            class="field"
            aria-label="Name of this view"
            placeholder="Name of this view"
            required
            maxLength={60}
            value={name}
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
          <button type="submit" class="button">
            Save
          </button>
        </form>
      </div>
    </Menu>
  );
}

function readViews(): readonly SavedView[] {
  try {
    const views: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(views) ? (views as SavedView[]).filter(({ name }) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}
