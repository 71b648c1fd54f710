/** What the door needs of the log. */

import type { Position } from '../model/position.ts';
import type { ReadRange } from '../model/read-range.ts';
import type { Block } from '../storage/block-read.ts';

export type ReadEvent =
  | {
      readonly type: 'records';
      readonly block: Block;
      readonly from: number;
      readonly to: number;
      readonly tail: Position | undefined;
    }
  | { readonly type: 'gap'; readonly from: number; readonly to: number }
  | { readonly type: 'caught_up'; readonly tail: Position };

export interface ReadableLog<B, S extends { readonly id: string }> {
  basin(name: string): B | undefined;
  openStream(basin: B, name: string, purpose: 'read'): S | Promise<S>;
  read(stream: S, range: ReadRange, signal: AbortSignal): AsyncIterable<ReadEvent>;
}
