/** A form that is sent once at a time: what it is refused with is kept to be shown, and it can be sent again. */

import { useState } from 'preact/hooks';

export interface Submit {
  /** Undefined unless the last try failed. */
  readonly error: unknown;
  readonly isBusy: boolean;
  /** For `onSubmit` of the form. */
  submit(event: Event): void;
}

/** `run` may take the form away, or return and leave it there for another try. */
export function useSubmit(run: () => Promise<unknown>): Submit {
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await run();
    } catch (thrown) {
      setError(thrown);
    }
    setBusy(false);
  };
  return {
    error,
    isBusy,
    submit: (event) => {
      event.preventDefault();
      if (!isBusy) void send();
    },
  };
}
