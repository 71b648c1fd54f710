/** Which basin the screens show; nothing where the token sees only one. */

import { useEffect, useState } from 'preact/hooks';
import { go, place } from '../state/place.ts';
import { basin, may } from '../state/session.ts';
import { listBasins } from '../wire/streams.ts';

export function BasinChoice() {
  const [names, setNames] = useState<readonly string[]>([]);
  const canList = may('list-basins');
  useEffect(() => {
    if (!canList) return;
    const abort = new AbortController();
    listBasins(abort.signal).then(
      (basins) => setNames(basins.filter(({ deleted_at }) => deleted_at === null).map(({ name }) => name)),
      // Every screen says what is wrong with the server; the choice stays as it is.
      () => {},
    );
    return () => abort.abort();
  }, [canList]);
  const current = basin.value;
  const all = names.includes(current) ? names : [current, ...names];
  if (all.length < 2) return <span title="basin">{current}</span>;
  return (
    <select
      class="field"
      aria-label="Basin"
      value={current}
      onChange={({ currentTarget }) => go(place.value.screen ?? 'live', { basin: currentTarget.value })}
    >
      {all.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}
