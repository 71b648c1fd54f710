/** The picture of README.md: it is what `tail` prints, every font and page shows it right, and it loads nothing. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { padColumns, textWidth } from '../../cli/print/terminal/text-width.ts';
import { drawTerminal, PALETTE } from '../../scripts/picture/draw-terminal.ts';
import { PICTURE_FILE, terminalPicture } from '../../scripts/picture/terminal-picture.ts';
import { fixture, layOut, ROWS } from '../support/terminal-rows.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const [COLUMN, LINE, LEFT] = [8.4, 20, 16];

test('the committed picture is what tail prints, else run `npm run generate` and commit the result', () => {
  expect(readFileSync(path.join(ROOT, PICTURE_FILE), 'utf8')).toBe(terminalPicture());
});

test('README.md shows the picture, with a text for those who do not see it', () => {
  const pictures = [...readFileSync(path.join(ROOT, 'README.md'), 'utf8').matchAll(/!\[([^\]]{40,})\]\(([^)]+)\)/g)];
  expect(pictures.map(([, , file]) => file)).toEqual([PICTURE_FILE]);
});

test('the picture is small, and has no scripts, fonts, links or files of others', () => {
  const svg = terminalPicture();
  expect(Buffer.byteLength(svg)).toBeLessThan(40_000);
  expect(svg.match(/<text[^>]* y="([\d.]+)"/g)?.length).toBeGreaterThan(80);
  const outside = svg.replace(/<text[^>]*>[^<]*<\/text>/g, '').replace('xmlns="http://www.w3.org/2000/svg"', '');
  expect(outside).not.toMatch(/https?:|url\(|@import|@font-face|href|<script|<image|<foreignObject|\son\w+=/);
});

test('the picture has a title, and between 20 and 24 lines', () => {
  const svg = terminalPicture();
  expect(svg).toMatch(/^<svg [^>]*role="img" aria-labelledby="title">\n<title id="title">[^<]{40,}<\/title>/);
  expect(linesOf(svg).length).toBeGreaterThanOrEqual(20);
  expect(linesOf(svg).length).toBeLessThanOrEqual(24);
});

test.each([76, 100, 130])('pieces of text stand at their columns, wide characters too, at %d columns', (columns) => {
  const svg = drawTerminal({ title: '', command: 'x', lines: layOut(ROWS, { columns, colors: true }), columns });
  expect(`${linesOf(svg).slice(1).join('\n')}\n`).toBe(fixture(`screen-${columns}.txt`).replace(/ +$/gm, ''));
  for (const { end } of piecesOf(svg)) expect(end).toBeLessThanOrEqual(columns);
});

test('every piece of more than one letter says how wide it is', () => {
  for (const { text, width } of piecesOf(terminalPicture())) {
    if (text.length > 1) expect(width).toBeCloseTo(textWidth(text) * COLUMN, 1);
  }
});

test('text that would be markup stays text, in the title too', () => {
  const svg = drawTerminal({ title: '<a> & "b"', command: 'tail "x" </svg>', lines: [']]> &amp;'], columns: 40 });
  expect(linesOf(svg)).toEqual(['$ tail "x" </svg>', ']]> &amp;']);
  expect(svg).toContain('>&lt;a&gt; &amp; "b"</title>');
  expect(svg.match(/<\/svg>/g)).toHaveLength(1);
});

test.each(['\u001b[2Jx', '\u001b[48mx', 'a\tb', '\u0007'])('what it cannot draw is an error: %j', (line) => {
  expect(() => drawTerminal({ title: '', command: '', lines: [line], columns: 40 })).toThrow('cannot draw');
});

test('text that is shown inverse has the colour of the paper on its own colour', () => {
  const svg = drawTerminal({
    title: '',
    command: '',
    lines: ['\u001b[7m\u001b[31mFATAL\u001b[39m\u001b[27m a'],
    columns: 9,
  });
  expect(svg).toMatch(/<rect class="r" x="16" [^>]*width="42"[^>]*\/>\n<text class="i" [^>]*>FATAL<\/text>/);
});

test('every colour can be read on a light and on a dark page', () => {
  const svg = terminalPicture();
  const [light = '', dark = ''] = (/<style>([\s\S]*)<\/style>/.exec(svg)?.[1] ?? '').split('@media');
  expect(dark).toContain('prefers-color-scheme:dark');
  for (const sheet of [light, dark]) {
    const fill = (rule: string): string => sheet.split(`${rule}{fill:`)[1]?.slice(0, 7) ?? '';
    for (const rule of ['text,.t', '.d']) expect(contrast(fill(rule), fill('.p'))).toBeGreaterThanOrEqual(4.5);
  }
  for (const [, onLight, onDark] of PALETTE.values()) {
    expect(contrast(onLight, '#ffffff')).toBeGreaterThanOrEqual(4.5);
    expect(contrast(onDark, '#0d1117')).toBeGreaterThanOrEqual(4.5);
  }
});

interface ShownPiece {
  readonly row: number;
  readonly column: number;
  readonly end: number;
  readonly text: string;
  readonly width: number | undefined;
}

function piecesOf(svg: string): readonly ShownPiece[] {
  const found = [...svg.matchAll(/<text(?: class="[\w ]+")? x="([\d.]+)" y="([\d.]+)"(.*?)>([^<]*)<\/text>/g)];
  const top = Number(found[0]?.[2]);
  return found.map(([, x, y, more = '', escaped = '']) => {
    const text = escaped.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
    const column = Math.round((Number(x) - LEFT) / COLUMN);
    const width = /textLength="([\d.]+)"/.exec(more)?.[1];
    const end = column + textWidth(text);
    return { row: (Number(y) - top) / LINE, column, end, text, width: width === undefined ? undefined : Number(width) };
  });
}

/** The lines as a reader sees them. */
function linesOf(svg: string): readonly string[] {
  const lines: string[] = [];
  for (const { row, column, text } of piecesOf(svg)) lines[row] = padColumns(lines[row] ?? '', column) + text;
  return lines;
}

/** https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio */
function contrast(one: string, other: string): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
