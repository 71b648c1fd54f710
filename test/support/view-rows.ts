/** What a stream holds as its readers see it: the rows of the `message` view, or lines of text. */

import type { TestServer } from './server.ts';
import { Reader } from './socket-reader.ts';

export type Row = Readonly<Record<string, unknown>> & {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
};

/** What a read says besides its stream. */
export interface ViewRead {
  /** More of the query, such as `&filter=…`. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The rows of a stream from its first record to its tail. */
export async function viewRows(
  server: TestServer,
  stream: string,
  basin = 'telemetry',
  read: ViewRead = {},
): Promise<readonly Row[]> {
  const all = await batches(server, stream, { basin, protocol: 'view.json', ...read });
  return all.flatMap(({ rows }) => rows as Row[]);
}

/** The same as lines of text. */
export async function viewLines(
  server: TestServer,
  stream: string,
  basin = 'telemetry',
  read: ViewRead = {},
): Promise<readonly string[]> {
  const all = await batches(server, stream, { basin, protocol: 'view.text', ...read });
  return all.flatMap(({ lines }) => lines as string[]);
}

async function batches(
  { url, token }: TestServer,
  stream: string,
  { basin, protocol, query = '', headers: more }: ViewRead & { readonly basin: string; readonly protocol: string },
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const target = `${url.replace(/^http/, 'ws')}/v1/streams/${encodeURIComponent(stream)}/records?seq_num=0${query}`;
  const headers = { authorization: `Bearer ${token}`, 's2-basin': basin, ...more };
  const reader = new Reader(target, protocol, { headers });
  const frames: Readonly<Record<string, unknown>>[] = [];
  for (let frame = await reader.nextJson(); frame.type !== 'caught_up'; frame = await reader.nextJson()) {
    if (frame.type === 'error') throw new Error(JSON.stringify(frame));
    if (frame.type === 'batch') frames.push(frame);
  }
  await reader.close();
  return frames;
}

/** The one that there is. */
export function only(rows: readonly Row[]): Row {
  const [row, ...others] = rows;
  if (row === undefined || others.length > 0) throw new Error(`expected one row: ${JSON.stringify(rows)}`);
  return row;
}
