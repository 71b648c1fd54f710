/** What a filter field suggests where the cursor is: fields, then operators, then values that were seen. */

import { LEVELS } from '../parts/level-names.ts';
import { quotedValue } from './conditions.ts';

export interface Suggestion {
  /** What stands in the field afterwards, up to the cursor. */
  readonly text: string;
  readonly label: string;
  readonly hint: string;
}

const FIELDS: readonly (readonly [field: string, hint: string])[] = [
  ['level>=', 'debug, info, warn, error, fatal'],
  ['service=', 'the service that sent it'],
  ['body~', 'the message contains'],
  ['text~', 'any text contains'],
  ['name=', 'of a span, metric or event'],
  ['signal=', 'logs, traces or metrics'],
  ['status=', 'of a span: unset, ok or error'],
  ['duration>', 'of a span: 500ms, 2s'],
  ['trace_id=', 'the beginning is enough'],
  ['span_id=', 'the beginning is enough'],
];
const CLOSED: Readonly<Record<string, readonly string[]>> = {
  level: LEVELS,
  signal: ['logs', 'traces', 'metrics'],
  status: ['unset', 'ok', 'error'],
};
const SHOWN_MAX = 10;

/** `seen` has values by field, such as `attr.order.id`. */
export function suggestionsAt(before: string, seen: ReadonlyMap<string, ReadonlySet<string>>): readonly Suggestion[] {
  const start = wordStart(before);
  const kept = before.slice(0, start);
  const word = before.slice(start);
  const [, not = '', field, operator = '', value = ''] =
    /^(!?)((?:[^\s"=!<>~]|"(?:[^"\\]|\\.)*")+?)(!=|!~|<=|>=|=|<|>|~)(.*)$/.exec(word) ?? [];
  if (field !== undefined) {
    const values = CLOSED[field] ?? [...(seen.get(field) ?? [])];
    const typed = value.replace(/^"/, '').toLowerCase();
    return values
      .filter((each) => each.toLowerCase().includes(typed) && each !== value)
      .slice(0, SHOWN_MAX)
      .map((each) => ({ text: `${kept}${not}${field}${operator}${quotedValue(each)} `, label: each, hint: '' }));
  }
  const typed = word.replace(/^!/, '').toLowerCase();
  const known = FIELDS.filter(([name]) => name.startsWith(typed));
  const keys = [...seen.keys()]
    .filter(
      (key) => /^(attr|resource|header)\./.test(key) && (typed === '' ? key.startsWith('attr.') : key.includes(typed)),
    )
    .map((key) => [`${key}=`, [...(seen.get(key) ?? [])].slice(0, 3).join(', ')] as const);
  return [...known, ...keys].slice(0, SHOWN_MAX + 2).map(([name, hint]) => ({
    text: `${kept}${word.startsWith('!') ? '!' : ''}${name}`,
    label: name,
    hint,
  }));
}

function wordStart(text: string): number {
  let isQuoted = false;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') isQuoted = !isQuoted;
    else if (!isQuoted && text[i] === ' ') start = i + 1;
  }
  return start;
}
