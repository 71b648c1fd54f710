/** Reads who sent a request from what the scanner found: service and SDK of the first resource, and its times. */

import { SENDER_TEXT_CHARS_MAX } from '../model/limits.ts';
import type { OtlpSource } from '../model/otlp-source.ts';
import { FOUND, findAttribute, headView, STRING_VALUE } from './routing/attributes.ts';
import { nameAt } from './routing/stream-names.ts';
import type { ScannedRequest } from './scan/columns.ts';

const SERVICE_NAME = Buffer.from('service.name');
const SDK_NAME = Buffer.from('telemetry.sdk.name');
const SDK_LANGUAGE = Buffer.from('telemetry.sdk.language');
const SDK_VERSION = Buffer.from('telemetry.sdk.version');

/** Fills in what a request says of its sender, at the same cost for one item and for thousands. */
export function readSource(scanned: ScannedRequest, source: OtlpSource): void {
  const { itemCount, itemMs } = scanned;
  source.resources = scanned.resourceCount;
  if (scanned.resourceCount === 0) return;
  source.service = textOf(scanned, SERVICE_NAME);
  const name = textOf(scanned, SDK_NAME);
  const language = textOf(scanned, SDK_LANGUAGE);
  const version = textOf(scanned, SDK_VERSION);
  if (name !== '' || language !== '' || version !== '') source.sdk = { name, language, version };
  source.newestMs = Math.max(itemMs[0] ?? 0, itemMs[itemCount - 1] ?? 0);
}

/** An attribute of the first resource, cut; empty when it is none, or no text. */
function textOf(scanned: ScannedRequest, key: Uint8Array): string {
  if (!findAttribute(scanned, 0, key) || FOUND.tag !== STRING_VALUE) return '';
  const view = headView(scanned);
  return nameAt(view, FOUND.start, cutAt(view, FOUND.start, FOUND.end)).name;
}

/** Where a text ends that is cut to the limit, between two characters of UTF-8. */
function cutAt(view: DataView, start: number, end: number): number {
  if (end - start <= SENDER_TEXT_CHARS_MAX) return end;
  let at = start + SENDER_TEXT_CHARS_MAX;
  while ((view.getUint8(at) & 0xc0) === 0x80) at--;
  return at;
}
