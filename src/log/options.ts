/** What a log is opened with, what a read says of itself, and what a log reports. */

import type { Clock } from '../model/clock.ts';
import type { TailraceError } from '../model/error.ts';
import type { EngineStat } from '../storage/engine.ts';
import type { BasinTable, KeptBasin } from './basins.ts';
import type { ClockPause } from './expiry-clock.ts';
import type { CatchUp } from './follow/look-again.ts';
import type { LogObserver, ReaderProtocol } from './observer.ts';
import type { ReadsStat } from './open-reads.ts';
import type { RecordFilter } from './read.ts';

export interface LogOptions {
  readonly clock: Clock;
  /** Called with an error that is our own fault. The process should end, or the store be closed. */
  onFatal(error: TailraceError): void;
  /** Receives events, for counters. */
  readonly observer?: LogObserver;
  /** A basin that whoever deletes it gets again. The owner of the log creates it first. */
  readonly keptBasin?: KeptBasin | undefined;
  /** The numbers of basins and streams of a new store begin after this one: see `partitionNumbers`. */
  readonly numbersFrom?: number;
  /** Whether a basin is in this store, or would be: where a cluster has several partitions, not all are. */
  readonly holds?: ((basin: string) => boolean) | undefined;
  /** What happens when there is no space: by default, appends are refused until there is. */
  readonly whenFull?: 'refuse' | 'drop-oldest';
  /** Streams of an append times readers of many of these, up to which the readers are told at once; otherwise in turns. */
  readonly toldAtOnceMax?: number;
  /** Called when the oldest records were dropped to free space. */
  onDropped?(): void;
  /** Called with the reason why background work stopped; it tries again by itself. */
  onBackgroundError?(error: unknown): void;
  /** Called when what is stored is damaged: a checksum does not match, or a block is missing. */
  onDamaged?(error: TailraceError): void;
  /** Called when the wall clock jumped ahead: nothing expires until it can be trusted. */
  onClockPause?(pause: ClockPause): void;
}

/** What a log begins with. */
export interface LogBeginning {
  readonly basins: BasinTable;
  /** The last time of the wall clock that its store saw, in ms. */
  readonly lastSeen: number | undefined;
  /** Of a log that only follows. */
  readonly catchUp?: CatchUp;
}

export interface LogStat {
  readonly engine: EngineStat;
  readonly openStreams: number;
  readonly reads: ReadsStat;
}

export interface LogReadOptions {
  /** 32 bytes, for streams that have a cipher. */
  readonly encryptionKey?: Uint8Array | undefined;
  /** Which records are wanted; all of them by default. */
  readonly filter?: RecordFilter | undefined;
  /** Who reads, for counters. */
  readonly protocol?: ReaderProtocol;
}
