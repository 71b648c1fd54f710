/** What can be done to one stream; each shows only to who may do it, and what goes for good is named before. */

import { useState } from 'preact/hooks';
import { Confirm } from '../parts/confirm.tsx';
import { bytesText, countText } from '../parts/time.ts';
import { change } from '../state/place.ts';
import { may } from '../state/session.ts';
import { fence, trim } from '../wire/append.ts';
import { deleteStream } from '../wire/control.ts';
import type { StreamFigures } from '../wire/streams.ts';
import { AppendDialog } from './append-dialog.tsx';
import { trimmedText } from './loss-texts.ts';
import { TextField } from './setting-fields.tsx';

interface ActedOn {
  readonly basin: string;
  readonly stream: string;
  readonly figures: StreamFigures | null | undefined;
  onDone(): void;
}

type ActionName = 'append' | 'fence' | 'trim' | 'delete';

const ACTIONS: readonly {
  readonly name: ActionName;
  readonly op: string;
  readonly label: string;
  readonly isDanger?: true;
}[] = [
  { name: 'append', op: 'append', label: 'Append …' },
  { name: 'fence', op: 'fence', label: 'Fence …' },
  { name: 'trim', op: 'trim', label: 'Trim …', isDanger: true },
  { name: 'delete', op: 'delete-stream', label: 'Delete …', isDanger: true },
];

export function StreamActions(acted: ActedOn) {
  const [open, setOpen] = useState<ActionName | undefined>();
  const allowed = ACTIONS.filter(({ op }) => may(op));
  if (allowed.length === 0) return null;
  const close = (): void => setOpen(undefined);
  return (
    <section aria-label="Actions">
      <h3>Actions</h3>
      <div class="buttons">
        {allowed.map(({ name, label, isDanger }) => (
          <button
            key={name}
            type="button"
            class={`button${isDanger === true ? ' danger' : ''}`}
            onClick={() => setOpen(name)}
          >
            {label}
          </button>
        ))}
      </div>
      {open === 'append' && <AppendDialog {...acted} onClose={close} />}
      {open === 'fence' && <FenceDialog {...acted} onClose={close} />}
      {open === 'trim' && <TrimDialog {...acted} onClose={close} />}
      {open === 'delete' && <DeleteDialog {...acted} onClose={close} />}
    </section>
  );
}

function FenceDialog({ basin, stream, onDone, onClose }: ActedOn & { onClose(): void }) {
  const [token, setToken] = useState('');
  const bytes = new TextEncoder().encode(token).length;
  const fault = bytes > 36 ? `It has ${bytes} bytes; at most 36 are allowed.` : undefined;
  const what =
    token === ''
      ? `Without a token the fence of ${stream} ends: every append is taken that shows no token or the empty one.`
      : `From then on an append to ${stream} that shows another fencing token than “${token}” is refused: that shuts out the writer who holds the present one. An append that shows none is taken as before.`;
  const run = async (): Promise<void> => {
    await fence(basin, stream, token);
    onDone();
  };
  return (
    <Confirm
      title={`Fence ${stream}`}
      what={what}
      verb={token === '' ? 'End the fence' : 'Fence'}
      isReady={fault === undefined}
      run={run}
      onClose={onClose}
    >
      <TextField label="Fencing token" placeholder="writer-2" value={token} fault={fault} onInput={setToken} />
    </Confirm>
  );
}

function TrimDialog({ basin, stream, figures, onDone, onClose }: ActedOn & { onClose(): void }) {
  const [text, setText] = useState('');
  const point = /^#?\d{1,16}$/.test(text.trim()) ? Number(text.trim().replace('#', '')) : undefined;
  const fault = text.trim() === '' || point !== undefined ? undefined : 'Write a sequence number, such as 4200.';
  const run = async (): Promise<void> => {
    await trim(basin, stream, point ?? 0);
    onDone();
  };
  const { what, isReady } = trimmedText(stream, point, figures);
  return (
    <Confirm title={`Trim ${stream}`} what={what} verb="Trim" isReady={isReady} run={run} onClose={onClose}>
      <TextField label="First record to keep" placeholder="4200" value={text} fault={fault} onInput={setText} />
    </Confirm>
  );
}

function DeleteDialog({ basin, stream, figures, onDone, onClose }: ActedOn & { onClose(): void }) {
  const holds =
    figures === null || figures === undefined
      ? 'all records in it'
      : `${countText(figures.records)} records with ${bytesText(figures.metered_bytes)}`;
  const run = async (): Promise<void> => {
    await deleteStream(basin, stream);
    onDone();
    change({ stream: undefined });
  };
  return (
    <Confirm
      title={`Delete ${stream}`}
      what={`The stream ${stream} in ${basin} goes for good, with ${holds} and its settings. Its readers are ended. A sender may make a new one of that name, which begins at #0.`}
      verb="Delete"
      typed={stream}
      run={run}
      onClose={onClose}
    />
  );
}
