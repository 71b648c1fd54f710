/**
 * Applies the policy of a basin to the content of a scanned request: a new body, in which only what changes is new. In a
 * basin without such a policy it is not called, and a request in which nothing changes stays as it is.
 */

import { goOnWithWork } from '../../encoding/turns.ts';
import { varint } from '../../encoding/varint.ts';
import { REWRITTEN_ITEM_BYTES_MAX, YIELD_BYTES } from '../../model/limits.ts';
import type { MessageContent } from '../message-edit.ts';
import { cell, type ScannedRequest } from '../scan/columns.ts';
import { ITEM_TAG, RESOURCE_TAG, SCOPE_TAG } from '../scan/tables.ts';
import { itemShape, RESOURCE_SHAPE, SCOPE_SHAPE, type Shape } from './item-shapes.ts';
import { type Change, type ContentRules, type InTurns, Rewriter } from './rewriter.ts';

export interface RewrittenRequest {
  /** Undefined when nothing changes. */
  readonly body: Uint8Array | undefined;
  /** Items that are left out because a key is too long. */
  readonly rejected: readonly number[];
  readonly changes: ReadonlyMap<Change, number>;
}

/** A part of the new body while it grows. */
interface NewBytes extends MessageContent {
  length: number;
  readonly parts: Uint8Array[];
}

/** Heads and items with more than `bytesMax` stay as they are. */
export async function rewriteRequest(
  scanned: ScannedRequest,
  rules: ContentRules,
  bytesMax: number = REWRITTEN_ITEM_BYTES_MAX,
): Promise<RewrittenRequest> {
  const pass = new Pass(scanned, rules, bytesMax);
  for (const turn = pass.resources(); turn.next().done !== true; ) await goOnWithWork(YIELD_BYTES);
  return pass.finish();
}

class Pass {
  readonly #scanned: ScannedRequest;
  readonly #bytesMax: number;
  readonly #rewriter: Rewriter;
  readonly #shape: Shape;
  readonly #request: NewBytes = bytesOf();
  readonly #rejected: number[] = [];
  #isChanged = false;

  constructor(scanned: ScannedRequest, rules: ContentRules, bytesMax: number) {
    this.#scanned = scanned;
    this.#bytesMax = bytesMax;
    this.#rewriter = new Rewriter(rules, scanned.body, scanned.view);
    this.#shape = itemShape(scanned.signal);
  }

  *resources(): InTurns<void> {
    const { resourceCount, resourceScopesFrom, resourcePieces, resourcePiecesFrom, badResources } = this.#scanned;
    for (let row = 0; row < resourceCount; row++) {
      const resource = bytesOf();
      const shape = badResources.has(row) ? undefined : RESOURCE_SHAPE;
      const isRejected = yield* this.#head(resourcePieces, resourcePiecesFrom, row, shape, resource);
      const scopes = cell(resourceScopesFrom, row + 1);
      for (let scope = cell(resourceScopesFrom, row); scope < scopes; scope++) {
        add(resource, framed(SCOPE_TAG, yield* this.#scope(scope, isRejected)));
      }
      add(this.#request, framed(RESOURCE_TAG, resource));
    }
  }

  *#scope(row: number, isResourceRejected: boolean): InTurns<NewBytes> {
    const { scopeItemsFrom, scopePieces, scopePiecesFrom, badScopes, badItems } = this.#scanned;
    const scope = bytesOf();
    const headShape = badScopes.has(row) ? undefined : SCOPE_SHAPE;
    const hasLongKey = yield* this.#head(scopePieces, scopePiecesFrom, row, headShape, scope);
    const items = cell(scopeItemsFrom, row + 1);
    for (let item = cell(scopeItemsFrom, row); item < items; item++) {
      const start = cell(this.#scanned.itemStart, item);
      const shape = badItems.has(item) ? undefined : this.#shape;
      const written = yield* this.#written(start, cell(this.#scanned.itemEnd, item), shape);
      if (this.#tookLongKey() || hasLongKey || isResourceRejected) this.#rejected.push(item);
      else add(scope, framed(ITEM_TAG, written));
    }
    return scope;
  }

  finish(): RewrittenRequest {
    const isSame = !this.#isChanged && this.#rejected.length === 0;
    const body = isSame ? undefined : Buffer.concat(this.#request.parts, this.#request.length);
    return { body, rejected: this.#rejected, changes: this.#rewriter.counts };
  }

  /** Writes the head of a resource or scope; returns whether it has a key that is too long. */
  *#head(
    column: Uint32Array,
    from: Uint32Array,
    row: number,
    shape: Shape | undefined,
    into: NewBytes,
  ): InTurns<boolean> {
    const last = cell(from, row + 1);
    for (let piece = cell(from, row); piece < last; piece += 2) {
      add(into, yield* this.#written(cell(column, piece), cell(column, piece + 1), shape));
    }
    return this.#tookLongKey();
  }

  /** One that is too large, or nested too deep and so has no shape, is rejected afterwards: it is not looked at. */
  *#written(start: number, end: number, shape: Shape | undefined): InTurns<MessageContent> {
    const isLeft = shape === undefined || end - start > this.#bytesMax;
    const written = isLeft ? undefined : yield* this.#rewriter.message(start, end, shape);
    if (written !== undefined) this.#isChanged = true;
    return written ?? bytesOf(this.#scanned.body.subarray(start, end));
  }

  #tookLongKey(): boolean {
    const { hasLongKey } = this.#rewriter;
    this.#rewriter.hasLongKey = false;
    return hasLongKey;
  }
}

function bytesOf(...parts: Uint8Array[]): NewBytes {
  return { length: parts.reduce((sum, { length }) => sum + length, 0), parts };
}

function framed(tag: number, content: MessageContent): NewBytes {
  const frame = bytesOf(Uint8Array.of(tag, ...varint(content.length)));
  add(frame, content);
  return frame;
}

function add(to: NewBytes, { length, parts }: MessageContent): void {
  to.length += length;
  for (const part of parts) to.parts.push(part);
}
