/** Compares what senders sent, request by request, with what a reader gets: every item, with all fields, in order, all of a request or nothing. */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../src/model/record.ts';
import { itemsOf, type OtlpItem } from '../../test/support/otlp-items.ts';
import { readStream } from '../../test/support/read-back.ts';
import type { Target } from '../../test/support/writers.ts';
import type { SentRequest } from './capture.ts';

export interface Compared {
  readonly requests: number;
  readonly acknowledged: number;
  readonly items: number;
  readonly streams: number;
}

/** An item as text, and where its bytes are known, these too: they also hold what no schema knows. */
interface Item {
  readonly text: string;
  readonly bytes: string | undefined;
}

/** What one request holds for one stream. */
interface Part {
  readonly items: readonly Item[];
  readonly request: SentRequest;
}

/** @throws Error that names the first difference */
export async function compareWithReader(sent: readonly SentRequest[], server: Target): Promise<Compared> {
  const parts = partsByStream(sent);
  let items = 0;
  for (const stream of new Set([...parts.keys(), ...(await streamsOf(server))])) {
    const records = await readStream(server, stream);
    const read = records.flatMap(({ headers, body }) => itemsIn(signalOf(headers), body, false));
    if (read.length !== records.length) throw new Error(`breached: a record of ${stream} does not hold one item`);
    for (const [index, { seqNum }] of records.entries()) {
      if (seqNum !== index) throw new Error(`breached: record ${index} of ${stream} has the number ${seqNum}`);
    }
    match(stream, read, parts.get(stream) ?? []);
    items += read.length;
  }
  for (const { answer, isAcknowledged, isJson } of sent) {
    const isWhole = answer.length === 0 || (isJson && answer.toString() === '{}');
    if (isAcknowledged && !isWhole) throw new Error(`breached: the response is a partial success: ${answer}`);
  }
  const acknowledged = sent.filter(({ isAcknowledged }) => isAcknowledged).length;
  return { requests: sent.length, acknowledged, items, streams: parts.size };
}

/**
 * What was read must be requests, one behind the other: those that are acknowledged, and of the others any. A request that
 * ended before another began stands before it.
 */
function match(stream: string, read: readonly Item[], parts: readonly Part[]): void {
  const left = [...parts].sort(byTurn);
  for (let at = 0; at < read.length; ) {
    const found = left.findIndex(({ items }) => items.every((item, index) => isSame(item, read[at + index])));
    const part = left[found];
    if (part === undefined)
      throw new Error(`breached: record ${at} of ${stream} is not what was sent, or not its turn`);
    const skipped = left.find(
      ({ request }) => request.isAcknowledged && request.endedAt < part.request.startedAt && request !== part.request,
    );
    if (skipped !== undefined) throw new Error(`breached: record ${at} of ${stream} overtakes what was sent before`);
    left.splice(found, 1);
    at += part.items.length;
  }
  const lost = left.filter(({ request }) => request.isAcknowledged);
  if (lost.length > 0) throw new Error(`breached: ${lost.length} acknowledged requests are missing in ${stream}`);
}

/** Of requests with the same content those count as stored that are acknowledged. */
function byTurn({ request: one }: Part, { request: other }: Part): number {
  return Number(other.isAcknowledged) - Number(one.isAcknowledged) || one.startedAt - other.startedAt;
}

function isSame(item: Item, read: Item | undefined): boolean {
  return item.text === read?.text && (item.bytes === undefined || item.bytes === read.bytes);
}

function partsByStream(sent: readonly SentRequest[]): Map<string, Part[]> {
  const all = new Map<string, Part[]>();
  for (const request of sent) {
    if (request.body === undefined) continue;
    const byStream = new Map<string, Item[]>();
    for (const item of itemsIn(request.signal, request.body, request.isJson)) {
      const items = byStream.get(item.stream) ?? [];
      items.push(item);
      byStream.set(item.stream, items);
    }
    for (const [stream, items] of byStream) all.set(stream, [...(all.get(stream) ?? []), { items, request }]);
  }
  return all;
}

function itemsIn(signal: Signal, body: Uint8Array, isJson: boolean): (Item & { readonly stream: string })[] {
  const bytes = isJson ? [] : itemBytes(body);
  return itemsOf(signal, body, isJson).map((item, index) => ({
    text: `${signal} ${JSON.stringify(item)}`,
    bytes: bytes[index],
    stream: streamOf(item),
  }));
}

/** The bytes of each item of a message: field 1 holds resources, field 2 of these scopes, field 2 of these items. */
function itemBytes(body: Uint8Array): string[] {
  const inner = (owner: Uint8Array, id: number): Uint8Array[] => {
    const found: Uint8Array[] = [];
    for (const reader = protobuf.Reader.create(owner); reader.pos < reader.len; ) {
      const tag = reader.uint32();
      if (tag === ((id << 3) | 2)) found.push(reader.bytes());
      else reader.skipType(tag & 7);
    }
    return found;
  };
  return inner(body, 1)
    .flatMap((resource) => inner(resource, 2))
    .flatMap((scope) => inner(scope, 2))
    .map((item) => Buffer.from(item).toString('base64'));
}

interface Attribute {
  readonly key: string;
  readonly value?: { readonly stringValue?: string };
}

/** As the server routes in its default basin. */
function streamOf({ resource }: OtlpItem): string {
  const attributes = (resource as { readonly attributes?: readonly Attribute[] } | undefined)?.attributes ?? [];
  const text = (name: string) => attributes.findLast(({ key }) => key === name)?.value?.stringValue;
  return text('s2.stream') ?? text('service.name') ?? 'unknown_service';
}

function signalOf(headers: readonly (readonly [name: string, value: string])[]): Signal {
  return (headers.find(([name]) => name === 'otel.signal')?.[1] ?? 'logs') as Signal;
}

/** The streams of the default basin. */
export async function streamsOf({ port, token }: Target): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/streams?limit=1000`, {
    headers: { authorization: `Bearer ${token}`, 's2-basin': 'telemetry' },
  });
  const { streams } = (await response.json()) as { readonly streams: readonly { readonly name: string }[] };
  return streams.map(({ name }) => name);
}
