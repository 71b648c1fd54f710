/** Makes a basin, and changes the settings of one. */

import { useState } from 'preact/hooks';
import { type BasinSettings, changeBasin, createBasin } from '../wire/control.ts';
import { FormDialog } from './form-dialog.tsx';
import { PolicyForm } from './policy-form.tsx';
import { changedPolicy, type PolicyFields, policyFields } from './policy-texts.ts';
import { Choice, isValid, SettingForm, TextField } from './setting-fields.tsx';
import { changedSettings, fieldsOf, type SettingFields } from './setting-texts.ts';

interface BasinFields {
  readonly onAppend: boolean;
  readonly onRead: boolean;
  readonly template: string;
  readonly streams: SettingFields;
  readonly policy: PolicyFields;
}

function basinFields(settings: BasinSettings): BasinFields {
  return {
    onAppend: settings.create_stream_on_append === true,
    onRead: settings.create_stream_on_read === true,
    template: settings.otlp_default_stream ?? '',
    streams: fieldsOf(settings.default_stream_config),
    policy: policyFields(settings),
  };
}

/** Only what differs. */
function changedBasin(before: BasinFields, after: BasinFields): BasinSettings {
  const streams = changedSettings(before.streams, after.streams);
  return {
    ...(before.onAppend === after.onAppend ? {} : { create_stream_on_append: after.onAppend }),
    ...(before.onRead === after.onRead ? {} : { create_stream_on_read: after.onRead }),
    ...(before.template === after.template
      ? {}
      : { otlp_default_stream: after.template === '' ? null : after.template }),
    ...(Object.keys(streams).length === 0 ? {} : { default_stream_config: streams }),
    ...changedPolicy(before.policy, after.policy),
  };
}

export function CreateBasin({ onDone, onClose }: { onDone(): void; onClose(): void }) {
  const [name, setName] = useState('');
  const before = basinFields({});
  const [fields, setFields] = useState<BasinFields>({ ...before, onAppend: true, template: '{service.name}' });
  const run = async (): Promise<void> => {
    await createBasin(name, changedBasin(before, fields));
    onDone();
  };
  return (
    <FormDialog
      title="New basin"
      verb="Create"
      isReady={name !== '' && isValid(fields.streams)}
      names={['basin', ...FIELD_NAMES]}
      run={run}
      onClose={onClose}
    >
      <TextField name="basin" label="Name" placeholder="telemetry-eu" value={name} onInput={setName} />
      <BasinForm fields={fields} onChange={setFields} />
    </FormDialog>
  );
}

export function ChangeBasin(props: {
  readonly basin: string;
  readonly settings: BasinSettings;
  onDone(): void;
  onClose(): void;
}) {
  const { basin, settings, onDone, onClose } = props;
  const before = basinFields(settings);
  const [fields, setFields] = useState(before);
  const change = changedBasin(before, fields);
  const run = async (): Promise<void> => {
    await changeBasin(basin, change);
    onDone();
  };
  return (
    <FormDialog
      title={`Settings of ${basin}`}
      verb="Save"
      isReady={isValid(fields.streams) && Object.keys(change).length > 0}
      names={FIELD_NAMES}
      run={run}
      onClose={onClose}
    >
      <BasinForm fields={fields} onChange={setFields} />
    </FormDialog>
  );
}

const TEMPLATE = 'otlp_default_stream';
/** What the server refuses is said beside the field. */
const FIELD_NAMES = [TEMPLATE, ...Object.keys(policyFields({}))];

function BasinForm({ fields, onChange }: { readonly fields: BasinFields; onChange(fields: BasinFields): void }) {
  return (
    <>
      <Choice
        label="A write to a missing stream"
        value={String(fields.onAppend)}
        onChange={(value) => onChange({ ...fields, onAppend: value === 'true' })}
      >
        <option value="true">creates it</option>
        <option value="false">is refused</option>
      </Choice>
      <Choice
        label="A read of a missing stream"
        value={String(fields.onRead)}
        onChange={(value) => onChange({ ...fields, onRead: value === 'true' })}
      >
        <option value="true">creates it</option>
        <option value="false">is refused</option>
      </Choice>
      <TextField
        name={TEMPLATE}
        label="Stream of OTLP data that names none"
        placeholder="none: it is rejected ({service.name}, all-{signal})"
        value={fields.template}
        onInput={(template) => onChange({ ...fields, template })}
      />
      <fieldset class="group">
        <legend>What its streams begin with</legend>
        <SettingForm
          fields={fields.streams}
          otherwise="as the server says"
          onChange={(streams) => onChange({ ...fields, streams })}
        />
      </fieldset>
      <PolicyForm fields={fields.policy} onChange={(policy) => onChange({ ...fields, policy })} />
    </>
  );
}
