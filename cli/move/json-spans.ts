/** Where the parts of a JSON text are, without decoding it: what is sent on is the text itself, digit for digit. */

/** A member of an object: its key, and where its value is. */
export interface JsonMember {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

/** The members of the object that begins at `at`, of a text that is JSON. */
export function membersAt(text: string, at: number): readonly JsonMember[] {
  const members: JsonMember[] = [];
  let i = afterSpace(text, at + 1);
  while (text[i] !== '}') {
    const keyEnd = valueEnd(text, i);
    const key = JSON.parse(text.slice(i, keyEnd)) as string;
    const start = afterSpace(text, afterSpace(text, keyEnd) + 1);
    const end = valueEnd(text, start);
    members.push({ key, start, end });
    i = afterSpace(text, end);
    if (text[i] === ',') i = afterSpace(text, i + 1);
  }
  return members;
}

/** Where the values of the list that begins at `at` begin and end, of a text that is JSON. */
export function elementsAt(text: string, at: number): readonly (readonly [start: number, end: number])[] {
  const elements: [number, number][] = [];
  let i = afterSpace(text, at + 1);
  while (text[i] !== ']') {
    const end = valueEnd(text, i);
    elements.push([i, end]);
    i = afterSpace(text, end);
    if (text[i] === ',') i = afterSpace(text, i + 1);
  }
  return elements;
}

/** The index of the first character at or after `at` that is no space. */
export function afterSpace(text: string, at: number): number {
  let i = at;
  while (text[i] === ' ' || text[i] === '\t' || text[i] === '\r' || text[i] === '\n') i++;
  return i;
}

/** Quotes open strings, brackets nest; everything else only ends a scalar. */
function valueEnd(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return stringEnd(text, at);
  if (first !== '{' && first !== '[') return scalarEnd(text, at);
  let depth = 0;
  STRUCTURE.lastIndex = at;
  for (let found = STRUCTURE.exec(text); found !== null; found = STRUCTURE.exec(text)) {
    const character = found[0];
    if (character === '"') STRUCTURE.lastIndex = stringEnd(text, found.index);
    else if (character === '{' || character === '[') depth++;
    else if (--depth === 0) return found.index + 1;
  }
  return text.length;
}

const STRUCTURE = /["{}[\]]/g;
const SCALAR_END = /[\s,}\]]|$/g;

function scalarEnd(text: string, at: number): number {
  SCALAR_END.lastIndex = at;
  return SCALAR_END.exec(text)?.index ?? text.length;
}

function stringEnd(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}
