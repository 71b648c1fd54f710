/** The form of a new token, with what it may do said in words while it is filled in. */

import { useId, useState } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { Fault } from '../parts/fault.tsx';
import { useSubmit } from '../parts/use-submit.ts';
import { basin, may } from '../state/session.ts';
import { GROUP_NAMES, issueToken } from '../wire/tokens.ts';
import type { IssuedSecret } from './secret-dialog.tsx';
import {
  applyPreset,
  EXPIRIES,
  emptyForm,
  expiryOf,
  formFault,
  PRESETS,
  type Preset,
  type Reach,
  type ReachKind,
  requestOf,
  scopeOf,
  type TokenForm,
} from './token-form.ts';
import { GROUP_WORDS, OPERATIONS, operationsHeld, summaryOf } from './token-words.ts';

export function IssueDialog({ onIssued, onClose }: { onIssued(issued: IssuedSecret): void; onClose(): void }) {
  const [form, setForm] = useState(() => emptyForm(basin.value));
  const fault = formFault(form);
  const set = (changed: Partial<TokenForm>): void => setForm((was) => ({ ...was, ...changed }));
  const { error, isBusy, submit } = useSubmit(async () => {
    const secret = await issueToken(requestOf(form, Date.now()));
    onIssued({ id: form.id.trim(), secret, verb: 'issued' });
  });
  return (
    <Dialog title="Issue a token" onClose={onClose}>
      <form class="token-form" onSubmit={submit}>
        <TextField label="Id" value={form.id} onChange={(id) => set({ id })} />
        <Presets form={form} onChange={setForm} />
        <ReachField label="Basins" reach={form.basins} onChange={(basins) => set({ basins })} />
        <ReachField label="Streams" reach={form.streams} onChange={(streams) => set({ streams })} />
        {form.streams.kind === 'prefix' && (
          <label class="token-check">
            <input
              type="checkbox"
              checked={form.isPrefixed}
              onChange={({ currentTarget }) => set({ isPrefixed: currentTarget.checked })}
            />
            Put this before every stream name that it sends, and hide it from it
          </label>
        )}
        <Rights form={form} onChange={set} />
        {operationsHeld(scopeOf(form)).some(
          (name) => name.endsWith('-access-token') || name.endsWith('-access-tokens'),
        ) && <ReachField label="Tokens that it manages" reach={form.tokens} onChange={(tokens) => set({ tokens })} />}
        <Expiry form={form} onChange={set} />
        <Summary form={form} />
        {error !== undefined && <Fault error={error} />}
        <div class="buttons end">
          {fault !== undefined && <span class="muted token-fault">{fault}</span>}
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={isBusy || fault !== undefined}>
            Issue
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface FormPartProps {
  readonly form: TokenForm;
  onChange(changed: Partial<TokenForm>): void;
}

function Presets({ form, onChange }: { readonly form: TokenForm; onChange(form: TokenForm): void }) {
  const offered = PRESETS.filter(isHeld);
  if (offered.length === 0) return null;
  return (
    <fieldset class="token-part">
      <legend>For</legend>
      <div class="buttons">
        {offered.map((preset) => (
          <button
            key={preset.id}
            type="button"
            class="button"
            aria-pressed={preset.groups === form.groups && preset.ops === form.ops}
            onClick={() => onChange(applyPreset(form, preset, basin.value))}
          >
            {preset.title}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

/** A token issues nothing that it does not hold. */
function isHeld({ groups, ops }: Pick<Preset, 'groups' | 'ops'>): boolean {
  return operationsHeld({ op_groups: groups, ops }).every(may);
}

function Rights({ form, onChange }: FormPartProps) {
  const { groups, ops } = form;
  return (
    <fieldset class="token-part">
      <legend>May</legend>
      {[...GROUP_NAMES].reverse().flatMap((group) =>
        (['read', 'write'] as const)
          .filter((mode) => isHeld({ groups: onlyGroup(groups, group, mode), ops: [] }))
          .map((mode) => (
            <label key={`${group} ${mode}`} class="token-check">
              <input
                type="checkbox"
                checked={groups[group][mode]}
                onChange={({ currentTarget: { checked } }) =>
                  onChange({ groups: { ...groups, [group]: { ...groups[group], [mode]: checked } } })
                }
              />
              {GROUP_WORDS[group][mode]}
            </label>
          )),
      )}
      <details>
        <summary>{ops.length === 0 ? 'Single operations' : `Single operations: ${ops.join(', ')}`}</summary>
        <div class="token-ops">
          {Object.entries(OPERATIONS)
            .filter(([name]) => may(name))
            .map(([name, { group, mode, words }]) => (
              <label key={name} class="token-check" title={words}>
                <input
                  type="checkbox"
                  checked={groups[group][mode] || ops.includes(name)}
                  disabled={groups[group][mode]}
                  onChange={({ currentTarget: { checked } }) =>
                    onChange({ ops: checked ? [...ops, name] : ops.filter((one) => one !== name) })
                  }
                />
                <code>{name}</code>
              </label>
            ))}
        </div>
      </details>
    </fieldset>
  );
}

function onlyGroup(
  groups: TokenForm['groups'],
  group: keyof TokenForm['groups'],
  mode: 'read' | 'write',
): TokenForm['groups'] {
  const none = { read: false, write: false };
  const empty: TokenForm['groups'] = { account: none, basin: none, stream: none };
  return { ...empty, [group]: { ...groups[group], read: mode === 'read', write: mode === 'write' } };
}

const KINDS: readonly (readonly [ReachKind, string])[] = [
  ['all', 'all'],
  ['exact', 'the one named'],
  ['prefix', 'those that begin with'],
  ['none', 'none'],
];

function ReachField(props: { readonly label: string; readonly reach: Reach; onChange(reach: Reach): void }) {
  const { label, reach, onChange } = props;
  const id = useId();
  return (
    <div class="token-reach">
      <label for={id}>{label}</label>
      <select
        id={id}
        class="field"
        value={reach.kind}
        onChange={({ currentTarget }) => {
          const kind = KINDS.find(([name]) => name === currentTarget.value)?.[0] ?? 'none';
          onChange({ ...reach, kind });
        }}
      >
        {KINDS.map(([kind, text]) => (
          <option key={kind} value={kind}>
            {text}
          </option>
        ))}
      </select>
      {(reach.kind === 'exact' || reach.kind === 'prefix') && (
        <input
          class="field mono"
          aria-label={`${label}: name`}
          autocomplete="off"
          value={reach.name}
          onInput={({ currentTarget }) => onChange({ ...reach, name: currentTarget.value })}
        />
      )}
    </div>
  );
}

function Expiry({ form, onChange }: FormPartProps) {
  const id = useId();
  return (
    <div class="token-reach">
      <label for={id}>Expires</label>
      <select
        id={id}
        class="field"
        value={form.expiry}
        onChange={({ currentTarget }) => onChange({ expiry: currentTarget.value })}
      >
        {EXPIRIES.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      {form.expiry === 'at' && (
        <input
          class="field"
          type="datetime-local"
          aria-label="Expires at"
          value={form.expiresAt}
          onInput={({ currentTarget }) => onChange({ expiresAt: currentTarget.value })}
        />
      )}
    </div>
  );
}

function Summary({ form }: { readonly form: TokenForm }) {
  const expires = expiryOf(form, Date.now());
  const text = expires?.toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
  const sentences = summaryOf({
    scope: scopeOf(form),
    auto_prefix_streams: form.isPrefixed && form.streams.kind === 'prefix',
    expires: text === undefined ? undefined : `on ${text}`,
  });
  return (
    <p class="token-summary" role="status">
      {sentences.join(' ')}
    </p>
  );
}

function TextField(props: { readonly label: string; readonly value: string; onChange(text: string): void }) {
  const id = useId();
  return (
    <div class="token-reach">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        class="field mono"
        autocomplete="off"
        spellcheck={false}
        value={props.value}
        onInput={({ currentTarget }) => props.onChange(currentTarget.value)}
      />
    </div>
  );
}
