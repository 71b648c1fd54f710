/**
 * Where attributes are in OTLP messages, by the tags of `proto/`: what the policy of a basin has to look at.
 */

import type { Signal } from '../../model/record.ts';

/** How many there may be of a field: by which limit, and the field that counts what was left out. */
export interface Bound {
  readonly limit: 'resource_attributes_max' | 'record_attributes_max' | 'span_events_max' | 'span_links_max';
  readonly droppedTag: number;
}

/** A message type: what its fields are, by tag. All other fields stay as they are. */
export type Shape = ReadonlyMap<number, Field>;

export type Field =
  | { readonly kind: 'attribute'; readonly bound?: Bound }
  | { readonly kind: 'message'; readonly shape: Shape; readonly bound?: Bound }
  | { readonly kind: 'body' };

const attribute = (bound?: Bound): Field =>
  bound === undefined ? { kind: 'attribute' } : { kind: 'attribute', bound };
const message = (shape: Shape, bound?: Bound): Field =>
  bound === undefined ? { kind: 'message', shape } : { kind: 'message', shape, bound };
const shape = (...fields: readonly (readonly [tag: number, field: Field])[]): Shape => new Map(fields);

const exemplar = message(shape([0x3a, attribute()]));
const points = (...fields: readonly (readonly [number, Field])[]): Field =>
  message(shape([0x0a, message(shape(...fields))]));
const numbers = points([0x3a, attribute()], [0x2a, exemplar]);

const ITEMS: Readonly<Record<Signal, Shape>> = {
  logs: shape([0x32, attribute({ limit: 'record_attributes_max', droppedTag: 0x38 })], [0x2a, { kind: 'body' }]),
  traces: shape(
    [0x4a, attribute({ limit: 'record_attributes_max', droppedTag: 0x50 })],
    [0x5a, message(shape([0x1a, attribute()]), { limit: 'span_events_max', droppedTag: 0x60 })],
    [0x6a, message(shape([0x22, attribute()]), { limit: 'span_links_max', droppedTag: 0x70 })],
  ),
  metrics: shape(
    [0x62, attribute()],
    [0x2a, numbers],
    [0x3a, numbers],
    [0x4a, points([0x4a, attribute()], [0x42, exemplar])],
    [0x52, points([0x0a, attribute()], [0x5a, exemplar])],
    [0x5a, points([0x3a, attribute()])],
  ),
};

/** A record, span or metric. */
export function itemShape(signal: Signal): Shape {
  return ITEMS[signal];
}

/** The container of a resource, and that of a scope: their field 1. */
export const RESOURCE_SHAPE = shape([
  0x0a,
  message(shape([0x0a, attribute({ limit: 'resource_attributes_max', droppedTag: 0x10 })])),
]);
export const SCOPE_SHAPE = shape([0x0a, message(shape([0x1a, attribute()]))]);
