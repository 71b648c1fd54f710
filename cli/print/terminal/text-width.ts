/**
 * How many columns text takes on a terminal: wide characters and emoji take two, combining marks and joiners none. Where
 * terminals differ the wider count is taken, so that no line is longer than we think.
 */

import { eastAsianWidth } from 'get-east-asian-width';

const ASCII = /^[\x20-\x7e]*$/;
/** Joiners, marks, and the vowels and last consonants of a Hangul syllable that is written in parts. */
const NO_COLUMNS = /[\p{Default_Ignorable_Code_Point}\p{Mark}\u1160-\u11ff\ud7b0-\ud7ff]/u;
/** Characters that are drawn as a picture, by themselves or because the next one asks for it. */
const EMOJI = /^(\p{Emoji_Presentation}|\p{Emoji}\ufe0f)/u;
/** Marks that take a column of their own beside the character that they follow. */
const SPACING_MARK = /\p{Spacing_Mark}/u;

const PIECE_CHARS = 128;

let segmenter: Intl.Segmenter | undefined;

/** The columns of text without control characters. */
export function textWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let columns = 0;
  for (const cluster of clustersOf(text)) columns += clusterWidth(cluster);
  return columns;
}

/** The text, or its beginning with `…` where it has more columns. */
export function clipEnd(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  return `${takeColumns(text, Math.max(0, columns - 1))}…`;
}

/** The text, or `…` with its end where it has more columns: names of services differ at their end. */
export function clipStart(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  const clusters = [...clustersOf(text)];
  let [kept, left] = ['', columns - 1];
  for (const cluster of clusters.reverse()) {
    left -= clusterWidth(cluster);
    if (left < 0) break;
    kept = cluster + kept;
  }
  return `…${kept}`;
}

/** As much of the beginning of the text as fits. */
export function takeColumns(text: string, columns: number): string {
  if (ASCII.test(text)) return text.slice(0, Math.max(0, columns));
  let [kept, left] = ['', columns];
  for (const cluster of clustersOf(text)) {
    left -= clusterWidth(cluster);
    if (left < 0) break;
    kept += cluster;
  }
  return kept;
}

/** The text with spaces up to so many columns. */
export function padColumns(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - textWidth(text)));
}

/**
 * What a reader takes for one character, of two columns at most. Piece by piece: each step of the segmenter takes time
 * that grows with the whole text.
 */
function* clustersOf(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  for (let at = 0; at < text.length; ) {
    const piece = text.slice(at, at + PIECE_CHARS);
    const clusters = Array.from(segmenter.segment(piece), ({ segment }) => segment);
    // The last one may go on in the next piece.
    const isWhole = at + piece.length === text.length || clusters.length === 1;
    for (const cluster of isWhole ? clusters : clusters.slice(0, -1)) {
      at += cluster.length;
      if (clusterWidth(cluster) <= 2) yield cluster;
      else yield* cluster;
    }
  }
}

function clusterWidth(cluster: string): number {
  if (EMOJI.test(cluster)) return 2;
  let columns = 0;
  for (const character of cluster) {
    if (SPACING_MARK.test(character)) columns += 1;
    else if (!NO_COLUMNS.test(character)) columns += eastAsianWidth(character.codePointAt(0) ?? 0);
  }
  return columns;
}
