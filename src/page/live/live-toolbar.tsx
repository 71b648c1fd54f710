/** Above the list: the filter, levels with counts, what the list does, the histogram. */

import { levelsOf, withLevels } from '../filter/conditions.ts';
import { FilterField } from '../filter/filter-field.tsx';
import { LevelMark } from '../parts/level.tsx';
import { LEVELS, type Level } from '../parts/level-names.ts';
import { countText, setTimeStyle, type TimeStyle, timeStyle } from '../parts/time.ts';
import { change, place } from '../state/place.ts';
import { COLUMNS, columnsOf, toggledColumn } from './columns.ts';
import { Histogram } from './histogram.tsx';
import type { LevelHistory } from './level-history.ts';
import type { LiveFeed } from './live-feed.ts';
import type { LiveView } from './live-view.ts';
import { Menu } from './menu.tsx';
import { SavedViews } from './saved-views.tsx';
import { useRepaints } from './use-repaints.ts';

export type LiveDialog = 'go-to' | 'values' | undefined;

export interface LiveToolbarProps {
  readonly view: LiveView;
  readonly feed: LiveFeed;
  readonly history: LevelHistory;
  onDialog(dialog: LiveDialog): void;
}

export function LiveToolbar({ view, feed, history, onDialog }: LiveToolbarProps) {
  useRepaints(view.moved, feed.isReady);
  const filter = place.value.query.filter ?? '';
  const error = feed.error.value;
  const isWrapped = place.value.query.wrap === 'yes';
  const { isFollowing } = view.scroll;
  return (
    <div class="live-bar">
      <div class="live-controls">
        <FilterField
          filter={filter}
          seen={feed.counts.values}
          error={error !== undefined && filter !== '' ? messageOf(error) : undefined}
          onEnter={(text) => text !== filter && view.filterBy(text)}
        />
        <LevelChips filter={filter} history={history} onFilter={(text) => view.filterBy(text)} />
        <div class="live-buttons">
          <button
            type="button"
            class="button"
            aria-pressed={isFollowing}
            title="f"
            onClick={() => (isFollowing ? view.pause() : view.follow())}
          >
            Follow
          </button>
          <button
            type="button"
            class="button"
            aria-pressed={isWrapped}
            title="w"
            onClick={() => change({ wrap: isWrapped ? undefined : 'yes' }, { isSamePage: true })}
          >
            Wrap
          </button>
          <button
            type="button"
            class="button"
            aria-pressed={view.replays.replay.value !== undefined}
            title="p"
            onClick={() => (view.replays.replay.peek() === undefined ? view.replays.toggle() : view.goLive())}
          >
            Replay
          </button>
          <button type="button" class="button" title=":" onClick={() => onDialog('go-to')}>
            Go to…
          </button>
          <ColumnsMenu feed={feed} />
          <SavedViews />
          <TimeChoice />
        </div>
      </div>
      <Histogram history={history} />
    </div>
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function LevelChips(props: {
  readonly filter: string;
  readonly history: LevelHistory;
  onFilter(filter: string): void;
}) {
  const { filter, history, onFilter } = props;
  useRepaints(history.version);
  const counts = history.byLevel();
  const chosen = levelsOf(filter);
  const toggle = (level: Level): void => {
    const next = new Set(chosen ?? []);
    if (!next.delete(level)) next.add(level);
    onFilter(withLevels(filter, next));
  };
  return (
    <fieldset
      class="live-levels"
      title={history.uncounted > 0 ? `Without ${countText(history.uncounted)} of the streams` : undefined}
    >
      <legend class="unseen">Levels</legend>
      {LEVELS.map((level) => (
        <button
          key={level}
          type="button"
          class="chip level-chip"
          aria-pressed={chosen?.has(level) ?? false}
          onClick={() => toggle(level)}
        >
          <LevelMark level={level} />
          <span class="number">{countText(counts.get(level) ?? 0)}</span>
        </button>
      ))}
    </fieldset>
  );
}

function ColumnsMenu({ feed }: { readonly feed: LiveFeed }) {
  const columns = columnsOf(place.value.query.columns, feed);
  const toggle = (name: string) => change({ columns: toggledColumn(columns, name) }, { isSamePage: true });
  const own = columns.filter((name) => !Object.hasOwn(COLUMNS, name));
  const seen = [...feed.counts.values.keys()]
    .filter((key) => key.startsWith('attr.') && !own.includes(key))
    .slice(0, 30);
  return (
    <Menu title="Columns">
      <fieldset>
        <legend class="unseen">Columns</legend>
        {[...Object.entries(COLUMNS), ...own.map((name) => [name, name] as const)].map(([name, title]) => (
          <label key={name}>
            <input type="checkbox" checked={columns.includes(name)} onChange={() => toggle(name)} />
            {title}
          </label>
        ))}
        {seen.length > 0 && (
          <select
            class="field"
            aria-label="Add an attribute"
            value=""
            onChange={({ currentTarget }) => currentTarget.value !== '' && toggle(currentTarget.value)}
          >
            <option value="">Add an attribute…</option>
            {seen.map((key) => (
              <option key={key} value={key}>
                {key}
              </option>
            ))}
          </select>
        )}
      </fieldset>
    </Menu>
  );
}

function TimeChoice() {
  return (
    <select
      class="field"
      aria-label="Times"
      value={timeStyle.value}
      onChange={({ currentTarget }) => setTimeStyle(currentTarget.value as TimeStyle)}
    >
      <option value="local">Local time</option>
      <option value="utc">UTC</option>
      <option value="relative">Relative</option>
    </select>
  );
}
