/** Requests with every field of the schema, for a stream of choice. */

import fc from 'fast-check';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { arbitraryRequest } from '../../test/support/socket-arbitraries.ts';
import { otlpBytes } from '../../test/support/socket-blocks.ts';

export interface MadeRequest {
  readonly signal: Signal;
  readonly body: Uint8Array;
}

const CONTAINERS = { logs: 'resourceLogs', traces: 'resourceSpans', metrics: 'resourceMetrics' } as const;

/** So many of each signal, in turn. */
export function madeRequests(count: number, stream: string, seed: number): MadeRequest[] {
  const bySignal = SIGNALS.map((signal) =>
    fc.sample(arbitraryRequest(signal), { numRuns: count, seed }).map((request) => {
      return { signal, body: otlpBytes(signal, toStream(signal, request as Resources, stream)) };
    }),
  );
  return Array.from({ length: count }, (_, i) => bySignal.flatMap((made) => made[i] ?? [])).flat();
}

type Resources = Readonly<Record<string, readonly Resource[] | undefined>>;
interface Resource {
  readonly resource?: { readonly attributes?: readonly object[] };
}

function toStream(signal: Signal, request: Resources, stream: string): object {
  const attribute = { key: 's2.stream', value: { stringValue: stream } };
  const resources = request[CONTAINERS[signal]] ?? [];
  return {
    [CONTAINERS[signal]]: resources.map((given) => {
      const attributes = [...(given.resource?.attributes ?? []), attribute];
      return { ...given, resource: { ...given.resource, attributes } };
    }),
  };
}
