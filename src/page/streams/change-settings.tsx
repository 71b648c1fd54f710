/** Makes a stream, and changes the settings of one: where a change lets records go, that is confirmed. */

import { useState } from 'preact/hooks';
import { Confirm } from '../parts/confirm.tsx';
import { go, place } from '../state/place.ts';
import { changeStream, createStream, type StreamSettings } from '../wire/control.ts';
import type { StreamFigures } from '../wire/streams.ts';
import { FormDialog } from './form-dialog.tsx';
import { lossText } from './loss-texts.ts';
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
