/** Configuration of basins and streams, resolved: every field is there (S2 API §4.1). */

export type TimestampingMode = 'client-prefer' | 'client-require' | 'arrival';
export type StorageClass = 'standard' | 'express';

/** A stream's configuration, frozen when the stream is created. */
export interface StreamConfig {
  readonly storageClass: StorageClass;
  /** Seconds counted from a record's arrival; undefined keeps records for ever. */
  readonly retentionAgeSeconds: number | undefined;
  readonly timestampingMode: TimestampingMode;
  /** Whether client timestamps ahead of the server's clock are kept. */
  readonly timestampingUncapped: boolean;
  /** 0 turns deletion of empty streams off. */
  readonly deleteOnEmptyMinAgeSeconds: number;
}

const DEFAULT_STREAM_CONFIG: StreamConfig = {
  storageClass: 'express',
  retentionAgeSeconds: 604_800,
  timestampingMode: 'client-prefer',
  timestampingUncapped: false,
  deleteOnEmptyMinAgeSeconds: 0,
};

/** A basin's configuration; `defaultStream` holds only the leaves that were set. */
export interface BasinConfig {
  readonly createStreamOnAppend: boolean;
  readonly createStreamOnRead: boolean;
  readonly defaultStream: Partial<StreamConfig>;
  /** OTLP policy: the template that names the stream of a resource without `s2.stream`; empty is off. */
  readonly otlpDefaultStream: string;
}

/** The effective configuration of a new stream: global defaults, then the basin's. */
export function resolveStreamConfig(basin: BasinConfig): StreamConfig {
  return { ...DEFAULT_STREAM_CONFIG, ...basin.defaultStream };
}
