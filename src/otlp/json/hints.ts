/** Guesses what the sender of a body without any known key meant, for the error message. Only error paths come here. */

import { OPEN_BRACKET } from '../../encoding/json-characters.ts';
import { TailraceError } from '../../model/error.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import { expectValue } from './skip.ts';
import { innerKeys } from './tables.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

/** How a request looks. */
const SHAPES: Readonly<Record<Signal, string>> = {
  logs: '{"resourceLogs":[{"scopeLogs":[{"logRecords":[…]}]}]}',
  traces: '{"resourceSpans":[{"scopeSpans":[{"spans":[…]}]}]}',
  metrics: '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[…]}]}]}',
};
const KEYS: Readonly<Record<Signal, string>> = {
  logs: 'resourceLogs',
  traces: 'resourceSpans',
  metrics: 'resourceMetrics',
};

/** Keys below the top of a request. */
const INNER_KEYS: ReadonlySet<string> = new Set(innerKeys());
const KEY_CHARS_MAX = 40;

/** The error for a body that is not an object: it is empty, an array, or in another encoding. */
export function explainNoObject(buffer: TranscodeBuffer, at: number, signal: Signal): TailraceError {
  const { view, base, end } = buffer;
  if (at >= end) return hint(`the body is empty: send ${SHAPES[signal]}, or {} when there is nothing to send`);
  const first = view.getUint8(base);
  if (first >= 0xfe || (end - base > 1 && (first === 0 || view.getUint8(base + 1) === 0))) {
    return hint('the body is UTF-16: send it as UTF-8');
  }
  if (first === 0x1f && view.getUint8(base + 1) === 0x8b) {
    return hint("the body is gzip: send the header 'Content-Encoding: gzip' with it");
  }
  if (first === 0x0a) return hint("the body looks like protobuf: send it with 'Content-Type: application/x-protobuf'");
  if (view.getUint8(at) === OPEN_BRACKET) {
    return hint(`the body is an array: send one object ${SHAPES[signal]}`);
  }
  expectValue(buffer, at);
  return hint(`the body must be one object ${SHAPES[signal]}`);
}

/**
 * Checks an object that gave no output: it is fine when it is empty or has the known key.
 * @throws TailraceError `bad_json` when all its keys are unknown; the message depends on what they look like.
 */
export function explainEmpty({ topKeys: keys }: TranscodeBuffer, signal: Signal): void {
  if (keys.length === 0 || keys.includes(KEYS[signal])) return;
  for (const key of keys) {
    const meant = meantSignal(key);
    if (meant === undefined) continue;
    const spelled =
      key === KEYS[meant] ? '' : `${key} is not a key of it: keys are lowerCamelCase, write ${KEYS[meant]}; `;
    if (meant === signal) throw hint(`${spelled}send ${SHAPES[signal]}`);
    throw new TailraceError(
      'bad_json',
      `this is a ${meant} request: post it to /v1/${meant} (${spelled}this endpoint takes ${SHAPES[signal]})`,
    );
  }
  const inner = keys.find(isInnerKey);
  if (inner !== undefined) throw hint(`${inner} cannot stand alone: wrap it as in ${SHAPES[signal]}`);
  throw hint(`it has no key that is known here (${keys.slice(0, 3).map(shorten).join(', ')}): send ${SHAPES[signal]}`);
}

/** The signal whose key this is, in any spelling. */
function meantSignal(key: string): Signal | undefined {
  const plain = key.replaceAll(/[_-]/g, '').toLowerCase();
  return SIGNALS.find((signal) => KEYS[signal].toLowerCase() === plain);
}

/** Whether the key belongs deeper in a request. */
function isInnerKey(key: string): boolean {
  return (
    INNER_KEYS.has(key) || INNER_KEYS.has(key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()))
  );
}

function shorten(key: string): string {
  return JSON.stringify(key.length > KEY_CHARS_MAX ? `${key.slice(0, KEY_CHARS_MAX)}…` : key);
}

function hint(what: string): TailraceError {
  return new TailraceError('bad_json', `the body is not an OTLP/JSON request: ${what}`);
}
