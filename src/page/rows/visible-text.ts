/**
 * Text of a record as the page may show it: the colours of an application become classes, every other control character and
 * what turns the direction of text becomes a visible sign.
 */

/** A piece of a line with the classes of its colours. */
export interface TextPiece {
  readonly text: string;
  /** Such as `ansi-1 ansi-bold`; empty for none. */
  readonly look: string;
}

/** CSI, OSC and two-character sequences of terminals; only the first kind with an `m` at its end is a colour. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const SEQUENCE = /\u001b\[[\d;:?<=>]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const COLOR = /^\u001b\[([\d;:]*)m$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;
/** C1 controls, marks of direction, separators of lines that no editor shows, and what takes no space. */
const HIDDEN = /[\u0080-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
/** More of one line is not for a screen: the record's raw form has it. */
const LINE_CHARS_MAX = 16_384;

/** One line without any sequence or control character. */
export function visibleText(text: string): string {
  return withoutControls(text.replace(SEQUENCE, ''));
}

/** One line in pieces by colour. */
export function coloredPieces(line: string): readonly TextPiece[] {
  if (!line.includes('\u001b')) return [{ text: cut(withoutControls(line)), look: '' }];
  const pieces: TextPiece[] = [];
  const state: AnsiState = { color: undefined, ground: undefined, marks: new Set() };
  let from = 0;
  const add = (to: number): void => {
    const text = withoutControls(line.slice(from, to));
    if (text !== '') pieces.push({ text: cut(text), look: lookOf(state) });
  };
  for (const { 0: sequence, index } of line.matchAll(SEQUENCE)) {
    add(index);
    from = index + sequence.length;
    const codes = COLOR.exec(sequence)?.[1];
    if (codes !== undefined) applyCodes(state, codes.split(/[;:]/).map(Number));
  }
  add(line.length);
  return pieces;
}

interface AnsiState {
  /** 0–15. */
  color: number | undefined;
  ground: number | undefined;
  readonly marks: Set<string>;
}

const MARKS: Readonly<Record<number, string>> = { 1: 'bold', 2: 'dim', 3: 'italic', 4: 'underline', 7: 'inverse' };
const MARKS_OFF: Readonly<Record<number, readonly string[]>> = {
  22: ['bold', 'dim'],
  23: ['italic'],
  24: ['underline'],
  27: ['inverse'],
};

function applyCodes(state: AnsiState, codes: readonly number[]): void {
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) {
      state.color = undefined;
      state.ground = undefined;
      state.marks.clear();
    } else if (MARKS[code] !== undefined) state.marks.add(MARKS[code]);
    else if (MARKS_OFF[code] !== undefined) for (const mark of MARKS_OFF[code]) state.marks.delete(mark);
    else if (code === 38 || code === 48) {
      const color = extendedColor(codes.slice(i + 1));
      if (code === 38) state.color = color;
      else state.ground = color;
      i += codes[i + 1] === 5 ? 2 : 4;
    } else if (code === 39) state.color = undefined;
    else if (code === 49) state.ground = undefined;
    else if (code >= 30 && code <= 37) state.color = code - 30;
    else if (code >= 90 && code <= 97) state.color = code - 82;
    else if (code >= 40 && code <= 47) state.ground = code - 40;
    else if (code >= 100 && code <= 107) state.ground = code - 92;
  }
}

/** Of the 256 and of the 16 million colours those of the theme that are nearest: every colour stays readable. */
function extendedColor([kind, ...values]: readonly number[]): number | undefined {
  const [first = 0, green = 0, blue = 0] = values;
  if (kind === 5) {
    if (first < 16) return first;
    if (first >= 232) return first < 244 ? 8 : 7;
    const cube = first - 16;
    return basicColor(Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51);
  }
  return kind === 2 ? basicColor(first, green, blue) : undefined;
}

function basicColor(red: number, green: number, blue: number): number {
  const half = Math.max(red, green, blue) / 2;
  return half < 20 ? 8 : (red > half ? 1 : 0) + (green > half ? 2 : 0) + (blue > half ? 4 : 0);
}

function lookOf({ color, ground, marks }: AnsiState): string {
  const looks = [...marks].map((mark) => `ansi-${mark}`);
  if (color !== undefined) looks.push(`ansi-${color % 8}`);
  if (ground !== undefined) looks.push(`ansi-on-${ground % 8}`);
  return looks.join(' ');
}

function withoutControls(text: string): string {
  return text
    .replaceAll('\t', '    ')
    .replace(CONTROL, (sign) => (sign === '\u007f' ? '\u2421' : String.fromCharCode(0x2400 + sign.charCodeAt(0))))
    .replace(HIDDEN, (sign) => `\u27e8U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}\u27e9`);
}

function cut(text: string): string {
  const more = text.length - LINE_CHARS_MAX;
  return more > 0 ? `${text.slice(0, LINE_CHARS_MAX)}… +${more.toLocaleString('en-US')} characters` : text;
}
