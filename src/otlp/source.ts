/** Reads who sent a request from what the scanner found: service and SDK of the first resource, and its times. */

import { SENDER_TEXT_CHARS_MAX } from '../model/limits.ts';
import type { OtlpSdk, OtlpSource } from '../model/otlp-source.ts';
import { FOUND, findAttribute, headView, STRING_VALUE, utf8Text } from './routing/attributes.ts';
import { cell, type ScannedRequest } from './scan/columns.ts';

const SERVICE_NAME = Buffer.from('service.name');
const SDK_NAME = Buffer.from('telemetry.sdk.name');
const SDK_LANGUAGE = Buffer.from('telemetry.sdk.language');
const SDK_VERSION = Buffer.from('telemetry.sdk.version');

/** What the head of a resource says. Exporters send the same one again and again, so some are kept. */
interface KnownHead {
  readonly bytes: Buffer;
  readonly service: string;
  readonly sdk: OtlpSdk | undefined;
}

const SLOTS = 256;
/** Longer heads are rare; they are looked at each time. */
const KNOWN_BYTES_MAX = 1_024;
/** Bytes of a head that choose its slot. */
const SAMPLES = 8;

const known: (KnownHead | undefined)[] = Array.from({ length: SLOTS });

/** Fills in what a request says of its sender, at the same cost for one item and for thousands. */
export function readSource(scanned: ScannedRequest, source: OtlpSource): void {
  const { itemCount, itemMs } = scanned;
  source.resources = scanned.resourceCount;
  if (scanned.resourceCount === 0) return;
  const head = headOf(scanned);
  source.service = head.service;
  source.sdk = head.sdk;
  source.newestMs = Math.max(itemMs[0] ?? 0, itemMs[itemCount - 1] ?? 0);
}

/** Of the first resource. */
function headOf(scanned: ScannedRequest): Omit<KnownHead, 'bytes'> {
  const { body, resourcePieces: pieces, resourcePiecesFrom: from } = scanned;
  const [start, end] = [cell(pieces, 0), cell(pieces, 1)];
  if (cell(from, 1) !== 2 || end - start > KNOWN_BYTES_MAX) return read(scanned);
  const slot = slotOf(body, start, end);
  const found = known[slot];
  if (found !== undefined && found.bytes.compare(body, start, end) === 0) return found;
  const fresh = { ...read(scanned), bytes: Buffer.from(body.subarray(start, end)) };
  known[slot] = fresh;
  return fresh;
}

/** A sender who makes heads collide only makes us look at each of them. */
function slotOf(body: Uint8Array, start: number, end: number): number {
  const step = Math.max(1, Math.floor((end - start) / SAMPLES));
  let hash = end - start;
  for (let at = end - 1; at >= start; at -= step) hash = Math.imul(hash ^ (body[at] ?? 0), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SLOTS - 1);
}

function read(scanned: ScannedRequest): Omit<KnownHead, 'bytes'> {
  const service = textOf(scanned, SERVICE_NAME);
  const name = textOf(scanned, SDK_NAME);
  const language = textOf(scanned, SDK_LANGUAGE);
  const version = textOf(scanned, SDK_VERSION);
  const isKnown = name !== '' || language !== '' || version !== '';
  return { service, sdk: isKnown ? { name, language, version } : undefined };
}

/** An attribute of the first resource, cut; empty when it is none, or no text. */
function textOf(scanned: ScannedRequest, key: Uint8Array): string {
  if (!findAttribute(scanned, 0, key) || FOUND.tag !== STRING_VALUE) return '';
  const view = headView(scanned);
  return utf8Text(view, FOUND.start, cutAt(view, FOUND.start, FOUND.end));
}

/** Where a text ends that is cut to the limit, between two characters of UTF-8. */
function cutAt(view: DataView, start: number, end: number): number {
  if (end - start <= SENDER_TEXT_CHARS_MAX) return end;
  let at = start + SENDER_TEXT_CHARS_MAX;
  while ((view.getUint8(at) & 0xc0) === 0x80) at--;
  return at;
}
