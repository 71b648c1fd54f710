/** A text of a record, with what is looked for marked. */

import type { ComponentChildren } from 'preact';
import { printable } from './printable.ts';

/** Of one text; what is beyond is not marked. */
const MARKS_MAX = 200;

export function MarkedText({ text, find }: { readonly text: string; readonly find: string }) {
  const shown = printable(text);
  if (find === '') return <>{shown}</>;
  const parts: ComponentChildren[] = [];
  const [low, needle] = [shown.toLowerCase(), find.toLowerCase()];
  let from = 0;
  for (let at = low.indexOf(needle); at >= 0 && parts.length < MARKS_MAX * 2; at = low.indexOf(needle, from)) {
    parts.push(shown.slice(from, at), <mark key={at}>{shown.slice(at, at + needle.length)}</mark>);
    from = at + needle.length;
  }
  return (
    <>
      {parts}
      {shown.slice(from)}
    </>
  );
}
