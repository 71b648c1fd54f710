/** The head of a column by which a table can be sorted; the order is in the URL. */

import { change } from '../state/place.ts';
import type { SortOrder } from './sorting.ts';

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
