/** Counts of items of a scanned request. */

import { cell, type ScannedRequest } from './scan/columns.ts';

/** How many items [from, to) are in the units of OTLP: for metrics their data points, else the items themselves. */
export function countOf(scanned: ScannedRequest, from: number, to: number): number {
  if (scanned.signal !== 'metrics') return to - from;
  let points = 0;
  for (let item = from; item < to; item++) points += cell(scanned.itemPoints, item);
  return points;
}

/** The same of all items of some resources. */
export function rowsCount(scanned: ScannedRequest, rows: readonly number[]): number {
  return rows.reduce((sum, row) => {
    const from = cell(scanned.scopeItemsFrom, cell(scanned.resourceScopesFrom, row));
    const to = cell(scanned.scopeItemsFrom, cell(scanned.resourceScopesFrom, row + 1));
    return sum + countOf(scanned, from, to);
  }, 0);
}
