/** One stream: what it holds, where to go in it, who reads it, its settings in words, and what can be done to it. */

import { useState } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { Panel } from '../parts/panel.tsx';
import { usePolled } from '../parts/polled.ts';
import { bytesText, countText, rateText, recentText } from '../parts/time.ts';
import { may } from '../state/session.ts';
import { type StreamSettings, streamSettings } from '../wire/control.ts';
import { listStreams, type StreamFigures } from '../wire/streams.ts';
import { ChangeStream } from './change-settings.tsx';
import { GoTo } from './go-to.tsx';
import { Readers } from './readers.tsx';
import { streamSentences } from './setting-texts.ts';
import { StreamActions } from './stream-actions.tsx';
import { StreamUsage } from './stream-usage.tsx';

const EVERY_MS = 2_000;

export function StreamPanel(props: { readonly basin: string; readonly stream: string; onChange(): void }) {
  const { basin, stream, onChange } = props;
  // The list may be cut, or ordered by the last minute: this one's figures are always the newest.
  const { value, reload } = usePolled(
    async (signal) => {
      if (!may('list-streams')) return undefined;
      return (await listStreams(basin, stream, signal, 1)).find(({ name }) => name === stream) ?? null;
    },
    EVERY_MS,
    [basin, stream],
  );
  const figures = value?.figures;
  const isGone = value !== null && value !== undefined && value.deleted_at !== null;
  const onDone = (): void => {
    reload();
    onChange();
  };
  return (
    <Panel title={stream} label="Stream" closed={{ stream: undefined }}>
      {value === null && (
        <Fault
          message={`There is no stream ${stream} in ${basin}`}
          fix="It was deleted, or never made. Choose another in the list, or make it anew."
        />
      )}
      {isGone && <p role="status">It is being deleted: its name is free when its records are gone.</p>}
      {value !== null && !isGone && (
        <>
          {figures !== undefined && figures !== null && <Holds figures={figures} />}
          <GoTo stream={stream} figures={figures} />
          {may('read') && <Readers basin={basin} stream={stream} />}
          {may('get-stream-config') && <Settings {...{ basin, stream, figures, onDone }} />}
          {may('stream-metrics') && <StreamUsage basin={basin} stream={stream} />}
          <StreamActions {...{ basin, stream, figures, onDone }} />
        </>
      )}
    </Panel>
  );
}

function Holds({ figures }: { readonly figures: StreamFigures }) {
  const { records, first_seq_num: first, next_seq_num: next, last_timestamp: last } = figures;
  const rate = figures.records_per_second;
  return (
    <section aria-label="What it holds">
      <dl class="facts">
        <dt>Records</dt>
        <dd>
          {countText(records)}
          {records > 0 && `, #${countText(first)} to #${countText(next - 1)}`}
        </dd>
        <dt>Size</dt>
        <dd>{bytesText(figures.metered_bytes)}</dd>
        <dt>Rate</dt>
        <dd>
          {rate === null ? 'not known: too many streams are written' : rateText(rate)}
          {figures.metered_bytes_per_second !== null &&
            rate !== 0 &&
            `, ${bytesText(figures.metered_bytes_per_second)}/s`}
        </dd>
        <dt>Last record</dt>
        <dd title={last === null ? undefined : new Date(last).toISOString()}>
          {last === null ? 'none yet' : recentText(Date.now() - last)}
        </dd>
      </dl>
    </section>
  );
}

function Settings(props: {
  readonly basin: string;
  readonly stream: string;
  readonly figures: StreamFigures | null | undefined;
  onDone(): void;
}) {
  const { basin, stream, figures, onDone } = props;
  const [isOpen, setOpen] = useState(false);
  const { value, error, reload } = usePolled<StreamSettings>((signal) => streamSettings(basin, stream, signal), 0, [
    basin,
    stream,
  ]);
  return (
    <section aria-label="Settings">
      <h3>Settings</h3>
      {error !== undefined && <Fault error={error} />}
      {value !== undefined && (
        <dl class="facts">
          {streamSentences(value).map(([name, text]) => [<dt key={name}>{name}</dt>, <dd key={text}>{text}</dd>])}
        </dl>
      )}
      {value !== undefined && may('reconfigure-stream') && (
        <div class="buttons">
          <button type="button" class="button" onClick={() => setOpen(true)}>
            Change …
          </button>
        </div>
      )}
      {isOpen && value !== undefined && (
        <ChangeStream
          {...{ basin, stream, figures, settings: value }}
          onDone={() => {
            reload();
            onDone();
          }}
          onClose={() => setOpen(false)}
        />
      )}
    </section>
  );
}
