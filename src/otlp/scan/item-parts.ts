/** Columns of what the items of a request are about: where their trace ids and names are, and how serious they are. */

import { NAME_SLOT, PART_SLOTS, SEVERITY_SLOT, SEVERITY_TEXT_SLOT, TRACE_ID_SLOT } from './tables.ts';

/** Of a severity that is not known without looking at the record. */
export const TOLD_BY_TEXT = 255;
const SEVERITY_MAX = 24;

export class ItemParts {
  /**
   * By slot: where the last such part is. One that does not come after the first byte of the current item is of an item
   * before it, so nothing has to be forgotten between items.
   */
  readonly at = new Int32Array(PART_SLOTS);

  /** Where its trace id is, and where its name begins and ends; 0 when it has none. */
  traceId: Uint32Array;
  name: Uint32Array;
  nameEnd: Uint32Array;
  /** The severity number of a log record when it is 1 to 24; 0 when it has no level, or `TOLD_BY_TEXT`. */
  severity: Uint8Array;

  constructor(capacity: number) {
    this.traceId = new Uint32Array(capacity);
    this.name = new Uint32Array(capacity);
    this.nameEnd = new Uint32Array(capacity);
    this.severity = new Uint8Array(capacity);
  }

  /** A request begins: its positions may be less than those before. */
  begin(): void {
    this.at.fill(0);
  }

  /** The item whose message is at `start` ends, in that row. */
  close(row: number, start: number, view: DataView): void {
    const { at } = this;
    const traceId = at[TRACE_ID_SLOT] as number;
    this.traceId[row] = traceId > start ? traceId : 0;
    const name = at[NAME_SLOT] as number;
    this.name[row] = name > start ? name : 0;
    this.nameEnd[row] = name > start ? (at[NAME_SLOT + 1] as number) : 0;
    this.severity[row] = severityOf(at, start, view);
  }

  /** Makes space for so many items. */
  grow(capacity: number): void {
    this.traceId = grown(this.traceId, new Uint32Array(capacity));
    this.name = grown(this.name, new Uint32Array(capacity));
    this.nameEnd = grown(this.nameEnd, new Uint32Array(capacity));
    this.severity = grown(this.severity, new Uint8Array(capacity));
  }
}

/** As the number says, unless it says nothing: then a text that is there tells. */
function severityOf(at: Int32Array, start: number, view: DataView): number {
  const numberAt = at[SEVERITY_SLOT] as number;
  const number = numberAt > start ? view.getUint8(numberAt) : 0;
  if (number >= 1 && number <= SEVERITY_MAX) return number;
  const textAt = at[SEVERITY_TEXT_SLOT] as number;
  const hasText = textAt > start && (at[SEVERITY_TEXT_SLOT + 1] as number) > textAt;
  // A number of several bytes may be any.
  return hasText || number > 0x7f ? TOLD_BY_TEXT : 0;
}

function grown<T extends Uint32Array | Uint8Array>(column: T, larger: T): T {
  larger.set(column);
  return larger;
}
