/**
 * Applies the policy of a basin to the content of a scanned request: a new body, in which only what changes is new. In a
 * basin without such a policy it is not called, and a request in which nothing changes stays as it is.
 */

import { goOnWithWork } from '../../encoding/turns.ts';
import { varint } from '../../encoding/varint.ts';
import { REWRITTEN_ITEM_BYTES_MAX, YIELD_BYTES } from '../../model/limits.ts';
import { cell, type ScannedRequest } from '../scan/columns.ts';
import { ITEM_TAG, RESOURCE_TAG, SCOPE_TAG } from '../scan/tables.ts';
import { itemShape, RESOURCE_SHAPE, SCOPE_SHAPE, type Shape } from './item-shapes.ts';
import { type Change, type ContentRules, Rewriter } from './rewriter.ts';

export interface RewrittenRequest {
  /** Undefined when nothing changes. */
  readonly body: Uint8Array | undefined;
  /** Items that are left out because a key is too long. */
  readonly rejected: readonly number[];
  readonly changes: ReadonlyMap<Change, number>;
}

/** A part of the new body that is not written yet, with its length. */
interface Part {
  length: number;
  readonly pieces: Uint8Array[];
}

/** What looking at an item costs besides its bytes. */
const ITEM_BYTES = 32;

export async function rewriteRequest(scanned: ScannedRequest, rules: ContentRules): Promise<RewrittenRequest> {
  const pass = new Pass(scanned, rules);
  for (let row = 0; row < scanned.resourceCount; row++) {
    const scopes = cell(scanned.resourceScopesFrom, row + 1);
    pass.beginResource(row);
    for (let scope = cell(scanned.resourceScopesFrom, row); scope < scopes; scope++) {
      const items = cell(scanned.scopeItemsFrom, scope + 1);
      pass.beginScope(scope);
      for (let item = cell(scanned.scopeItemsFrom, scope); item < items; item++) {
        if (pass.work >= YIELD_BYTES) {
          pass.work = 0;
          await goOnWithWork(YIELD_BYTES);
        }
        pass.item(item);
      }
      pass.endScope();
    }
    pass.endResource();
  }
  return pass.finish();
}

class Pass {
  /** Bytes that were looked at since the last turn. */
  work = 0;
  readonly #scanned: ScannedRequest;
  readonly #rewriter: Rewriter;
  readonly #shape: Shape;
  readonly #request: Part = part();
  readonly #rejected: number[] = [];
  #resource: Part = part();
  #scope: Part = part();
  #rejectsResource = false;
  #rejectsScope = false;
  #isChanged = false;

  constructor(scanned: ScannedRequest, rules: ContentRules) {
    this.#scanned = scanned;
    this.#rewriter = new Rewriter(rules, scanned.body, scanned.view);
    this.#shape = itemShape(scanned.signal);
  }

  beginResource(row: number): void {
    const { resourcePieces, resourcePiecesFrom } = this.#scanned;
    this.#resource = part();
    this.#rejectsResource = this.#head(resourcePieces, resourcePiecesFrom, row, RESOURCE_SHAPE, this.#resource);
  }

  beginScope(scope: number): void {
    const { scopePieces, scopePiecesFrom } = this.#scanned;
    this.#scope = part();
    this.#rejectsScope = this.#head(scopePieces, scopePiecesFrom, scope, SCOPE_SHAPE, this.#scope);
  }

  item(item: number): void {
    const { itemStart, itemEnd, body } = this.#scanned;
    const [start, end] = [cell(itemStart, item), cell(itemEnd, item)];
    this.work += end - start + ITEM_BYTES;
    // One that is so large is rejected afterwards.
    const written =
      end - start > REWRITTEN_ITEM_BYTES_MAX ? undefined : this.#rewriter.message(start, end, this.#shape);
    if (written !== undefined) this.#isChanged = true;
    if (this.#tookLongKey() || this.#rejectsScope || this.#rejectsResource) this.#rejected.push(item);
    else add(this.#scope, framed(ITEM_TAG, written ?? body.subarray(start, end)));
  }

  endScope(): void {
    add(this.#resource, framed(SCOPE_TAG, this.#scope));
  }

  endResource(): void {
    add(this.#request, framed(RESOURCE_TAG, this.#resource));
  }

  finish(): RewrittenRequest {
    const isSame = !this.#isChanged && this.#rejected.length === 0;
    const body = isSame ? undefined : Buffer.concat(this.#request.pieces, this.#request.length);
    return { body, rejected: this.#rejected, changes: this.#rewriter.counts };
  }

  /** Writes the head of a resource or scope; returns whether it has a key that is too long. */
  #head(column: Uint32Array, from: Uint32Array, row: number, shape: Shape, into: Part): boolean {
    const last = cell(from, row + 1);
    for (let piece = cell(from, row); piece < last; piece += 2) {
      const [start, end] = [cell(column, piece), cell(column, piece + 1)];
      this.work += end - start;
      const written = end - start > REWRITTEN_ITEM_BYTES_MAX ? undefined : this.#rewriter.message(start, end, shape);
      if (written !== undefined) this.#isChanged = true;
      add(into, part(written ?? this.#scanned.body.subarray(start, end)));
    }
    return this.#tookLongKey();
  }

  #tookLongKey(): boolean {
    const { hasLongKey } = this.#rewriter;
    this.#rewriter.hasLongKey = false;
    return hasLongKey;
  }
}

function part(...pieces: Uint8Array[]): Part {
  return { length: pieces.reduce((sum, { length }) => sum + length, 0), pieces };
}

function framed(tag: number, content: Uint8Array | Part): Part {
  const frame = Uint8Array.of(tag, ...varint(content.length));
  const pieces = 'pieces' in content ? content.pieces : [content];
  return { length: frame.length + content.length, pieces: [frame, ...pieces] };
}

function add(to: Part, { length, pieces }: Part): void {
  to.length += length;
  for (const piece of pieces) to.pieces.push(piece);
}
