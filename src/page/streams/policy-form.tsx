/** The part of a basin's form that is about OTLP data: its rules, limits and rates, and an outside issuer. */

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { LIMIT_FIELDS, type PolicyFields, PROFILES, RATE_FIELDS, type ValueField } from './policy-texts.ts';
import { Choice, TextField } from './setting-fields.tsx';

interface PolicyProps {
  readonly fields: PolicyFields;
  onChange(fields: PolicyFields): void;
}

export function PolicyForm(props: PolicyProps) {
  const { fields, onChange } = props;
  const set =
    (name: string) =>
    (value: string): void =>
      onChange({ ...fields, [name]: value });
  const text = (name: string, label: string, placeholder: string) => (
    <TextField {...{ name, label, placeholder }} value={fields[name] ?? ''} onInput={set(name)} />
  );
  return (
    <>
      <Group title="Rules for OTLP data" isSet={isSet(fields, RULES)}>
        <Choice
          label="OTLP data of a service"
          value={fields.otlp_service_routing ?? ''}
          onChange={set('otlp_service_routing')}
        >
          <option value="">goes where it says, else by the template</option>
          <option value="true">goes to the stream with its name, where there is one</option>
        </Choice>
        {text('otlp_required_resource_attributes', 'Resources must have', 'nothing (project.id, team)')}
        {text('otlp_drop_attributes', 'Attributes that are never stored', 'none (user.email, http.request.header.*)')}
        {text('otlp_dedupe_window', 'Repeated requests are stored once within', 'off (10m, 1h)')}
        {text('large_items_max', 'Items that are larger than 1 MiB, up to', 'are rejected (8MB)')}
        <Choice label="Cipher of new streams" value={fields.stream_cipher ?? ''} onChange={set('stream_cipher')}>
          <option value="">none</option>
          <option value="aes-256-gcm">aes-256-gcm</option>
          <option value="aegis-256">aegis-256</option>
        </Choice>
      </Group>
      <Group title="Limits of OTLP data" isSet={isSet(fields, ['otlp_limits.'])}>
        <Choice label="Profile" value={fields['otlp_limits.profile'] ?? ''} onChange={set('otlp_limits.profile')}>
          <option value="">none</option>
          {profilesWith(fields['otlp_limits.profile'] ?? '').map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </Choice>
        <p class="muted">
          A value here counts in place of the profile's; <code>none</code> takes its limit away.
        </p>
        <Values prefix="otlp_limits." list={LIMIT_FIELDS} {...props} />
      </Group>
      <Group title="Rates of OTLP data" isSet={isSet(fields, ['otlp_rates.'])}>
        <p class="muted">
          A request that comes too early is answered 429, and its sender sends it again. The profile has rates, too.
        </p>
        <Values prefix="otlp_rates." list={RATE_FIELDS} {...props} />
      </Group>
      <Group title="Outside issuer" isSet={isSet(fields, ['oidc.'])}>
        <p class="muted">
          Every holder of a token of that issuer and audience may send OTLP data to this basin. Give the URL of its
          keys, or the keys.
        </p>
        {text('oidc.issuer', 'Issuer', 'none (https://issuer.example)')}
        {text('oidc.audience', 'Audience', 'none (tailrace)')}
        {text('oidc.jwks_uri', 'URL of its keys', 'none (https://issuer.example/jwks)')}
        {text('oidc.jwks', 'Its keys, as a JSON key set', 'none ({"keys":[…]})')}
      </Group>
    </>
  );
}

const RULES = ['stream_cipher', 'otlp_service', 'otlp_required', 'otlp_drop', 'otlp_dedupe', 'large_items'];

function isSet(fields: PolicyFields, prefixes: readonly string[]): boolean {
  return Object.entries(fields).some(([name, text]) => text !== '' && prefixes.some((one) => name.startsWith(one)));
}

/** Also one that only a newer server has. */
function profilesWith(name: string): readonly string[] {
  return name === '' || PROFILES.includes(name) ? PROFILES : [...PROFILES, name];
}

/** Folded at first when nothing is set in it. */
function Group({ title, isSet: isOpen, children }: { title: string; isSet: boolean; children: ComponentChildren }) {
  const [wasSet] = useState(isOpen);
  return (
    <details class="group" open={wasSet}>
      <summary>{title}</summary>
      <div class="group-body">{children}</div>
    </details>
  );
}

function Values(props: PolicyProps & { readonly prefix: string; readonly list: readonly ValueField[] }) {
  const { fields, prefix, list, onChange } = props;
  const otherwise = (fields['otlp_limits.profile'] ?? '') === '' ? 'no limit' : 'as the profile says';
  return (
    <div class="value-fields">
      {list.map(([name, label, kind]) => (
        <TextField
          key={name}
          name={prefix + name}
          label={label}
          placeholder={kind === 'size' ? `${otherwise} (64KiB)` : otherwise}
          value={fields[prefix + name] ?? ''}
          onInput={(value) => onChange({ ...fields, [prefix + name]: value })}
        />
      ))}
    </div>
  );
}
