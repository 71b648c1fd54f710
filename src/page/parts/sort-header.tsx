/** The head of a column by which a table can be sorted; the order is in the URL: `sort=rate`, or `sort=-rate` from the top. */

import { change } from '../state/place.ts';

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

/** `isNumber` aligns right, and begins with the greatest. */
export function SortHeader(props: {
  readonly by: string;
  readonly label: string;
  readonly title?: string | undefined;
  readonly order: SortOrder;
  readonly isNumber?: boolean;
  readonly class?: string | undefined;
}) {
  const { by, label, title, order, isNumber = false } = props;
  const isActive = order.by === by;
  const isDown = isActive ? !order.isDown : isNumber;
  const classes = [isNumber ? 'number' : undefined, props.class].filter((name) => name !== undefined);
  return (
    <th
      scope="col"
      class={classes.length === 0 ? undefined : classes.join(' ')}
      aria-sort={isActive ? (order.isDown ? 'descending' : 'ascending') : undefined}
    >
      <button
        type="button"
        class="sort"
        title={title}
        onClick={() => change({ sort: isDown ? `-${by}` : by }, { isSamePage: true })}
      >
        {label}
        <span aria-hidden="true" class="sort-mark">
          {isActive ? (order.isDown ? '▾' : '▴') : ''}
        </span>
      </button>
    </th>
  );
}
