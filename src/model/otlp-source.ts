/** What an OTLP request says of who sent it: it is shown to those who ask whether anything arrives. */

/** The library that made the request, as it names itself. An empty text is what it does not say. */
export interface OtlpSdk {
  readonly name: string;
  readonly language: string;
  readonly version: string;
}

/** Filled in step by step as the request is looked at, so also when it is refused later. Texts are cut. */
export interface OtlpSource {
  /** `service.name` of the first resource; empty when it has none. */
  service: string;
  /** Of the first resource. */
  sdk: OtlpSdk | undefined;
  /** Resources with items in the request. */
  resources: number;
  /** The later time of the first and the last item, in milliseconds; 0 when they have none. */
  newestMs: number;
  /** A few of the streams that the data goes to, as the sender says them. */
  readonly streams: string[];
}

/** Of a request that was not looked at yet. */
export function unknownSource(): OtlpSource {
  return { service: '', sdk: undefined, resources: 0, newestMs: 0, streams: [] };
}
