/** The order of a table, as the URL has it: `sort=rate`, or `sort=-rate` from the greatest down. */

export interface SortOrder {
  readonly by: string;
  readonly isDown: boolean;
}

/** `fallback` is in force while the URL says none. */
export function sortOrder(text: string | undefined, fallback: string): SortOrder {
  const order = text === undefined || text === '' ? fallback : text;
  return order.startsWith('-') ? { by: order.slice(1), isDown: true } : { by: order, isDown: false };
}

/** Sorted copies; what has no value comes last in either direction. Equal ones stay in their order. */
export function sorted<T>(
  rows: readonly T[],
  keyOf: (row: T) => string | number | null | undefined,
  isDown: boolean,
): readonly T[] {
  const factor = isDown ? -1 : 1;
  const keyed = rows.map((row) => ({ row, value: keyOf(row) ?? undefined }));
  keyed.sort(({ value: a }, { value: b }) => {
    if (a === b) return 0;
    if (a === undefined) return 1;
    if (b === undefined) return -1;
    return a < b ? -factor : factor;
  });
  return keyed.map(({ row }) => row);
}
