/** Records with those around them, as `grep -C` shows lines: none twice where contexts meet, and a line between groups. */

import type { MessageRow } from '../src/model/message-row.ts';
import type { ContextSize } from './flags/filters.ts';
import { formatStreamUri, type StreamUri } from './flags/names.ts';

/** Records of one kind, side by side in the stream. */
export interface ContextPart {
  readonly uri: StreamUri;
  readonly from: number;
  readonly to: number;
  readonly isContext: boolean;
}

/** Side by side in the stream. `isApart` when something else was shown before. */
export interface ContextGroup {
  readonly parts: readonly ContextPart[];
  readonly isApart: boolean;
}

/** How far a stream was shown, and up to where records follow that belong to the last one that was wanted. */
interface Shown {
  to: number;
  afterEnd: number;
}

/** Says what to show, batch by batch. What stands behind a wanted record may come long after it. */
export class ContextGroups {
  readonly #size: ContextSize;
  readonly #streams = new Map<string, Shown>();
  /** Where the last group ended. */
  #last: { readonly stream: string; readonly to: number } | undefined;

  constructor(size: ContextSize) {
    this.#size = size;
  }

  /** `wanted` are all records before `next` that the filter wants and that were not there before. */
  take(uri: StreamUri, wanted: readonly Pick<MessageRow, 'seqNum'>[], next: number): readonly ContextGroup[] {
    const stream = formatStreamUri(uri);
    const shown = this.#streams.get(stream) ?? { to: 0, afterEnd: 0 };
    this.#streams.set(stream, shown);
    const groups: { readonly parts: ContextPart[]; readonly isApart: boolean }[] = [];
    const show = (from: number, to: number, isContext: boolean): void => {
      if (from >= to) return;
      const group = groups.at(-1);
      const follows = this.#last?.stream === stream && this.#last.to === from;
      const part = { uri, from, to, isContext };
      if (group !== undefined && follows) group.parts.push(part);
      else groups.push({ parts: [part], isApart: this.#last !== undefined && !follows });
      this.#last = { stream, to };
      shown.to = to;
    };
    for (const { seqNum } of wanted) {
      show(shown.to, Math.min(shown.afterEnd, seqNum), true);
      show(Math.max(shown.to, seqNum - this.#size.before), seqNum, true);
      show(seqNum, seqNum + 1, false);
      shown.afterEnd = seqNum + 1 + this.#size.after;
    }
    show(shown.to, Math.min(shown.afterEnd, next), true);
    return groups;
  }
}
