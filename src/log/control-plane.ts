/**
 * The control plane: creates, changes and deletes basins and streams (S2). Every call reads the state, decides and
 * passes its rows to the commit queue without an `await` in between, so calls do not conflict. It resolves when what it
 * reports is durable, also when another call made it.
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
  missingBasin,
  sameConfig,
} from './basins.ts';
import type { CommitQueue } from './commit-queue.ts';
import { commitRows } from './commit-rows.ts';
import { lifetimeMs } from './expiry.ts';
import type { Feeds } from './many/feeds.ts';
import { rowOf, scheduleRows } from './schedule-rows.ts';
import { deletionPending, expectFresh, type OpenStream, type Stream, streamNotFound } from './stream.ts';
import type { StreamTable } from './streams.ts';
import type { WriteGate } from './write-gate.ts';

/** What a create, ensure or reconfigure call did. */
export type Provision = 'created' | 'updated' | 'noop';

export interface ProvisionResult<T> {
  readonly outcome: Provision;
  readonly it: T;
}

export interface ControlDeps {
  readonly basins: BasinTable;
  readonly streams: StreamTable;
  readonly commits: CommitQueue;
  readonly clock: Clock;
  readonly feeds: Feeds;
  /** Throws when nothing can be written now with these options. */
  readonly expectWritable: WriteGate['expectOpen'];
  /** Called when there is pending work. */
  nudge(): void;
}

/** Deletions free space and may use the reserve that is kept for them. */
const RESERVE: CommitOptions = { mayUseReserve: true };
/** So may changes of settings, because a shorter retention frees space. */
const SETTINGS: CommitOptions = { mayUseReserve: 'most' };

export class ControlPlane {
  readonly #deps: ControlDeps;

  constructor(deps: ControlDeps) {
    this.#deps = deps;
  }

  async createBasin(name: string, request: BasinConfigRequest, token?: string): Promise<ProvisionResult<Basin>> {
    const { basins } = this.#deps;
    basins.moves.expectName(name);
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

  async ensureBasin(name: string, request: BasinConfigRequest): Promise<ProvisionResult<Basin>> {
    this.#deps.basins.moves.expectName(name);
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
    if (known === undefined) throw missingBasin(this.#deps.basins, name);
    await this.#expectNotDeleting(known);
    return (await this.#changeBasin(name, (before) => patchBasinConfig(before, patch))).it;
  }

  /**
   * Its streams are deleted in the background, then the basin itself. The kept basin has a successor in the same
   * transaction: no caller ever finds it missing, and senders go on.
   */
  async deleteBasin(name: string): Promise<void> {
    const { basins, clock, commits, nudge } = this.#deps;
    basins.moves.expectName(name);
    const known = basins.get(name);
    if (known === undefined) throw missingBasin(basins, name);
    const value = encodePending({ basin: known.number, name });
    const rows: Write[] = [{ type: 'put', key: pendingKey('basinDeletion', known.number), value }];
    if (name === basins.kept?.name) {
      const successor = basins.make(name, basins.kept.config, clock.now(), undefined);
      await this.#assignBasin(name, successor, rows, RESERVE);
    } else if (known.deletedAt === undefined) {
      await this.#assignBasin(name, { ...known, deletedAt: clock.now() }, rows, RESERVE);
    } else {
      await commits.barrier();
    }
    nudge();
  }

  async createStream(
    basin: Basin,
    name: string,
    request: StreamConfigRequest,
    token?: string,
  ): Promise<ProvisionResult<Stream>> {
    await this.#expectLive(basin);
    const key = requestKey(token, request);
    return this.#deps.streams.withFresh(basin, name, async (found) => {
      if (found?.made !== true) return { outcome: 'created', it: await this.makeStream(basin, name, request, key) };
      await this.#deps.commits.barrier();
      if (found.deleting) throw deletionPending(name);
      if (key !== undefined && key === found.row.requestKey) return { outcome: 'noop', it: found };
      throw new TailraceError(
        'resource_already_exists',
        `stream \`${name}\` already exists in basin \`${basin.name}\``,
      );
    });
  }

  async ensureStream(basin: Basin, name: string, request: StreamConfigRequest): Promise<ProvisionResult<Stream>> {
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

  /** Returns an existing stream. @throws TailraceError `stream_not_found`, `stream_deletion_pending` */
  getStream(basin: Basin, name: string): Promise<OpenStream> {
    return this.#withMade(basin, name, async (found) => {
      await this.#deps.commits.barrier();
      return found;
    });
  }

  /** Calls are refused from now on. Its records are deleted in the background, then the name is free. */
  async deleteStream(basin: Basin, name: string): Promise<void> {
    await this.#deps.streams.withFresh(basin, name, async (found) => {
      this.#deps.basins.moves.expectHere(basin);
      if (found?.made !== true) throw streamNotFound(basin.name, name);
      await this.markDeleted(found);
    });
    this.#deps.nudge();
  }

  /**
   * The first half of a deletion, in order with the appends of the stream. Followers get the records from before it,
   * then the end.
   */
  async markDeleted(stream: OpenStream): Promise<void> {
    stream.place.expectHere();
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
    for (const feed of this.#deps.feeds.of(stream) ?? []) feed.left(stream);
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

  async #changeBasin(name: string, change: (before: BasinConfig) => BasinConfig): Promise<ProvisionResult<Basin>> {
    this.#deps.basins.moves.expectName(name);
    const known = this.#deps.basins.get(name);
    if (known === undefined) throw missingBasin(this.#deps.basins, name);
    const config = change(known.config);
    if (sameConfig(config, known.config)) {
      await this.#deps.commits.barrier();
      return { outcome: 'noop', it: known };
    }
    this.#deps.expectWritable(SETTINGS);
    const basin = { ...known, config };
    await this.#assignBasin(name, basin, [], SETTINGS);
    return { outcome: 'updated', it: basin };
  }

  /** @throws TailraceError `unavailable`, `basin_not_found`, `basin_deletion_pending`, the latter when it is durable */
  async #expectLive(basin: Basin): Promise<void> {
    this.#deps.basins.moves.expectHere(basin);
    const known = this.#deps.basins.get(basin.name);
    if (known === undefined || known.number !== basin.number) throw basinNotFound(basin.name);
    await this.#expectNotDeleting(known);
  }

  async #expectNotDeleting(basin: Basin): Promise<void> {
    if (basin.deletedAt !== undefined) await this.#deps.commits.refuse(basinDeletionPending(basin.name));
  }

  /**
   * Calls `act` with an existing stream whose state may be built on; nothing is awaited between the check and the call.
   */
  #withMade<T>(basin: Basin, name: string, act: (found: OpenStream) => Promise<T>): Promise<T> {
    return this.#deps.streams.withFresh(basin, name, async (found) => {
      this.#deps.basins.moves.expectHere(basin);
      if (found?.made !== true) throw streamNotFound(basin.name, name);
      if (found.deleting) await this.#deps.commits.refuse(deletionPending(name));
      return act(found);
    });
  }

  /**
   * The stream that was found, or a new one where its basin makes streams for this purpose.
   * @throws TailraceError `stream_not_found`, `stream_deletion_pending`, `basin_not_found`, `basin_deletion_pending`
   */
  async openStream(
    found: OpenStream | undefined,
    basin: Basin,
    name: string,
    purpose: 'append' | 'read',
    overrides: StreamConfigRequest,
  ): Promise<OpenStream> {
    const { basins, streams, commits } = this.#deps;
    basins.moves.expectHere(basin);
    if (found?.deleting === true) await commits.refuse(deletionPending(name));
    if (found?.made === true) {
      if (purpose === 'read' && !found.exists) await commits.barrier();
      return found;
    }
    if (found !== undefined && purpose === 'append') return found;
    const current = basins.get(basin.name);
    if (current === undefined || current.number !== basin.number) throw basinNotFound(basin.name);
    const { createStreamOnAppend, createStreamOnRead } = current.config;
    if (!(purpose === 'append' ? createStreamOnAppend : createStreamOnRead)) throw streamNotFound(basin.name, name);
    if (current.deletedAt !== undefined) await commits.refuse(basinDeletionPending(basin.name));
    if (purpose === 'append') return streams.make(current, name, overrides);
    return this.makeStream(current, name, overrides);
  }

  /**
   * Creates a stream that does not exist, or that only waits for its first append.
   * @throws TailraceError also `basin_not_found`, `basin_deletion_pending`
   */
  async makeStream(basin: Basin, name: string, request: StreamConfigRequest, key?: string): Promise<OpenStream> {
    const { basins, streams, commits, expectWritable, nudge } = this.#deps;
    expectWritable();
    basins.moves.expectHere(basin);
    const stream = streams.make(basins.expectLive(basin), name, request, key);
    stream.made = true;
    await commitRows(commits, streams.rowsOf([stream]), { states: [[stream, stream.assigned]] });
    if (stream.row.dueAt !== undefined) nudge();
    return stream;
  }

  async #changeStream(stream: OpenStream, config: StreamConfig): Promise<ProvisionResult<Stream>> {
    stream.place.expectHere();
    if (sameStreamConfig(config, stream.config)) {
      await this.#deps.commits.barrier();
      return { outcome: 'noop', it: stream };
    }
    this.#deps.expectWritable(SETTINGS);
    expectFresh(stream);
    const before = stream.row.dueAt;
    const wanted = lifetimeMs(config) !== undefined || config.retentionBytes !== undefined;
    const needsSchedule = wanted || config.deleteOnEmptyMinAgeSeconds > 0;
    const dueAt = needsSchedule ? this.#deps.clock.now() : undefined;
    stream.row = { ...stream.row, config, dueAt };
    stream.floorUntil = 0;
    await commitRows(this.#deps.commits, [rowOf(stream), ...scheduleRows(stream, before)], {
      options: SETTINGS,
    });
    this.#deps.nudge();
    return { outcome: 'updated', it: stream };
  }
}

const LEAVES = Object.keys(DEFAULT_STREAM_CONFIG) as (keyof StreamConfig)[];

function sameStreamConfig(a: StreamConfig, b: StreamConfig): boolean {
  return LEAVES.every((leaf) => a[leaf] === b[leaf]);
}

/**
 * Distinguishes a repeated create call from another one (S2): the request token and the request, exactly as it was
 * sent.
 */
function requestKey(token: string | undefined, request: BasinConfigRequest | StreamConfigRequest): string | undefined {
  if (token === undefined) return undefined;
  return `${token}\0${canonical(request)}`;
}

/** The same text for the same request. An undefined field differs from an absent one. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === undefined ? 'undefined' : JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${name}:${canonical(field)}`).join(',')}}`;
}
