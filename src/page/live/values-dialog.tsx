/** All values of the selected record, to filter by one or to leave it out: the menu of values for the keyboard. */

import { equalCondition, withCondition } from '../filter/conditions.ts';
import { Dialog } from '../parts/dialog.tsx';
import { fieldsOf } from '../rows/row-line.tsx';
import { visibleText } from '../rows/visible-text.ts';
import { place } from '../state/place.ts';
import type { LiveView } from './live-view.ts';

const VALUE_CHARS_MAX = 120;

export function ValuesDialog({ view, onClose }: { readonly view: LiveView; onClose(): void }) {
  const listed = view.selectedRow;
  if (listed === undefined) return null;
  const by = (field: string, value: string, isOut: boolean): void => {
    onClose();
    view.filterBy(withCondition(place.peek().query.filter ?? '', equalCondition(field, value, isOut)));
  };
  return (
    <Dialog title={`Filter by a value of ${listed.stream} #${listed.row.seqNum}`} onClose={onClose}>
      <table class="table">
        <tbody>
          {fieldsOf(listed.row).map(({ field, value }) => (
            <tr key={field}>
              <th scope="row" class="mono">
                {visibleText(field)}
              </th>
              <td class="mono">{visibleText(value).slice(0, VALUE_CHARS_MAX)}</td>
              <td class="values-actions">
                <button type="button" class="button" onClick={() => by(field, value, false)}>
                  Only
                </button>
                <button type="button" class="button" onClick={() => by(field, value, true)}>
                  Exclude
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <div class="buttons end">
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
