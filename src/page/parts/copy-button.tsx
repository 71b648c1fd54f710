/** Copies a text, and says that it did. */

import { useEffect, useState } from 'preact/hooks';

const SHOWN_MS = 1_500;

/** `text` may be a function, for what is costly to make. */
export function CopyButton({
  text,
  label = 'Copy',
}: {
  readonly text: string | (() => string);
  readonly label?: string;
}) {
  const [outcome, setOutcome] = useState<'copied' | 'failed' | undefined>();
  useEffect(() => {
    if (outcome === undefined) return;
    const timer = setTimeout(() => setOutcome(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = (): void => {
    copyText(typeof text === 'string' ? text : text()).then(
      () => setOutcome('copied'),
      () => setOutcome('failed'),
    );
  };
  const told = outcome === undefined ? '' : outcome === 'copied' ? 'Copied' : 'Not allowed';
  return (
    <>
      <button type="button" class="button" onClick={copy}>
        {told === '' ? label : told}
      </button>
      <span class="unseen" role="status">
        {told}
      </span>
    </>
  );
}

/** Also where the browser has no clipboard, as on plain HTTP beyond this machine. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  if (!isDone) throw new Error('the browser allows no copying here');
}
