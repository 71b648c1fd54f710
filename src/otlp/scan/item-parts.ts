/** Columns of what the items of a request are about: where their trace ids and names are, and how serious they are. */

import { NAME_SLOT, PART_SLOTS, SEVERITY_SLOT, SEVERITY_TEXT_SLOT, TRACE_ID_SLOT } from './tables.ts';

/** Of a severity that is not known without looking at the record. */
export const TOLD_BY_TEXT = 255;
const SEVERITY_MAX = 24;

export class ItemParts {
  /** By slot: where the last such part of the current item is; 0 when it has none. */
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

  /** An item begins. */
  open(): void {
    const { at } = this;
    at[TRACE_ID_SLOT] = 0;
    at[SEVERITY_SLOT] = 0;
    at[NAME_SLOT] = 0;
    at[NAME_SLOT + 1] = 0;
    at[SEVERITY_TEXT_SLOT] = 0;
    at[SEVERITY_TEXT_SLOT + 1] = 0;
  }

  /** It ends, in that row. */
  close(row: number, view: DataView): void {
    const { at } = this;
    this.traceId[row] = at[TRACE_ID_SLOT] as number;
    this.name[row] = at[NAME_SLOT] as number;
    this.nameEnd[row] = at[NAME_SLOT + 1] as number;
    this.severity[row] = severityOf(at, view);
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
function severityOf(at: Int32Array, view: DataView): number {
  const numberAt = at[SEVERITY_SLOT] as number;
  const number = numberAt === 0 ? 0 : view.getUint8(numberAt);
  if (number >= 1 && number <= SEVERITY_MAX) return number;
  const hasText = (at[SEVERITY_TEXT_SLOT + 1] as number) > (at[SEVERITY_TEXT_SLOT] as number);
  // A number of several bytes may be any.
  return hasText || number > 0x7f ? TOLD_BY_TEXT : 0;
}

function grown<T extends Uint32Array | Uint8Array>(column: T, larger: T): T {
  larger.set(column);
  return larger;
}
