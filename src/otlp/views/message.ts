/** The `message` view: one flat JSON row for each record, whatever its signal (otlp.md, Views). */

import { isUtf8 } from 'node:buffer';
import type { Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { countItems, decodeGroups, type Group, type Items } from './decode.ts';
import { type OtlpRun, otlpRuns } from './otlp.ts';
import type { ItemFields, MessageRow } from './row.ts';
import { logFields } from './row-log.ts';
import { metricFields } from './row-metric.ts';
import { spanFields } from './row-span.ts';
import { attributesJson, base64, type Json, type JsonObject, rfc3339FromMs } from './values.ts';

const FIELDS: { readonly [S in Signal]: (item: Items[S]) => ItemFields } = {
  logs: logFields,
  traces: spanFields,
  metrics: metricFields,
};

/** Rows of the records [from, to), one each, in order. Never throws on what a record holds. */
export function messageRows(block: Block, from: number, to: number): readonly MessageRow[] {
  return otlpRuns(block, from, to).flatMap((run) => runRows(block, run));
}

function runRows(block: Block, run: OtlpRun): readonly MessageRow[] {
  const rows = run.signal === undefined ? undefined : rowsOfMessage(block, run, run.signal, run.message);
  if (rows !== undefined) return rows;
  const single: MessageRow[] = [];
  for (let i = run.from; i < run.to; i++) single.push(rowAlone(block, i, run.signal));
  return single;
}

/** A run that cannot be read as a whole is read record by record, so that one bad record spoils only its own row. */
function rowAlone(block: Block, i: number, signal: Signal | undefined): MessageRow {
  if (signal === undefined) return plainRow(block, i);
  const run = { from: i, to: i + 1 };
  return rowsOfMessage(block, run, signal, block.record(i).body)?.[0] ?? plainRow(block, i);
}

/** The rows of a run, or undefined when its message does not hold exactly its records. */
function rowsOfMessage<S extends Signal>(
  block: Block,
  run: { readonly from: number; readonly to: number },
  signal: S,
  message: Uint8Array,
): readonly MessageRow[] | undefined {
  try {
    const groups = decodeGroups(signal, message);
    if (countItems(groups) !== run.to - run.from) return undefined;
    const rows: MessageRow[] = [];
    for (const group of groups) appendRows(rows, block, run.from, signal, group);
    return rows;
  } catch {
    // What is stored was valid to whoever stored it; a view shows what it can and never fails a reader.
    return undefined;
  }
}

function appendRows<S extends Signal>(
  rows: MessageRow[],
  block: Block,
  first: number,
  signal: S,
  group: Group<Items[S]>,
): void {
  const { serviceName, resource, scope } = groupFields(group);
  const fields = FIELDS[signal];
  for (const item of group.items) {
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

/** What all items of a scope share, made once. */
function groupFields(group: Group<unknown>): {
  serviceName: string | undefined;
  resource: JsonObject;
  scope: JsonObject | undefined;
} {
  const resource = attributesJson(group.resource?.attributes ?? []);
  const name = resource['service.name'];
  const scope =
    group.scope === null
      ? undefined
      : {
          name: group.scope.name,
          version: group.scope.version === '' ? undefined : group.scope.version,
          attributes: group.scope.attributes.length === 0 ? undefined : attributesJson(group.scope.attributes),
        };
  return { serviceName: typeof name === 'string' ? name : undefined, resource, scope };
}

/** A record that is not OTLP: text where all of it is text, else base64. */
function plainRow(block: Block, i: number): MessageRow {
  const { seqNum, timestamp, headers, body } = block.record(i);
  const isText = isUtf8(body) && headers.every(([name, value]) => isUtf8(name) && isUtf8(value));
  const show = (bytes: Uint8Array): string => (isText ? Buffer.from(bytes).toString('utf8') : base64(bytes));
  const pairs: Json = headers.map(([name, value]) => [show(name), show(value)]);
  return {
    seqNum,
    timestamp: rfc3339FromMs(timestamp),
    signal: null,
    headers: pairs,
    body: show(body),
    encoding: isText ? undefined : 'base64',
  };
}
