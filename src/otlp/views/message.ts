/** The `message` view: one flat JSON row for each record, of any signal. */

import { isUtf8 } from 'node:buffer';
import type { Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { countItems, decodeScopes, type ScopeItems, type SignalItems } from './decode.ts';
import { withGenAiFields } from './gen-ai-fields.ts';
import { logFields } from './log-fields.ts';
import { jsonEscape, type LongTexts } from './long-texts.ts';
import { metricFields } from './metric-fields.ts';
import { type OtlpRun, otlpRuns } from './otlp.ts';
import type { ItemFields, RecordRow } from './row.ts';
import { spanFields } from './span-fields.ts';
import { attributesJson, base64, type JsonObject, type JsonValue, rfc3339FromMs, viewText } from './values.ts';

const FIELDS: { readonly [S in Signal]: (item: SignalItems[S]) => ItemFields } = {
  logs: logFields,
  traces: spanFields,
  metrics: metricFields,
};

/** The rows of the records [from, to), one for each, in order. Never throws because of what a record holds. */
export function messageRows(block: Block, from: number, to: number): readonly RecordRow[] {
  return plainRows(block, from, to).map(withGenAiFields);
}

/**
 * The JSON of the same rows, in which long texts are marked, for records of many megabytes. Yields after each piece of work.
 */
export function* longMessageRows(block: Block, from: number, to: number, long: LongTexts): Generator<void, string> {
  const plain = plainRows(block, from, to);
  const rows: RecordRow[] = [];
  for (const row of plain) {
    yield;
    rows.push(withGenAiFields(row));
  }
  yield;
  return viewText(long.marked(rows, jsonEscape));
}

/** The same without the columns about language models: all attributes are in `metadata`. */
export function plainRows(block: Block, from: number, to: number): readonly RecordRow[] {
  return otlpRuns(block, from, to).flatMap((run) => runRows(block, run));
}

function runRows(block: Block, run: OtlpRun): readonly RecordRow[] {
  const rows = run.signal === undefined ? undefined : rowsOfMessage(block, run, run.signal, run.message);
  if (rows !== undefined) return rows;
  const single: RecordRow[] = [];
  for (let i = run.from; i < run.to; i++) single.push(rowAlone(block, i, run.signal));
  return single;
}

/**
 * A run that cannot be decoded as a whole is decoded record by record, so that a bad record spoils only its own row.
 */
function rowAlone(block: Block, i: number, signal: Signal | undefined): RecordRow {
  if (signal === undefined) return plainRow(block, i);
  const run = { from: i, to: i + 1 };
  // Whole, also where S2 readers get it cut.
  const message = block.header.kind === 's2' ? block.record(i).body : block.otlpMessage(i, i + 1);
  return rowsOfMessage(block, run, signal, message)?.[0] ?? plainRow(block, i);
}

/** The rows of a run, or undefined when its message does not hold exactly its records. */
function rowsOfMessage<S extends Signal>(
  block: Block,
  run: { readonly from: number; readonly to: number },
  signal: S,
  message: Uint8Array,
): readonly RecordRow[] | undefined {
  try {
    const scopes = decodeScopes(signal, message);
    if (countItems(scopes) !== run.to - run.from) return undefined;
    const rows: RecordRow[] = [];
    for (const scope of scopes) appendRows(rows, block, run.from, signal, scope);
    return rows;
  } catch {
    // The record was accepted as it is: a view shows what it can, and must not make the read fail.
    return undefined;
  }
}

function appendRows<S extends Signal>(
  rows: RecordRow[],
  block: Block,
  first: number,
  signal: S,
  decoded: ScopeItems<SignalItems[S]>,
): void {
  const { serviceName, resource, scope } = sharedFields(decoded);
  const fields = FIELDS[signal];
  for (const item of decoded.items) {
    const i = first + rows.length;
    const { timestamp, ...rest } = fields(item);
    rows.push({
      seqNum: block.firstSeq + i,
      timestamp: timestamp ?? rfc3339FromMs(block.timestamp(i)),
      signal,
      serviceName,
      ...rest,
      resource,
      scope,
    });
  }
}

/** The columns that all items of a scope share, made once. */
function sharedFields(decoded: ScopeItems<unknown>): {
  serviceName: string | undefined;
  resource: JsonObject;
  scope: JsonObject | undefined;
} {
  const resource = attributesJson(decoded.resource?.attributes ?? []);
  const name = resource['service.name'];
  const scope =
    decoded.scope === null
      ? undefined
      : {
          name: decoded.scope.name,
          version: decoded.scope.version === '' ? undefined : decoded.scope.version,
          attributes: decoded.scope.attributes.length === 0 ? undefined : attributesJson(decoded.scope.attributes),
        };
  return { serviceName: typeof name === 'string' ? name : undefined, resource, scope };
}

/** The row of a record that is not OTLP: as text when all of it is UTF-8, else in base64. */
function plainRow(block: Block, i: number): RecordRow {
  const { seqNum, timestamp, headers, body } = block.record(i);
  const isText = isUtf8(body) && headers.every(([name, value]) => isUtf8(name) && isUtf8(value));
  const show = (bytes: Uint8Array): string => (isText ? Buffer.from(bytes).toString('utf8') : base64(bytes));
  const pairs: JsonValue = headers.map(([name, value]) => [show(name), show(value)]);
  return {
    seqNum,
    timestamp: rfc3339FromMs(timestamp),
    signal: null,
    headers: pairs,
    body: show(body),
    encoding: isText ? undefined : 'base64',
  };
}
