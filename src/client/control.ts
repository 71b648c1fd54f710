/** The control plane of S2: lists, creates, configures and deletes basins and streams. */

import { TailraceError } from '../model/error.ts';
import type { StreamFiguresJson } from '../model/stream-figures.ts';
import { type ApiResponse, callApi, expectHeaderText, objectIn, segment } from './calls.ts';
import type { BasinConfigJson, StreamConfigJson } from './config-json.ts';
import type { RequestOptions, ServerTarget } from './request.ts';

export interface BasinEntry {
  readonly name: string;
  /** RFC 3339, as all times here. */
  readonly createdAt: string | undefined;
  /** Set while it is being deleted in the background. */
  readonly deletedAt: string | undefined;
}

export interface StreamEntry {
  readonly name: string;
  readonly createdAt: string | undefined;
  readonly deletedAt: string | undefined;
  /** How its records are encrypted with the caller's key; undefined when they are not. */
  readonly cipher: string | undefined;
  /** What it holds and gets, when that was asked for; undefined for one whose tail the caller may not see. */
  readonly figures?: StreamFiguresJson | undefined;
}

/** The result of a create or ensure. */
export interface ProvisionResponse<T> {
  readonly result: 'created' | 'updated' | 'noop';
  readonly entry: T;
}

export interface ListRequestOptions extends RequestOptions {
  readonly prefix?: string | undefined;
  /** Only names after this one. */
  readonly startAfter?: string | undefined;
}

export interface ListStreamsOptions extends ListRequestOptions {
  /** Whether each entry has figures: records, bytes, times and rates. */
  readonly figures?: boolean | undefined;
}

export interface CreateRequestOptions extends RequestOptions {
  /**
   * At most 36 bytes. A create that is repeated with the same token and configuration gets the response of the first.
   */
  readonly requestToken?: string | undefined;
}

/** Calls on basins and streams. Configurations are as S2's JSON has them; null unsets a leaf in `reconfigure…`. */
export interface ControlCalls {
  /** Every basin that the token may see, in order; pages are fetched as they are needed. */
  listBasins(options?: ListRequestOptions): AsyncGenerator<BasinEntry>;
  /** @throws TailraceError `resource_already_exists`, `basin_deletion_pending` */
  createBasin(
    name: string,
    config?: BasinConfigJson,
    options?: CreateRequestOptions,
  ): Promise<ProvisionResponse<BasinEntry>>;
  getBasin(name: string, options?: RequestOptions): Promise<BasinConfigJson>;
  /** Creates it, or replaces its configuration: what is not given becomes the default. */
  ensureBasin(name: string, config?: BasinConfigJson, options?: RequestOptions): Promise<ProvisionResponse<BasinEntry>>;
  /** Changes what is given and keeps the rest. Resolves with the whole configuration. */
  reconfigureBasin(name: string, patch: BasinConfigJson, options?: RequestOptions): Promise<BasinConfigJson>;
  /** Resolves when the deletion is certain; it goes on in the background. */
  deleteBasin(name: string, options?: RequestOptions): Promise<void>;
  /** Every stream whose name starts with the prefix, in order; pages are fetched as they are needed. */
  listStreams(options?: ListStreamsOptions): AsyncGenerator<StreamEntry>;
  createStream(
    name: string,
    config?: StreamConfigJson,
    options?: CreateRequestOptions,
  ): Promise<ProvisionResponse<StreamEntry>>;
  getStream(name: string, options?: RequestOptions): Promise<StreamConfigJson>;
  ensureStream(
    name: string,
    config?: StreamConfigJson,
    options?: RequestOptions,
  ): Promise<ProvisionResponse<StreamEntry>>;
  reconfigureStream(name: string, patch: StreamConfigJson, options?: RequestOptions): Promise<StreamConfigJson>;
  deleteStream(name: string, options?: RequestOptions): Promise<void>;
}

const PAGE_ENTRIES = 1_000;

/** The calls on one server. `basinOf` says which basin a call on a stream is for. */
export function controlCalls(
  target: ServerTarget,
  basinOf: (options: RequestOptions | undefined) => string | undefined,
): ControlCalls {
  const inBasin = (options: RequestOptions | undefined) => ({ basin: basinOf(options), signal: options?.signal });
  const on = (kind: 'basins' | 'streams', name: string) =>
    `/v1/${kind}/${segment(name, `the name of a ${kind === 'basins' ? 'basin' : 'stream'}`)}`;
  const call = async (method: 'GET' | 'PUT' | 'PATCH', path: string, options: RequestOptions, json?: unknown) =>
    callApi(target, { ...options, method, path, json });
  return {
    listBasins: (options = {}) => listed(target, 'basins', { signal: options.signal }, options, basinEntry),
    createBasin: (basin, config, options = {}) =>
      created(target, '/v1/basins', { basin, config }, { signal: options.signal }, options, basinEntry),
    getBasin: async (name, options = {}) => configIn(await call('GET', on('basins', name), { signal: options.signal })),
    ensureBasin: async (name, config, options = {}) =>
      provisioned(await call('PUT', on('basins', name), { signal: options.signal }, { config }), basinEntry),
    reconfigureBasin: async (name, patch, options = {}) =>
      configIn(await call('PATCH', on('basins', name), { signal: options.signal }, patch)),
    deleteBasin: async (name, options = {}) => {
      await callApi(target, { signal: options.signal, method: 'DELETE', path: on('basins', name) });
    },
    listStreams: (options) => listed(target, 'streams', inBasin(options), options ?? {}, streamEntry),
    createStream: (stream, config, options) =>
      created(target, '/v1/streams', { stream, config }, inBasin(options), options ?? {}, streamEntry),
    getStream: async (name, options) => configIn(await call('GET', on('streams', name), inBasin(options))),
    ensureStream: async (name, config = {}, options) =>
      provisioned(await call('PUT', on('streams', name), inBasin(options), config), streamEntry),
    reconfigureStream: async (name, patch, options) =>
      configIn(await call('PATCH', on('streams', name), inBasin(options), patch)),
    deleteStream: async (name, options) => {
      await callApi(target, { ...inBasin(options), method: 'DELETE', path: on('streams', name) });
    },
  };
}

/** Fetches a list page by page: `start_after` is the last name of the page before. */
async function* listed<T>(
  target: ServerTarget,
  kind: 'basins' | 'streams',
  scope: RequestOptions,
  { prefix = '', startAfter: first = '', figures }: ListStreamsOptions,
  entryOf: (json: unknown) => T,
): AsyncGenerator<T> {
  for (let startAfter = first; ; ) {
    const query = new URLSearchParams({ prefix, start_after: startAfter, limit: String(PAGE_ENTRIES) });
    if (figures === true) query.set('figures', 'true');
    const path = `/v1/${kind}`;
    const json = objectIn((await callApi(target, { ...scope, method: 'GET', path, query })).json, `GET ${path}`);
    const entries: unknown[] = Array.isArray(json[kind]) ? json[kind] : [];
    yield* entries.map(entryOf);
    const last = entries.at(-1);
    if (json.has_more !== true || last === undefined) return;
    startAfter = String(objectIn(last, `GET ${path}`).name);
  }
}

async function created<T>(
  target: ServerTarget,
  path: string,
  json: unknown,
  scope: RequestOptions,
  { requestToken }: CreateRequestOptions,
  entryOf: (json: unknown) => T,
): Promise<ProvisionResponse<T>> {
  if (requestToken !== undefined) expectHeaderText(requestToken, 'requestToken');
  const headers = requestToken === undefined ? {} : { 's2-request-token': requestToken };
  return provisioned(await callApi(target, { ...scope, method: 'POST', path, json, headers }), entryOf);
}

/** The header says what was done; servers that do not send it tell created from updated by the status. */
function provisioned<T>({ status, headers, json }: ApiResponse, entryOf: (json: unknown) => T): ProvisionResponse<T> {
  const said = headers.get('s2-provision-result');
  const result = said === 'created' || said === 'updated' || said === 'noop' ? said : undefined;
  return { result: result ?? (status === 201 ? 'created' : 'updated'), entry: entryOf(json) };
}

function configIn({ json }: ApiResponse): Readonly<Record<string, unknown>> {
  return objectIn(json, 'the configuration');
}

function basinEntry(json: unknown): BasinEntry {
  const { name, created_at: createdAt, deleted_at: deletedAt } = objectIn(json, 'an entry');
  if (typeof name !== 'string') throw new TailraceError('internal', 'an entry of the answer has no name');
  return { name, createdAt: textIn(createdAt), deletedAt: textIn(deletedAt) };
}

function streamEntry(json: unknown): StreamEntry {
  const { cipher, figures } = objectIn(json, 'an entry');
  const known = typeof figures === 'object' && figures !== null ? { figures: figures as StreamFiguresJson } : {};
  return { ...basinEntry(json), cipher: textIn(cipher), ...known };
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
