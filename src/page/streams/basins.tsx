/** Basins: what the streams of each begin with, and making, changing and deleting them. */

import { useState } from 'preact/hooks';
import { Confirm } from '../parts/confirm.tsx';
import { Fault } from '../parts/fault.tsx';
import { Panel } from '../parts/panel.tsx';
import { usePolled } from '../parts/polled.ts';
import { agoText } from '../parts/time.ts';
import { change, hrefOf, place } from '../state/place.ts';
import { may, who } from '../state/session.ts';
import { basinSettings, deleteBasin } from '../wire/control.ts';
import { type BasinEntry, listBasins } from '../wire/streams.ts';
import { ChangeBasin, CreateBasin } from './change-basin.tsx';
import { policySentences } from './policy-texts.ts';
import { basinSentences, streamSentences } from './setting-texts.ts';

const EVERY_MS = 5_000;

export function Basins() {
  const { value, error, reload } = usePolled(listBasins, EVERY_MS, []);
  const [isOpen, setOpen] = useState(false);
  const chosen = place.value.query.open;
  return (
    <div class={`with-panel${chosen === undefined ? '' : ' is-open'}`}>
      <div class="list-part">
        <div class="list-head">
          {may('create-basin') && (
            <button type="button" class="button primary" onClick={() => setOpen(true)}>
              New basin …
            </button>
          )}
          <p class="muted summary" role="status">
            {value !== undefined && `${value.length} ${value.length === 1 ? 'basin' : 'basins'}`}
          </p>
        </div>
        {error !== undefined && <Fault error={error} />}
        {value !== undefined && <BasinTable basins={value} chosen={chosen} />}
      </div>
      {chosen !== undefined && <BasinPanel key={chosen} basin={chosen} onChange={reload} />}
      {isOpen && <CreateBasin onDone={reload} onClose={() => setOpen(false)} />}
    </div>
  );
}

function BasinTable({
  basins,
  chosen,
}: {
  readonly basins: readonly BasinEntry[];
  readonly chosen: string | undefined;
}) {
  return (
    <div class="table-frame">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Basin</th>
            <th scope="col" class="number">
              Made
            </th>
            <th scope="col">Streams</th>
          </tr>
        </thead>
        <tbody>
          {basins.map(({ name, created_at: made, deleted_at: deleted }) => (
            <tr key={name} class={`row${name === chosen ? ' is-chosen' : ''}`}>
              <td class="name">
                <a
                  class="row-link"
                  href={hrefOf('streams', { ...place.value.query, open: name })}
                  aria-current={name === chosen ? 'true' : undefined}
                >
                  {name}
                </a>
                {name === who.value?.default_basin && <span class="chip">default</span>}
                {deleted !== null && <span class="chip">being deleted</span>}
              </td>
              <td class="number" title={made}>
                {agoText(Date.now() - Date.parse(made))}
              </td>
              <td>
                <a href={hrefOf('streams', { basin: name })}>
                  its streams<span class="unseen"> ({name})</span>
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function BasinPanel({ basin, onChange }: { readonly basin: string; onChange(): void }) {
  const { value, error, reload } = usePolled((signal) => basinSettings(basin, signal), 0, [basin]);
  const [open, setOpen] = useState<'change' | 'delete' | undefined>();
  const close = (): void => setOpen(undefined);
  return (
    <Panel title={basin} label="Basin" closed={{ open: undefined }}>
      {error !== undefined && <Fault error={error} />}
      {value !== undefined && (
        <>
          <section aria-label="Settings">
            <h3>Settings</h3>
            <dl class="facts">
              {[...basinSentences(value), ...policySentences(value)].map(([name, text]) => [
                <dt key={name}>{name}</dt>,
                <dd key={`${name} ${text}`}>{text}</dd>,
              ])}
            </dl>
          </section>
          <section aria-label="Its streams">
            <h3>What its streams begin with</h3>
            <dl class="facts">
              {streamSentences(value.default_stream_config ?? {}).map(([name, text]) => [
                <dt key={name}>{name}</dt>,
                <dd key={text}>{text}</dd>,
              ])}
            </dl>
          </section>
        </>
      )}
      <div class="buttons">
        {value !== undefined && may('reconfigure-basin') && (
          <button type="button" class="button" onClick={() => setOpen('change')}>
            Change …
          </button>
        )}
        {may('delete-basin') && (
          <button type="button" class="button danger" onClick={() => setOpen('delete')}>
            Delete …
          </button>
        )}
      </div>
      {open === 'change' && value !== undefined && (
        <ChangeBasin basin={basin} settings={value} onDone={reload} onClose={close} />
      )}
      {open === 'delete' && <DeleteBasin basin={basin} onDone={onChange} onClose={close} />}
    </Panel>
  );
}

function DeleteBasin({ basin, onDone, onClose }: { readonly basin: string; onDone(): void; onClose(): void }) {
  const isDefault = basin === who.value?.default_basin;
  const after = isDefault
    ? 'It is the default basin: at once a new, empty one gets its name and the settings that the server gives it, so its senders are not refused.'
    : 'What is sent to it from then on is refused.';
  const run = async (): Promise<void> => {
    await deleteBasin(basin);
    onDone();
    change({ open: undefined });
  };
  return (
    <Confirm
      title={`Delete ${basin}`}
      what={`The basin ${basin} goes for good, with all its streams and every record in them. ${after}`}
      verb="Delete"
      typed={basin}
      run={run}
      onClose={onClose}
    />
  );
}
