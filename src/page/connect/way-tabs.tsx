/** The ways to send as tabs, and the steps of the one that is chosen, each with its text to copy. */

import { useState } from 'preact/hooks';
import { CopyButton } from '../parts/copy-button.tsx';
import { change } from '../state/place.ts';
import { type EnvForm, type Fill, FORMS } from './fill.ts';
import { WAYS, type Way, type WayStep } from './ways.ts';

export function WayTabs({ way, fill }: { readonly way: Way; readonly fill: Fill }) {
  const [form, setForm] = useState<EnvForm>('sh');
  return (
    <section class="connect-ways" aria-label="What sends">
      <div class="tabs connect-tabs" role="tablist" aria-label="What sends" onKeyDown={(event) => moveTab(event, way)}>
        {WAYS.map(({ id, title }) => (
          <button
            key={id}
            id={`way-${id}`}
            type="button"
            role="tab"
            aria-selected={id === way.id}
            aria-controls="way"
            tabIndex={id === way.id ? 0 : -1}
            onClick={() => change({ with: id })}
          >
            {title}
          </button>
        ))}
      </div>
      <div id="way" role="tabpanel" aria-labelledby={`way-${way.id}`} class="connect-panel">
        {fill.token.type === 'variable' && (
          <p class="muted">
            <code>$TAILRACE_TOKEN</code> stands for a token: make one above, and it is filled in.
          </p>
        )}
        <ol>
          {way.steps(fill, form).map((step) => (
            <Step key={`${way.id} ${step.title}`} step={step} form={form} onForm={setForm} />
          ))}
        </ol>
      </div>
    </section>
  );
}

function moveTab(event: KeyboardEvent, way: Way): void {
  const at = WAYS.indexOf(way);
  const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: WAYS.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const chosen = WAYS[(next + WAYS.length) % WAYS.length];
  if (chosen === undefined) return;
  change({ with: chosen.id }, { isSamePage: true });
  document.getElementById(`way-${chosen.id}`)?.focus();
}

interface StepProps {
  readonly step: WayStep;
  readonly form: EnvForm;
  onForm(form: EnvForm): void;
}

function Step({ step, form, onForm }: StepProps) {
  const { title, text, note, isEnvironment = false, isFolded = false } = step;
  const code = <pre class="code">{text}</pre>;
  return (
    <li class="connect-step">
      <div class="connect-step-head">
        <h3>{title}</h3>
        {isEnvironment && <FormChoice form={form} onForm={onForm} />}
        <CopyButton text={text} />
      </div>
      {isFolded ? (
        <details>
          <summary>{`Show its ${text.split('\n').length} lines`}</summary>
          {code}
        </details>
      ) : (
        code
      )}
      {note !== undefined && <p class="muted">{note}</p>}
    </li>
  );
}

const FORM_TEXTS: Readonly<Record<EnvForm, string>> = { sh: 'Shell', env: 'Env file', powershell: 'PowerShell' };

function FormChoice({ form, onForm }: Omit<StepProps, 'step'>) {
  return (
    <select
      class="field"
      aria-label="Form of the variables"
      value={form}
      onChange={({ currentTarget }) => onForm(FORMS.find((one) => one === currentTarget.value) ?? 'sh')}
    >
      {FORMS.map((one) => (
        <option key={one} value={one}>
          {FORM_TEXTS[one]}
        </option>
      ))}
    </select>
  );
}
