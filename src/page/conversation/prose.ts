/** The little of Markdown that answers of models are readable with: paragraphs, headings, lists and code. Never HTML. */

export type ProseBlock =
  | { readonly type: 'paragraph' | 'heading'; readonly text: string }
  | { readonly type: 'code'; readonly language: string; readonly text: string }
  | { readonly type: 'list'; readonly isNumbered: boolean; readonly items: readonly ProseItem[] };

export interface ProseItem {
  readonly depth: number;
  readonly mark: string;
  readonly text: string;
}

/** A piece of a line. */
export interface ProseSpan {
  readonly type: 'plain' | 'code' | 'strong';
  readonly text: string;
}

const FENCE = /^\s*(```+|~~~+)\s*([\w+#.-]*)\s*$/;
const ITEM = /^(\s*)([-*+•]|\d{1,3}[.)])\s+(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const INLINE = /(`[^`\n]+`|\*\*[^*\n]+\*\*)/;

export function proseBlocks(text: string): readonly ProseBlock[] {
  const blocks: ProseBlock[] = [];
  const lines = text.split('\n');
  let paragraph: string[] = [];
  let items: ProseItem[] = [];
  const end = (): void => {
    if (paragraph.length > 0) blocks.push({ type: 'paragraph', text: paragraph.join('\n') });
    if (items.length > 0) blocks.push({ type: 'list', isNumbered: /^\d/.test(items[0]?.mark ?? ''), items });
    paragraph = [];
    items = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const fence = FENCE.exec(line);
    const [, space = '', mark = '', item] = ITEM.exec(line) ?? [];
    const [, heading] = HEADING.exec(line) ?? [];
    if (fence !== null) {
      end();
      const to = endOfCode(lines, i, fence[1] ?? '');
      blocks.push({ type: 'code', language: fence[2] ?? '', text: lines.slice(i + 1, to).join('\n') });
      i = to;
    } else if (heading !== undefined) {
      end();
      blocks.push({ type: 'heading', text: heading });
    } else if (item !== undefined) {
      if (paragraph.length > 0) end();
      items.push({ depth: Math.min(6, space.replaceAll('\t', '  ').length >> 1), mark, text: item });
    } else if (line.trim() === '') {
      end();
    } else if (items.length > 0 && /^\s/.test(line)) {
      const last = items.pop();
      if (last !== undefined) items.push({ ...last, text: `${last.text}\n${line.trim()}` });
    } else {
      if (items.length > 0) end();
      paragraph.push(line);
    }
  }
  end();
  return blocks;
}

export function proseSpans(text: string): readonly ProseSpan[] {
  return text
    .split(INLINE)
    .filter((piece) => piece !== '')
    .map((piece): ProseSpan => {
      if (/^`[^`]+`$/.test(piece)) return { type: 'code', text: piece.slice(1, -1) };
      if (/^\*\*[^*]+\*\*$/.test(piece)) return { type: 'strong', text: piece.slice(2, -2) };
      return { type: 'plain', text: piece };
    });
}

/** The line of its end; without one the code goes to the end of the text. */
function endOfCode(lines: readonly string[], from: number, fence: string): number {
  for (let i = from + 1; i < lines.length; i++) if ((lines[i] ?? '').trim().startsWith(fence)) return i;
  return lines.length;
}
