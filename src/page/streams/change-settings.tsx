/** Makes a stream, and changes the settings of one: where a change lets records go, that is confirmed. */

import { useState } from 'preact/hooks';
import { Confirm } from '../parts/confirm.tsx';
import { bytesText, spanText } from '../parts/time.ts';
import { go, place } from '../state/place.ts';
import { changeStream, createStream, type StreamSettings } from '../wire/control.ts';
import type { StreamFigures } from '../wire/streams.ts';
import { FormDialog } from './form-dialog.tsx';
import { isValid, SettingForm, TextField } from './setting-fields.tsx';
import { changedSettings, fieldsOf, NO_SETTINGS } from './setting-texts.ts';

export function CreateStream(props: { readonly basin: string; onDone(): void; onClose(): void }) {
  const { basin, onDone, onClose } = props;
  const [name, setName] = useState('');
  const [fields, setFields] = useState(NO_SETTINGS);
  const run = async (): Promise<void> => {
    await createStream(basin, name, changedSettings(NO_SETTINGS, fields));
    onDone();
    go('streams', { ...place.value.query, stream: name });
  };
  return (
    <FormDialog
      title={`New stream in ${basin}`}
      verb="Create"
      isReady={name !== '' && isValid(fields)}
      run={run}
      onClose={onClose}
    >
      <TextField label="Name" placeholder="orders/eu" value={name} onInput={setName} />
      <SettingForm fields={fields} otherwise="as the basin says" onChange={setFields} />
    </FormDialog>
  );
}

export function ChangeStream(props: {
  readonly basin: string;
  readonly stream: string;
  readonly settings: StreamSettings;
  readonly figures: StreamFigures | null | undefined;
  onDone(): void;
  onClose(): void;
}) {
  const { basin, stream, settings, figures, onDone, onClose } = props;
  const before = fieldsOf(settings);
  const [fields, setFields] = useState(before);
  const [asked, setAsked] = useState<string | undefined>();
  const change = changedSettings(before, fields);
  const save = async (): Promise<void> => {
    await changeStream(basin, stream, change);
    onDone();
  };
  if (asked !== undefined) {
    const run = async (): Promise<void> => {
      await save();
      onClose();
    };
    return (
      <Confirm
        title={`Keep less of ${stream}`}
        what={asked}
        verb="Keep less"
        run={run}
        onClose={() => setAsked(undefined)}
      />
    );
  }
  const loss = lossText(stream, settings, change, figures);
  return (
    <FormDialog
      title={`Settings of ${stream}`}
      verb={loss === undefined ? 'Save' : 'Save …'}
      isReady={isValid(fields) && Object.keys(change).length > 0}
      run={loss === undefined ? save : async () => setAsked(loss)}
      staysOpen={loss !== undefined}
      onClose={onClose}
    >
      <SettingForm fields={fields} otherwise="as the basin says" onChange={setFields} />
    </FormDialog>
  );
}

/** What a change lets go of, as a sentence; undefined when it keeps as much as before. */
export function lossText(
  stream: string,
  before: StreamSettings,
  change: StreamSettings,
  figures: StreamFigures | null | undefined,
): string | undefined {
  const { retention_policy: policy, retention_bytes: bytes } = change;
  const losses: string[] = [];
  if (policy !== null && policy !== undefined && 'age' in policy && policy.age < ageOf(before)) {
    losses.push(`records of ${stream} that came more than ${spanText(policy.age * 1_000)} ago`);
  }
  if (bytes !== null && bytes !== undefined && bytes < (before.retention_bytes ?? Number.POSITIVE_INFINITY)) {
    const now = figures === null || figures === undefined ? '' : `, of ${bytesText(figures.metered_bytes)} today`;
    losses.push(`the oldest records of ${stream} beyond ${bytesText(bytes)}${now}`);
  }
  if (losses.length === 0) return undefined;
  return `This goes for what is stored already: ${losses.join(', and ')} are deleted soon and cannot be brought back.`;
}

function ageOf({ retention_policy: policy }: StreamSettings): number {
  return policy !== null && policy !== undefined && 'age' in policy ? policy.age : Number.POSITIVE_INFINITY;
}
