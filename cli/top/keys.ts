/** What a terminal sends while it passes on each key: which key was pressed, or which text. */

export type TopKey =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'up' | 'down' | 'page-up' | 'page-down' | 'home' | 'end' }
  | { readonly type: 'enter' | 'escape' | 'backspace' | 'interrupt' | 'suspend' };

const SEQUENCES: Readonly<Record<string, TopKey['type']>> = {
  '[A': 'up',
  OA: 'up',
  '[B': 'down',
  OB: 'down',
  '[5~': 'page-up',
  '[6~': 'page-down',
  '[H': 'home',
  OH: 'home',
  '[1~': 'home',
  '[F': 'end',
  OF: 'end',
  '[4~': 'end',
};

const CHARACTERS: Readonly<Record<string, TopKey['type']>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\u007f': 'backspace',
  '\b': 'backspace',
  '\u0003': 'interrupt',
  '\u0004': 'interrupt',
  '\u001a': 'suspend',
};

/** An escape sequence; the end of one that a slow line cut apart is not taken for text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const PART = /\u001b(\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[\s\S]/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: other control characters are no text
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** The keys in what arrived. */
export function keysIn(data: string): readonly TopKey[] {
  return [...data.matchAll(PART)].flatMap(([part, sequence]): readonly TopKey[] => {
    const type = sequence === undefined ? CHARACTERS[part] : SEQUENCES[sequence];
    if (type !== undefined && type !== 'text') return [{ type }];
    if (part === '\u001b') return [{ type: 'escape' }];
    return sequence !== undefined || CONTROL.test(part) ? [] : [{ type: 'text', text: part }];
  });
}
