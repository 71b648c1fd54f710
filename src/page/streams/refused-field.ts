/** What the server refused of a form, for the field that it is about. */

import { createContext, type RefObject } from 'preact';
import { useContext, useEffect, useRef } from 'preact/hooks';
import type { WireError } from '../wire/call.ts';

export const RefusedField = createContext<WireError | undefined>(undefined);

/** Whether a path with dots is that field, or something in it. */
export function isIn(path: string | undefined, name: string): boolean {
  return path === name || path?.startsWith(`${name}.`) === true;
}

/**
 * What the server says of the field, as long as it holds what was refused. The field gets the focus, also out of a folded
 * group.
 */
export function useRefusal(
  name: string | undefined,
  value: string,
  input: RefObject<HTMLInputElement | null>,
): string | undefined {
  const error = useContext(RefusedField);
  const refused = error !== undefined && name !== undefined && isIn(error.field, name) ? error : undefined;
  const seen = useRef<{ readonly refused: WireError; readonly value: string } | null>(null);
  if (refused !== undefined && seen.current?.refused !== refused) seen.current = { refused, value };
  useEffect(() => {
    if (refused === undefined) return;
    const folded = input.current?.closest('details');
    if (folded) folded.open = true;
    input.current?.focus();
  }, [refused]);
  return refused !== undefined && seen.current?.value === value ? refused.message : undefined;
}
