/** What a user may choose about the layout, and what it knows of the terminal. */

import type { Colors } from '../format.ts';

export const TIME_STYLES = ['local', 'utc', 'iso', 'relative', 'none'] as const;
export type TimeStyle = (typeof TIME_STYLES)[number];

export interface LayoutOptions {
  /** Which attributes show: those that say something new, all, none, or these names; `http.*` names a family. */
  readonly attributes: 'some' | 'all' | 'none' | readonly string[];
  readonly resource: boolean;
  readonly time: TimeStyle;
  /** Longer spans are yellow. */
  readonly slowMs: number;
  /** Whether the conversation of a language model is printed. */
  readonly messages: boolean;
  /** How much of texts with several lines. */
  readonly stack: 'some' | 'all' | 'none';
  readonly wrap: boolean;
  readonly seq: boolean;
}

export const LAYOUT_DEFAULTS: LayoutOptions = {
  attributes: 'some',
  resource: false,
  time: 'local',
  slowMs: 1_000,
  messages: false,
  stack: 'some',
  wrap: true,
  seq: false,
};

/** The terminal, which may be resized: asked again for each record. */
export interface LayoutTerminal {
  readonly colors: Colors;
  columns(): number;
  /** Where a trace id leads; undefined where the terminal takes no links. */
  traceUrl?: ((traceId: string) => string) | undefined;
}
