/**
 * The control plane (S2 API §3): basins and streams are made, changed and deleted. Every call looks, decides and hands
 * its rows to the group commit without an `await` between the look and the hand-over, so there are no conflicts; it
 * answers when what it says is durable, also when that is what somebody else made.
 */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import {
  type BasinConfig,
  type BasinConfigPatch,
  type BasinConfigRequest,
  DEFAULT_STREAM_CONFIG,
  ownLeaves,
  patchBasinConfig,
  patchLeaves,
  resolveBasinConfig,
  resolveStreamConfig,
  type StreamConfig,
  type StreamConfigPatch,
  type StreamConfigRequest,
} from '../model/stream-config.ts';
import type { CommitOptions, Write } from '../storage/engine.ts';
import { pendingKey } from '../storage/keys.ts';
import { encodePending } from '../storage/values.ts';
import {
  type Basin,
  type BasinTable,
  basinDeletionPending,
  basinNotFound,
  type KnownBasin,
  sameConfig,
} from './basins.ts';
import type { CommitQueue } from './commit-queue.ts';
import { commitRows } from './commit-rows.ts';
import { lifetimeMs } from './expiry.ts';
import { deletionPending, expectFresh, type OpenStream, type Stream, streamNotFound } from './stream.ts';
import { rowOf, type StreamTable, scheduleRows } from './streams.ts';

/** What a call that makes sure of something found or did. */
export type Provision = 'created' | 'updated' | 'noop';

export interface Provisioned<T> {
  readonly outcome: Provision;
  readonly it: T;
}

export interface ControlDeps {
  readonly basins: BasinTable;
  readonly streams: StreamTable;
  readonly commits: CommitQueue;
  readonly clock: Clock;
  /** Refuses what cannot be written now. */
  expectWritable(): void;
  /** There is pending work. */
  nudge(): void;
}

/** Deletions free room, and may use what is kept for that. */
const RESERVE: CommitOptions = { mayUseReserve: true };

export class ControlPlane {
  readonly #deps: ControlDeps;

  constructor(deps: ControlDeps) {
    this.#deps = deps;
  }

  async createBasin(name: string, request: BasinConfigRequest, token?: string): Promise<Provisioned<Basin>> {
    const { basins } = this.#deps;
    const key = requestKey(token, request);
    const known = basins.get(name);
    if (known !== undefined) {
      await this.#deps.commits.barrier();
      if (known.deletedAt !== undefined) throw basinDeletionPending(name);
      if (key !== undefined && key === known.requestKey) return { outcome: 'noop', it: known };
      throw new TailraceError('resource_already_exists', `basin \`${name}\` already exists`);
    }
    const basin = this.#makeBasin(name, resolveBasinConfig(request), key);
    await this.#assignBasin(name, basin, []);
    return { outcome: 'created', it: basin };
  }

  async ensureBasin(name: string, request: BasinConfigRequest): Promise<Provisioned<Basin>> {
    const known = this.#deps.basins.get(name);
    if (known === undefined) {
      const basin = this.#makeBasin(name, resolveBasinConfig(request), undefined);
      await this.#assignBasin(name, basin, []);
      return { outcome: 'created', it: basin };
    }
    await this.#expectNotDeleting(known);
    return this.#changeBasin(known.name, (before) => resolveBasinConfig(request, before));
  }

  async reconfigureBasin(name: string, patch: BasinConfigPatch): Promise<Basin> {
    const known = this.#deps.basins.get(name);
    if (known === undefined) throw basinNotFound(name);
    await this.#expectNotDeleting(known);
    return (await this.#changeBasin(name, (before) => patchBasinConfig(before, patch))).it;
  }

  /** Its streams go in the background, then the basin itself. */
  async deleteBasin(name: string): Promise<void> {
    const { basins, clock, commits, nudge } = this.#deps;
    const known = basins.get(name);
    if (known === undefined) throw basinNotFound(name);
    if (known.deletedAt !== undefined) {
      await commits.barrier();
    } else {
      const value = encodePending({ basin: known.number, name });
      const rows: Write[] = [{ type: 'put', key: pendingKey('basinDeletion', known.number), value }];
      await this.#assignBasin(name, { ...known, deletedAt: clock.now() }, rows, RESERVE);
    }
    nudge();
  }

  async createStream(
    basin: Basin,
    name: string,
    request: StreamConfigRequest,
    token?: string,
  ): Promise<Provisioned<Stream>> {
    await this.#expectLive(basin);
    const key = requestKey(token, request);
    return this.#deps.streams.withFresh(basin, name, async (found) => {
      if (found?.made !== true) return { outcome: 'created', it: await this.makeStream(basin, name, request, key) };
      await this.#deps.commits.barrier();
      if (found.deleting) throw deletionPending(name);
      if (key !== undefined && key === found.row.requestKey) return { outcome: 'noop', it: found };
      throw new TailraceError('resource_already_exists', `stream \`${name}\` already exists`);
    });
  }

  async ensureStream(basin: Basin, name: string, request: StreamConfigRequest): Promise<Provisioned<Stream>> {
    await this.#expectLive(basin);
    return this.#deps.streams.withFresh(basin, name, async (found) => {
      if (found?.made !== true) {
        return { outcome: 'created', it: await this.makeStream(basin, name, request) };
      }
      if (found.deleting) await this.#deps.commits.refuse(deletionPending(name));
      const wanted = { ...ownLeaves(found.config), ...request };
      return this.#changeStream(found, resolveStreamConfig(this.#deps.basins.expectLive(basin).config, wanted));
    });
  }

  async reconfigureStream(basin: Basin, name: string, patch: StreamConfigPatch): Promise<Stream> {
    await this.#expectLive(basin);
    return this.#withMade(basin, name, async (found) => {
      const leaves = patchLeaves(found.config, patch);
      const config = resolveStreamConfig(this.#deps.basins.expectLive(basin).config, leaves);
      return (await this.#changeStream(found, config)).it;
    });
  }

  /** A stream that is there. @throws TailraceError `stream_not_found`, `stream_deletion_pending` */
  getStream(basin: Basin, name: string): Promise<OpenStream> {
    return this.#withMade(basin, name, async (found) => {
      await this.#deps.commits.barrier();
      return found;
    });
  }

  /** Refuses calls from now on; its records go in the background, then the name is free. */
  async deleteStream(basin: Basin, name: string): Promise<void> {
    await this.#deps.streams.withFresh(basin, name, async (found) => {
      if (found?.made !== true) throw streamNotFound(basin.name, name);
      await this.markDeleted(found);
    });
    this.#deps.nudge();
  }

  /** The first half of a deletion, in order with the appends of the stream. Followers get what was before, then the end. */
  async markDeleted(stream: OpenStream): Promise<void> {
    if (stream.deleting) return this.#deps.commits.barrier();
    expectFresh(stream);
    const before = stream.row.dueAt;
    stream.row = { ...stream.row, deletedAt: this.#deps.clock.now(), dueAt: undefined };
    const value = encodePending({ basin: stream.basin.number, name: stream.name });
    const rows: Write[] = [
      rowOf(stream),
      ...scheduleRows(stream, before),
      { type: 'put', key: pendingKey('streamDeletion', stream.number), value },
    ];
    await commitRows(this.#deps.commits, rows, { options: RESERVE });
    for (const follower of stream.followers) follower.end(deletionPending(stream.name));
  }

  #makeBasin(name: string, config: BasinConfig, key: string | undefined): KnownBasin {
    this.#deps.expectWritable();
    return this.#deps.basins.make(name, config, this.#deps.clock.now(), key);
  }

  async #assignBasin(
    name: string,
    basin: KnownBasin,
    rows: readonly Write[],
    options: CommitOptions = {},
  ): Promise<void> {
    const { basins, commits } = this.#deps;
    const all = [...basins.assign(name, basin), ...rows];
    await commitRows(commits, all, { options, durable: () => basins.settle(name, basin) });
  }

  async #changeBasin(name: string, change: (before: BasinConfig) => BasinConfig): Promise<Provisioned<Basin>> {
    const known = this.#deps.basins.get(name);
    if (known === undefined) throw basinNotFound(name);
    const config = change(known.config);
    if (sameConfig(config, known.config)) {
      await this.#deps.commits.barrier();
      return { outcome: 'noop', it: known };
    }
    this.#deps.expectWritable();
    const basin = { ...known, config };
    await this.#assignBasin(name, basin, []);
    return { outcome: 'updated', it: basin };
  }

  /** @throws TailraceError `basin_not_found`, `basin_deletion_pending`, the latter when it is durable */
  async #expectLive(basin: Basin): Promise<void> {
    const known = this.#deps.basins.get(basin.name);
    if (known === undefined || known.number !== basin.number) throw basinNotFound(basin.name);
    await this.#expectNotDeleting(known);
  }

  async #expectNotDeleting(basin: Basin): Promise<void> {
    if (basin.deletedAt !== undefined) await this.#deps.commits.refuse(basinDeletionPending(basin.name));
  }

  /** Calls `act` with a stream that is there and good to build on; nothing is awaited before. */
  #withMade<T>(basin: Basin, name: string, act: (found: OpenStream) => Promise<T>): Promise<T> {
    return this.#deps.streams.withFresh(basin, name, async (found) => {
      if (found?.made !== true) throw streamNotFound(basin.name, name);
      if (found.deleting) await this.#deps.commits.refuse(deletionPending(name));
      return act(found);
    });
  }

  /**
   * A stream that was looked for and is not there, or only waits for its first append.
   * @throws TailraceError also `basin_not_found`, `basin_deletion_pending`
   */
  async makeStream(basin: Basin, name: string, request: StreamConfigRequest, key?: string): Promise<OpenStream> {
    const { basins, streams, commits, expectWritable, nudge } = this.#deps;
    expectWritable();
    const stream = streams.make(basins.expectLive(basin), name, request, key);
    stream.made = true;
    await commitRows(commits, streams.rowsOf(stream), { states: [[stream, stream.assigned]] });
    if (stream.row.dueAt !== undefined) nudge();
    return stream;
  }

  async #changeStream(stream: OpenStream, config: StreamConfig): Promise<Provisioned<Stream>> {
    if (sameStreamConfig(config, stream.config)) {
      await this.#deps.commits.barrier();
      return { outcome: 'noop', it: stream };
    }
    this.#deps.expectWritable();
    expectFresh(stream);
    const before = stream.row.dueAt;
    const wanted = lifetimeMs(config) !== undefined || config.retentionBytes !== undefined;
    const looksAfter = wanted || config.deleteOnEmptyMinAgeSeconds > 0;
    const dueAt = looksAfter ? this.#deps.clock.now() : undefined;
    stream.row = { ...stream.row, config, dueAt };
    stream.floorUntil = 0;
    await commitRows(this.#deps.commits, [rowOf(stream), ...scheduleRows(stream, before)], {});
    this.#deps.nudge();
    return { outcome: 'updated', it: stream };
  }
}

const LEAVES = Object.keys(DEFAULT_STREAM_CONFIG) as (keyof StreamConfig)[];

function sameStreamConfig(a: StreamConfig, b: StreamConfig): boolean {
  return LEAVES.every((leaf) => a[leaf] === b[leaf]);
}

/** What tells a repeated create call from another one (S2 API §3.4): the token, and what was asked for as it was asked. */
function requestKey(token: string | undefined, request: BasinConfigRequest | StreamConfigRequest): string | undefined {
  if (token === undefined) return undefined;
  return `${token}\0${canonical(request)}`;
}

/** Letter by letter the same for the same request; undefined is a value of its own. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === undefined ? 'undefined' : JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${name}:${canonical(field)}`).join(',')}}`;
}
