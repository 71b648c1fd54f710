/** Sorts the resources of a request to their streams. */

import { REQUEST_STREAMS_MAX, YIELD_BYTES } from '../../model/limits.ts';
import { COMMON_REJECTIONS, tooLarge } from '../common-rejections.ts';
import { piecesBytes } from '../emit-block.ts';
import { rowsCount } from '../item-counts.ts';
import { lacking } from '../policy/policy-rejections.ts';
import type { Rejections } from '../rejections.ts';
import { cell, type ScannedRequest } from '../scan/columns.ts';
import type { Stamper } from '../stamp.ts';
import { missingAttribute, type RoutePolicy, routeResource } from './route.ts';
import { noteSameHead } from './same-heads.ts';
import type { ServiceStreams } from './service-streams.ts';

/** What routing a resource costs besides the bytes of its head. */
export const RESOURCE_BYTES = 64;

/** What decides where resources go, what is done to them first, and how far that is. */
export interface Routing extends RoutePolicy {
  readonly stamper: Stamper | undefined;
  readonly required: readonly string[];
  /** Most metered bytes of a record. */
  readonly recordBytesMax: number;
  readonly services: ServiceStreams | undefined;
  /** The next resource. */
  row: number;
  /** Those before it have their new heads. */
  stamped: number;
  /** By row: the resources that go to the same stream, where that is known. */
  readonly known: (number[] | undefined)[];
}

/** Sorts the next resources to their streams, in the order of the request, until a turn's work is done or one must wait. */
export function sortResources(
  scanned: ScannedRequest,
  routing: Routing,
  streams: Map<string, number[]>,
  rejections: Rejections,
): void {
  let walked = 0;
  for (; routing.row < scanned.resourceCount && walked < YIELD_BYTES; routing.row++) {
    const { row, stamper } = routing;
    const head = piecesBytes(scanned.resourcePieces, scanned.resourcePiecesFrom, row);
    walked += head + RESOURCE_BYTES;
    // No record with such a head fits, so nothing more has to look at this resource.
    if (head > routing.recordBytesMax) {
      rejections.add(tooLarge(routing.recordBytesMax), rowsCount(scanned, [row]));
      continue;
    }
    const bad = scanned.badResources.get(row);
    if (bad !== undefined) {
      rejections.add(bad, rowsCount(scanned, [row]));
      continue;
    }
    if (stamper !== undefined && row >= routing.stamped) {
      walked += stamper.stamp(scanned, row, head);
      routing.stamped = row + 1;
    }
    noteSameHead(scanned, row);
    const like = cell(scanned.resourceLike, row);
    const sameStream = like < row ? routing.known[like] : undefined;
    routing.known[row] = sameStream;
    if (sameStream !== undefined) {
      sameStream.push(row);
      continue;
    }
    const missing = missingAttribute(scanned, row, routing.required);
    if (missing !== undefined) {
      rejections.add(lacking(missing), rowsCount(scanned, [row]));
      continue;
    }
    const found = routeResource(scanned, row, routing);
    if ('undecided' in found) return;
    if ('rejected' in found) {
      rejections.add({ kind: 'unroutable', text: found.rejected }, rowsCount(scanned, [row]));
    } else {
      let rows = streams.get(found.stream);
      if (rows === undefined && streams.size < REQUEST_STREAMS_MAX) {
        rows = [];
        streams.set(found.stream, rows);
      }
      routing.known[row] = rows;
      if (rows !== undefined) rows.push(row);
      else rejections.add(COMMON_REJECTIONS.tooManyStreams, rowsCount(scanned, [row]), found.stream);
    }
  }
}
