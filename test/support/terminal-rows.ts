/** The layout of `tail` and `read` on a terminal, as tests call it, and rows to lay out. */

import { readFileSync } from 'node:fs';
import { createColors } from '../../cli/print/format.ts';
import { createLayout } from '../../cli/print/terminal/layout.ts';
import { LAYOUT_DEFAULTS, type LayoutOptions } from '../../cli/print/terminal/layout-options.ts';
import type { MessageRow } from '../../src/model/message-row.ts';

export const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/terminal/${name}`, import.meta.url), 'utf8');
export const ROWS = fixture('rows.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as MessageRow);

export interface LayoutSetup extends Partial<LayoutOptions> {
  readonly columns?: number;
  readonly colors?: boolean;
  readonly traceUrl?: (traceId: string) => string;
}

export function layOut(rows: readonly MessageRow[], setup: LayoutSetup = {}): readonly string[] {
  const { columns = 130, colors = false, traceUrl, ...options } = setup;
  const terminal = { colors: createColors(colors ? 'always' : 'never', true, {}), columns: () => columns, traceUrl };
  return createLayout({ ...LAYOUT_DEFAULTS, time: 'utc', ...options }, terminal).lines(rows);
}

/** One row without the rule of its day. */
export const one = (row: MessageRow, setup: LayoutSetup = {}): readonly string[] =>
  layOut([row], { time: 'none', ...setup });
/** A row as it may come: the layout must show any. */
export const rowOf = (columns: object): MessageRow => columns as MessageRow;
export const rowAt = (seqNum: number): MessageRow => rowOf(ROWS[seqNum] ?? {});
export const log = (body: unknown, more: object = {}): MessageRow =>
  rowOf({ signal: 'logs', level: 'info', serviceName: 'shop', body, ...more });
export const span = (more: object): MessageRow =>
  rowOf({ signal: 'traces', serviceName: 'shop', type: 'work', ...more });
export const metric = (unit: string, ...dataPoints: readonly object[]): MessageRow =>
  rowOf({ signal: 'metrics', serviceName: 'shop', type: 'm', unit, dataPoints });
/** What stands behind the columns of level and service. */
export const said = (row: MessageRow, setup: LayoutSetup = {}): string => (one(row, setup)[0] ?? '').slice(15);
