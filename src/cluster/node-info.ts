/** What nodes of a cluster know of each other: small JSON values in a bucket that the majority keeps. */

import type { NodeRole } from '../model/cluster-state.ts';
import type { KeyEntry } from '../storage/replicated/replicated-log.ts';

/** Where a node is reached. */
export interface NodeUrls {
  /** The URL of its HTTP port as the other nodes reach it; also its name. */
  readonly url: string;
  /** Undefined where OTLP/gRPC is off. */
  readonly grpcUrl: string | undefined;
}

/** What a node says of itself every few seconds. */
export interface NodeInfo extends NodeUrls {
  readonly version: string;
  /** The newest version of commands that it reads. */
  readonly commandVersion: number;
  /** How far it has applied the log, and how far that is on its disk. */
  readonly sequence: number;
  readonly durableSequence: number;
  readonly role: NodeRole;
  /** It leads no more and does not try to. */
  readonly isDraining: boolean;
  /** Its store is damaged, and it has no copy of another node yet; undefined of a node that does not say it. */
  readonly isDamaged?: boolean;
  /** How often it found that since its start. */
  readonly damages?: number;
  /** What an operator should know, as sentences. */
  readonly problems: readonly string[];
}

/** Who leads; another start of the same node is another leader. */
export interface LeaderEntry extends NodeUrls {
  readonly start: string;
}

/** Of a node, for all partitions. */
export const DRAIN_PREFIX = 'drain.';
export const SECRET_KEY = 'secret';

/** The key of who leads a partition. */
export function leaderKey(partition: number): string {
  return `leader.${partition}`;
}

/** What the nodes say of a partition. Builds that know one partition read what is of the first. */
export function memberPrefix(partition: number): string {
  return partition === 0 ? 'node.' : `node${partition}.`;
}

/** The key of what a partition began with. */
export function baseKey(partition: number): string {
  return partition === 0 ? 'base' : `base.${partition}`;
}

/** The key of a node: keys of the bucket have no slashes and colons. */
export function keyOf(prefix: string, url: string): string {
  return `${prefix}${Buffer.from(url).toString('base64url')}`;
}

export function encodeEntry(entry: LeaderEntry | NodeInfo): Uint8Array {
  return Buffer.from(JSON.stringify(entry));
}

/** Nodes write only what {@link encodeEntry} makes, so fields are there; one of a newer build has more. */
export function decodeLeader(entry: KeyEntry): LeaderEntry {
  return JSON.parse(Buffer.from(entry.value).toString()) as LeaderEntry;
}

export function decodeNode(entry: KeyEntry): NodeInfo {
  return JSON.parse(Buffer.from(entry.value).toString()) as NodeInfo;
}

/** Whether it can be asked to take over: a node that was the one that leads says so for a while after its end. */
export function mayLead({ role, isDraining, isDamaged }: NodeInfo): boolean {
  return role === 'following' && !isDraining && isDamaged !== true;
}
