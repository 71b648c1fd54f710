/**
 * The self-contained bodies of an OTLP block's records, for writing many of them one after the other. The bytes before
 * the items of one scope are the same except for a few lengths: they are copied at once, and the lengths are filled in.
 */

import { varintBytes, writeVarint } from '../../encoding/varint.ts';
import { CHILD_TAG, itemOf, type OtlpIndex, RESOURCE_TAG, scopeAt } from './otlp-index.ts';

/**
 * A length that depends on that of the item: its offset in the template, its width in bytes, and how much larger it is.
 */
interface Length {
  readonly at: number;
  readonly width: number;
  readonly more: number;
}

/** All bytes before an item, for items of `from` to `to` bytes: within these bounds every length keeps its width. */
interface Template {
  readonly bytes: Uint8Array;
  readonly lengths: readonly Length[];
  readonly from: number;
  readonly to: number;
}

export class OtlpBodies {
  readonly #index: OtlpIndex;
  readonly #payload: Uint8Array;
  readonly #lead: Uint8Array;
  /** The last template of each scope. */
  readonly #templates: Template[] = [];

  /** Each body comes after the bytes `lead` and its own length. The index must be that of the payload. */
  constructor(index: OtlpIndex, payload: Uint8Array, lead: Uint8Array) {
    this.#index = index;
    this.#payload = payload;
    this.#lead = lead;
  }

  /** Bytes of record i with its lead and length. */
  bytesOf(i: number): number {
    const item = this.#index.itemBytes[i] ?? 0;
    return this.#templateFor(i, item).bytes.length + item;
  }

  /** Writes record i at `at`, where `bytesOf(i)` bytes must be free. Returns where it ends. */
  write(i: number, target: Uint8Array, at: number): number {
    const item = this.#index.itemBytes[i] ?? 0;
    const { bytes, lengths } = this.#templateFor(i, item);
    target.set(bytes, at);
    for (const length of lengths) fill(target, at + length.at, length.width, item + length.more);
    target.set(itemOf(this.#index, this.#payload, i), at + bytes.length);
    return at + bytes.length + item;
  }

  #templateFor(i: number, item: number): Template {
    const scope = this.#index.scopeOf[i] ?? 0;
    const known = this.#templates[scope];
    if (known !== undefined && item >= known.from && item <= known.to) return known;
    const built = this.#template(i, item);
    this.#templates[scope] = built;
    return built;
  }

  /** From the inside out: each length counts everything after it. */
  #template(i: number, item: number): Template {
    const { head, resourceHead } = scopeAt(this.#index, i);
    const itemWidth = varintBytes(item);
    const scopeMore = head.length + 1 + itemWidth;
    const scopeWidth = varintBytes(item + scopeMore);
    const resourceMore = resourceHead.length + 1 + scopeWidth + scopeMore;
    const resourceWidth = varintBytes(item + resourceMore);
    const bodyMore = 1 + resourceWidth + resourceMore;
    const bodyWidth = varintBytes(item + bodyMore);

    const bytes = new Uint8Array(this.#lead.length + bodyWidth + bodyMore);
    bytes.set(this.#lead);
    const body = { at: this.#lead.length, width: bodyWidth, more: bodyMore };
    bytes[body.at + bodyWidth] = RESOURCE_TAG;
    const resource = { at: body.at + bodyWidth + 1, width: resourceWidth, more: resourceMore };
    bytes.set(resourceHead, resource.at + resourceWidth);
    const scopeTagAt = resource.at + resourceWidth + resourceHead.length;
    bytes[scopeTagAt] = CHILD_TAG;
    const scope = { at: scopeTagAt + 1, width: scopeWidth, more: scopeMore };
    bytes.set(head, scope.at + scopeWidth);
    const itemTagAt = scope.at + scopeWidth + head.length;
    bytes[itemTagAt] = CHILD_TAG;
    const lengths = [body, resource, scope, { at: itemTagAt + 1, width: itemWidth, more: 0 }];
    const from = Math.max(...lengths.map(({ width, more }) => leastOf(width) - more));
    const to = Math.min(...lengths.map(({ width, more }) => leastOf(width + 1) - 1 - more));
    return { bytes, lengths, from, to };
  }
}

/** The smallest number whose varint has this width. */
function leastOf(width: number): number {
  return width === 1 ? 0 : 2 ** (7 * (width - 1));
}

/** Writes a length of the given width. Nearly all have one byte or two. */
function fill(target: Uint8Array, at: number, width: number, value: number): void {
  if (width === 2) {
    target[at] = (value & 0x7f) | 0x80;
    target[at + 1] = value >>> 7;
  } else {
    writeVarint(target, at, value);
  }
}
