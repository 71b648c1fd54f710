/** Appends text to a stream: one record, or one for each line, with headers. OTLP data comes from exporters, not from here. */

import { useId, useState } from 'preact/hooks';
import { countText } from '../parts/time.ts';
import { hrefOf, place } from '../state/place.ts';
import { type AppendedRange, appendText } from '../wire/append.ts';
import { FormDialog } from './form-dialog.tsx';
import { TextField } from './setting-fields.tsx';

/** S2's limit for one append. */
const RECORDS_MAX = 1_000;

type Headers = readonly (readonly [string, string])[];

export function AppendDialog(props: {
  readonly basin: string;
  readonly stream: string;
  onDone(): void;
  onClose(): void;
}) {
  const { basin, stream, onDone, onClose } = props;
  const id = useId();
  const [text, setText] = useState('');
  const [headerText, setHeaderText] = useState('');
  const [token, setToken] = useState('');
  const [isByLine, setByLine] = useState(false);
  const [done, setDone] = useState<AppendedRange | undefined>();
  const headers = parseHeaders(headerText);
  const bodies = isByLine ? text.split('\n').filter((line) => line !== '') : [text];
  const run = async (): Promise<void> => {
    if ('fault' in headers) return;
    const records = bodies.map((body) => ({ body, headers: headers.headers }));
    setDone(await appendText(basin, stream, records, token === '' ? {} : { fencing_token: token }));
    setText('');
    onDone();
  };
  const isReady = text !== '' && !('fault' in headers) && bodies.length > 0 && bodies.length <= RECORDS_MAX;
  return (
    <FormDialog
      title={`Append to ${stream}`}
      verb={bodies.length > 1 ? `Append ${countText(bodies.length)} records` : 'Append'}
      isReady={isReady}
      run={run}
      onClose={onClose}
      staysOpen
    >
      {done !== undefined && <Stored stream={stream} range={done} />}
      <div class="labelled">
        <label for={id}>Text</label>
        <textarea
          id={id}
          class="field mono"
          rows={6}
          spellcheck={false}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </div>
      <label class="check">
        <input type="checkbox" checked={isByLine} onChange={({ currentTarget }) => setByLine(currentTarget.checked)} />A
        record for each line
      </label>
      {bodies.length > RECORDS_MAX && (
        <p class="bad">
          These are {countText(bodies.length)} lines; one append takes at most {countText(RECORDS_MAX)}.
        </p>
      )}
      <HeadersField text={headerText} fault={'fault' in headers ? headers.fault : undefined} onInput={setHeaderText} />
      <TextField label="Fencing token that must be in force" placeholder="none" value={token} onInput={setToken} />
    </FormDialog>
  );
}

function HeadersField(props: {
  readonly text: string;
  readonly fault: string | undefined;
  onInput(text: string): void;
}) {
  const id = useId();
  const { text, fault, onInput } = props;
  return (
    <div class="labelled">
      <label for={id}>Headers, one a line</label>
      <textarea
        id={id}
        class="field mono"
        rows={2}
        spellcheck={false}
        placeholder="content-type: text/plain"
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        value={text}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
      {fault !== undefined && (
        <span id={`${id}-fault`} class="bad">
          {fault}
        </span>
      )}
    </div>
  );
}

function Stored({ stream, range }: { readonly stream: string; readonly range: AppendedRange }) {
  const { start, end } = range;
  const last = end.seq_num - 1;
  const from = `seq:${start.seq_num}`;
  return (
    <p class="done" role="status">
      ✓ Stored as #{countText(start.seq_num)}
      {last > start.seq_num && ` to #${countText(last)}`}.{' '}
      <a href={hrefOf('live', { basin: place.value.query.basin, streams: stream, from })}>See it in Live</a>
    </p>
  );
}

/** `name: value` a line. A name must be there: a header without one would be a command. */
function parseHeaders(text: string): { readonly headers: Headers } | { readonly fault: string } {
  const headers: [string, string][] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const at = line.indexOf(':');
    const name = line.slice(0, at).trim();
    if (at < 0 || name === '') return { fault: `Line ${i + 1} has no name: write it as name: value.` };
    headers.push([name, line.slice(at + 1).trim()]);
  }
  return { headers };
}
