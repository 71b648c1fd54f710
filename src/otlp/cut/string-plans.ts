/**
 * Where strings are in OTLP messages, from the schema: what may be cut in a record that is larger than S2 allows. Keys stay,
 * since a cut one would name something else, and so do ids.
 */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../model/record.ts';
import { REQUESTS } from '../message-types.ts';
import { ID_BYTES } from '../odd-id.ts';
import { RESOURCE_TAG, SCOPE_TAG } from '../scan/tables.ts';

/** A field whose content may be cut: a text between two characters, bytes anywhere. */
export type Cuttable = 'text' | 'bytes';

/** The fields of a message type that hold strings, or messages in which there may be some, by tag. */
export type StringPlan = ReadonlyMap<number, Cuttable | StringPlan>;

const KEYS: ReadonlySet<string> = new Set(['key', 'idKeys', 'descriptionKeys']);
const LENGTH_DELIMITED = 2;

const known = new Map<protobuf.Type, StringPlan>();

/** The plans of the containers of a signal, whose heads may be cut, and of its items. */
export interface SignalPlans {
  readonly resource: StringPlan;
  readonly scope: StringPlan;
  readonly item: StringPlan;
}

const plans = new Map<Signal, SignalPlans>();

/** Made at the first call. */
export function stringPlans(signal: Signal): SignalPlans {
  let found = plans.get(signal);
  if (found === undefined) {
    const resource = inside(planOf(REQUESTS[signal]), RESOURCE_TAG);
    const scope = inside(resource, SCOPE_TAG);
    found = { resource, scope, item: inside(scope, SCOPE_TAG) };
    plans.set(signal, found);
  }
  return found;
}

function inside(plan: StringPlan, tag: number): StringPlan {
  const found = plan.get(tag);
  return found instanceof Map ? found : new Map();
}

function planOf(type: protobuf.Type): StringPlan {
  const before = known.get(type);
  if (before !== undefined) return before;
  // Known before it is filled: values hold values.
  const plan = new Map<number, Cuttable | StringPlan>();
  known.set(type, plan);
  for (const field of type.fieldsArray) {
    const tag = (field.id << 3) | LENGTH_DELIMITED;
    if (field.resolvedType instanceof protobuf.Type) plan.set(tag, planOf(field.resolvedType));
    else if (field.type === 'string' && !KEYS.has(field.name)) plan.set(tag, 'text');
    else if (field.type === 'bytes' && ID_BYTES[field.name] === undefined) plan.set(tag, 'bytes');
  }
  return plan;
}
