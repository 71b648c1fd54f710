/** What a node gives its part in a partition to work with. */

import type { OneAtATime } from '../encoding/one-at-a-time.ts';
import type { Clock } from '../model/clock.ts';
import type { Logger } from '../observe/logger.ts';
import type { LatchingEngine } from '../storage/latching-engine.ts';
import type { Replica } from '../storage/replicated/replica.ts';
import type { KeyBucket, ReplicatedLog } from '../storage/replicated/replicated-log.ts';
import type { NodeUrls } from './node-info.ts';
import type { ServedWhileFollowing, ServedWhileLeading } from './served.ts';

export interface ReplicationOptions {
  readonly log: ReplicatedLog;
  readonly bucket: KeyBucket;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cluster: string;
  /** The log, the store and what is served are those of this partition. */
  readonly partition: number;
  /** By how many other partitions this node leads more than another one: see `Spread`. */
  readonly excess?: () => number;
  /** What the scrubs of all partitions of the node read in turns; its own where it is missing. */
  readonly scrubPace?: OneAtATime;
  /** The file of the store; a snapshot takes its place. */
  readonly storeFile: string;
  readonly urls: NodeUrls;
  readonly version: string;
  /** Tells this start of the node from earlier ones. */
  readonly start: string;
  /** What it does while it leads. */
  readonly served: ServedWhileLeading;
  /** What it does while it follows. */
  readonly following: ServedWhileFollowing;
  /** Opens the store in the data directory. */
  openStore(): Promise<LatchingEngine>;
  /** What a node shows to get a snapshot from another one. */
  readonly nodeHeaders: Readonly<Record<string, string>>;
  /** Where a node gives snapshots, with `?partition=N`. */
  readonly snapshotPath: string;
  /** A PEM file with the certificates by which those of other nodes are judged; undefined for those of the system. */
  readonly caFile: string | undefined;
  /** What is wrong with the node besides, as sentences for operators. */
  problems(): readonly string[];
  /** Called with a store that is about to be followed, also with each that takes its place; nothing is applied meanwhile. */
  opened?(replica: Replica): Promise<void>;
  /** Called with what a publish took. */
  onPublished?(tookMs: number, bytes: number): void;
}
