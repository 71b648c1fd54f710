/**
 * The message types that OTLP requests consist of, from the schema: the tables of the scanner and the transcoder list
 * them.
 */

import protobuf from 'protobufjs/light.js';
import { assert } from '../model/error.ts';
import type { Signal } from '../model/record.ts';
import { SCHEMA } from './schema.gen.ts';

const root = protobuf.Root.fromJSON(SCHEMA).resolveAll();

/** The request of each signal. */
export const REQUESTS: Readonly<Record<Signal, protobuf.Type>> = {
  logs: messageType('collector.logs.v1.ExportLogsServiceRequest'),
  traces: messageType('collector.trace.v1.ExportTraceServiceRequest'),
  metrics: messageType('collector.metrics.v1.ExportMetricsServiceRequest'),
};

/** Every type that a request can hold, requests included. Tables refer to a type by its index here. */
export const MESSAGE_TYPES: readonly protobuf.Type[] = reachableTypes(Object.values(REQUESTS));

/** A type of OTLP by its name below `opentelemetry.proto`. */
export function messageType(name: string): protobuf.Type {
  return root.lookupType(`opentelemetry.proto.${name}`);
}

/** The wire type of a single value of a field that is a number, a boolean or an enum. */
export function scalarWireType(field: protobuf.Field): number {
  if (field.resolvedType instanceof protobuf.Enum) return 0;
  const wireType = (protobuf.types.basic as Readonly<Record<string, number>>)[field.type];
  assert(wireType !== undefined, `field ${field.fullName} has a scalar type`);
  return wireType;
}

function reachableTypes(from: readonly protobuf.Type[]): readonly protobuf.Type[] {
  const found = new Set(from);
  // Iterating a Set also visits what is added meanwhile, so this reaches every type.
  for (const type of found) {
    for (const field of type.fieldsArray)
      if (field.resolvedType instanceof protobuf.Type) found.add(field.resolvedType);
  }
  return [...found];
}
