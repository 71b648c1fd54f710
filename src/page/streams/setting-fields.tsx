/** The fields of a stream's settings, of one stream or as what a basin gives its streams. */

import type { ComponentChildren } from 'preact';
import { useId, useRef } from 'preact/hooks';
import { useRefusal } from './refused-field.ts';
import { fieldFault, MODES, type SettingFields } from './setting-texts.ts';

export function SettingForm(props: {
  readonly fields: SettingFields;
  /** Who decides what is left empty. */
  readonly otherwise: string;
  onChange(fields: SettingFields): void;
}) {
  const { fields, otherwise, onChange } = props;
  const set = (name: keyof SettingFields, value: string): void => onChange({ ...fields, [name]: value });
  return (
    <>
      <TextSetting name="age" label="Keep records for" hint="7d, 12h, forever" {...{ fields, otherwise, set }} />
      <TextSetting name="size" label="Keep at most" hint="10GB, 500MB" {...{ fields, otherwise: 'any size', set }} />
      <Choice label="Timestamps" value={fields.mode} onChange={(value) => set('mode', value)}>
        <option value="">{otherwise}</option>
        {Object.entries(MODES).map(([mode, text]) => (
          <option key={mode} value={mode}>
            {text}
          </option>
        ))}
      </Choice>
      <Choice label="Timestamps in the future" value={fields.uncapped} onChange={(value) => set('uncapped', value)}>
        <option value="">{otherwise}</option>
        <option value="true">may be</option>
        <option value="false">are set back to the time of the server</option>
      </Choice>
      <TextSetting
        name="empty"
        label="Delete when it has been empty for"
        hint="1h, off"
        {...{ fields, otherwise, set }}
      />
    </>
  );
}

export function isValid(fields: SettingFields): boolean {
  return (Object.keys(fields) as (keyof SettingFields)[]).every((name) => fieldFault(name, fields[name]) === undefined);
}

function TextSetting(props: {
  readonly name: keyof SettingFields;
  readonly label: string;
  readonly hint: string;
  readonly otherwise: string;
  readonly fields: SettingFields;
  set(name: keyof SettingFields, value: string): void;
}) {
  const { name, label, hint, otherwise, fields, set } = props;
  const id = useId();
  const fault = fieldFault(name, fields[name]);
  return (
    <div class="labelled">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="field mono"
        autocomplete="off"
        placeholder={`${otherwise} (${hint})`}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        value={fields[name]}
        onInput={({ currentTarget }) => set(name, currentTarget.value)}
      />
      {fault !== undefined && (
        <span id={`${id}-fault`} class="bad">
          {fault}
        </span>
      )}
    </div>
  );
}

export function Choice(props: {
  readonly label: string;
  readonly value: string;
  readonly children: ComponentChildren;
  onChange(value: string): void;
}) {
  const id = useId();
  return (
    <div class="labelled">
      <label for={id}>{props.label}</label>
      <select
        id={id}
        class="field"
        value={props.value}
        onChange={({ currentTarget }) => props.onChange(currentTarget.value)}
      >
        {props.children}
      </select>
    </div>
  );
}

/** A field of one line with its label. */
export function TextField(props: {
  /** As the server calls it. */
  readonly name?: string;
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly fault?: string | undefined;
  readonly isMono?: boolean;
  onInput(value: string): void;
}) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const { name, label, value, placeholder, isMono = true, onInput } = props;
  const refusal = useRefusal(name, value, input);
  const fault = props.fault ?? refusal;
  return (
    <div class="labelled">
      <label for={id}>{label}</label>
      <input
        id={id}
        ref={input}
        class={isMono ? 'field mono' : 'field'}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        value={value}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
      {fault !== undefined && (
        <span id={`${id}-fault`} class="bad" role={props.fault === undefined ? 'alert' : undefined}>
          {fault}
        </span>
      )}
    </div>
  );
}
