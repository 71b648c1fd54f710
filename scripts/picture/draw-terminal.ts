/**
 * What a terminal shows as an SVG: text stays text, in a plain window, for light and dark pages. Each piece of text says
 * where it begins and how wide it is, so that columns stand below one another in every font.
 */

import { textWidth } from '../../cli/print/terminal/text-width.ts';

export interface TerminalPicture {
  /** What is read aloud in its place. */
  readonly title: string;
  /** What was typed. */
  readonly command: string;
  /** What was printed, with colours. */
  readonly lines: readonly string[];
  readonly columns: number;
}

interface Style {
  readonly color: number;
  readonly isDim: boolean;
  readonly isBold: boolean;
  readonly isInverse: boolean;
}

/** Text of one style and of one kind of characters, without spaces that a reader of XML would drop. */
interface Piece extends Style {
  readonly text: string;
  readonly kind: 'ascii' | 'wide' | 'other';
  readonly column: number;
  readonly columns: number;
}

const FONT_SIZE = 14;
/** Most fonts for code are as wide: 0.6 of their size. */
const COLUMN = 8.4;
const LINE = 20;
const MARGIN = 16;
const BAR = 32;
/** From the top of a line to the feet of its letters. */
const BASELINE = 14.5;

const PLAIN: Style = { color: 39, isDim: false, isBold: false, isInverse: false };
const PROMPT = '\u001b[2m$\u001b[22m ';

/** Class, colour on light and on dark, for each number that asks a terminal for a colour. */
export const PALETTE: ReadonlyMap<number, readonly [name: string, light: string, dark: string]> = new Map([
  [31, ['r', '#cf222e', '#ff7b72']],
  [32, ['g', '#116329', '#3fb950']],
  [33, ['y', '#7d4e00', '#d29922']],
  [34, ['u', '#0550ae', '#58a6ff']],
  [35, ['m', '#8250df', '#bc8cff']],
  [36, ['c', '#1b6e75', '#39c5cf']],
  [92, ['G', '#1a7f37', '#7ee787']],
  [94, ['U', '#0969da', '#a5d6ff']],
  [95, ['M', '#bf3989', '#f778ba']],
  [96, ['C', '#0a6c74', '#76e3ea']],
]);
const [DIM_LIGHT, DIM_DARK] = ['#59636e', '#9198a1'];
const [TEXT_LIGHT, TEXT_DARK] = ['#1f2328', '#e6edf3'];
const [PAPER_LIGHT, PAPER_DARK] = ['#ffffff', '#0d1117'];
const [LINE_LIGHT, LINE_DARK] = ['#d1d9e0', '#3d444d'];

/** @throws Error for an escape sequence that it cannot draw */
export function drawTerminal({ title, command, lines, columns }: TerminalPicture): string {
  const all = [`${PROMPT}${command}`, ...lines];
  const [width, height] = [columns * COLUMN + 2 * MARGIN, BAR + all.length * LINE + 2 * MARGIN - 8];
  const used = new Set<number>();
  const drawn = all.flatMap((line, row) => {
    const pieces = piecesOf(line);
    for (const { color } of pieces) used.add(color);
    return pieces.flatMap((piece) => drawPiece(piece, BAR + MARGIN - 4 + row * LINE));
  });
  const dots = [0, 1, 2].map((index) => `<circle class="l" cx="${22 + index * 18}" cy="${BAR / 2 + 1}" r="5.5"/>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<style>${styles(used)}</style>`,
    `<rect class="p" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    dots.join(''),
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

function styles(used: ReadonlySet<number>): string {
  const colors = [...PALETTE].filter(([color]) => used.has(color)).map(([, entry]) => entry);
  const fills = (scheme: 1 | 2): string => colors.map((entry) => `.${entry[0]}{fill:${entry[scheme]}}`).join('');
  const base = (text: string, dim: string, paper: string, line: string): string =>
    `text,.t{fill:${text}}.d{fill:${dim}}.i{fill:${paper}}.p{fill:${paper};stroke:${line}}.l{fill:${line}}`;
  return [
    `text{font:${FONT_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}.b{font-weight:600}`,
    base(TEXT_LIGHT, DIM_LIGHT, PAPER_LIGHT, LINE_LIGHT),
    fills(1),
    `@media (prefers-color-scheme:dark){${base(TEXT_DARK, DIM_DARK, PAPER_DARK, LINE_DARK)}${fills(2)}}`,
  ].join('\n');
}

function drawPiece({ text, kind, column, columns, ...style }: Piece, top: number): readonly string[] {
  const x = rounded(MARGIN + column * COLUMN);
  const color = style.isDim ? 'd' : PALETTE.get(style.color)?.[0];
  const width = rounded(columns * COLUMN);
  const ground = `<rect class="${color ?? 't'}" x="${x}" y="${top}" width="${width}" height="${LINE - 1}"/>`;
  const classes = [style.isInverse ? 'i' : color, style.isBold ? 'b' : undefined].filter((name) => name !== undefined);
  const named = classes.length === 0 ? '' : ` class="${classes.join(' ')}"`;
  // Between narrow characters of another font there must be no gap: rules and bars are drawn with them.
  const length = kind === 'other' ? ` textLength="${width}" lengthAdjust="spacingAndGlyphs"` : ` textLength="${width}"`;
  const fitted = text.length === 1 && kind !== 'other' ? '' : length;
  const drawn = `<text${named} x="${x}" y="${top + BASELINE}"${fitted}>${escapeXml(text)}</text>`;
  return style.isInverse ? [ground, drawn] : [drawn];
}

function piecesOf(line: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let style = PLAIN;
  let column = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a terminal reads
  for (const part of line.split(/(\u001b\[\d+m)/)) {
    if (part.startsWith('\u001b')) {
      style = styled(style, Number(part.slice(2, -1)));
      continue;
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what is not a colour has no place in a picture
    if (/[\u0000-\u001f\u007f-\u009f]/.test(part)) throw new Error(`cannot draw ${JSON.stringify(part)}`);
    for (const { text, kind } of stretchesOf(part)) {
      const columns = textWidth(text);
      if (text.trim() !== '') pieces.push({ ...style, text, kind, column, columns });
      column += columns;
    }
  }
  return pieces;
}

function styled(style: Style, code: number): Style {
  if (code === 1) return { ...style, isBold: true };
  if (code === 2) return { ...style, isDim: true };
  if (code === 22) return { ...style, isBold: false, isDim: false };
  if (code === 7 || code === 27) return { ...style, isInverse: code === 7 };
  if (code === 39 || PALETTE.has(code)) return { ...style, color: code };
  throw new Error(`cannot draw what ESC [ ${code} m asks for: PALETTE has the colours`);
}

/** Characters of one kind together: words with one space between them, other spaces for themselves. */
function stretchesOf(text: string): readonly Pick<Piece, 'text' | 'kind'>[] {
  const stretches: { text: string; readonly kind: Piece['kind'] }[] = [];
  for (const { segment } of new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)) {
    const last = stretches.at(-1);
    const kind = kindOf(segment);
    if (last?.kind === kind) last.text += segment;
    else stretches.push({ text: segment, kind });
  }
  return stretches.flatMap(({ text: stretch, kind }) =>
    stretch.split(/(^ +| {2,}| +$)/).flatMap((part) => (part === '' ? [] : [{ text: part, kind }])),
  );
}

function kindOf(cluster: string): Piece['kind'] {
  if (/^[\x20-\x7e]$/.test(cluster)) return 'ascii';
  return textWidth(cluster) === 2 ? 'wide' : 'other';
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function rounded(length: number): number {
  return Math.round(length * 10) / 10;
}
