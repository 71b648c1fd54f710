/**
 * Authorization comes before existence: a caller without permission gets the same response, to the byte, whether the
 * named resource exists, never existed, or is being deleted, on every route and in every form of it.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { GRANTED_OPERATIONS } from '../../src/model/operation.ts';
import { createServer, type TailraceServer } from '../../src/server.ts';
import { TokenBook } from '../support/access-callers.ts';
import { type Credential, formsOf, openProtocols, type Protocols } from '../support/access-forms.ts';
import { ACCESS_ROWS, type AccessRow, type Names } from '../support/access-rows.ts';
import { ControlClient } from '../support/control-calls.ts';
import { HeldDeletions } from '../support/held-deletions.ts';

const rootToken = 'token-of-a-test-about-what-exists';

/** All names of a kind have the same length, so responses have too. */
const THERE: Names = { basin: 'existence-there', stream: 'stream-there', id: 'id-there' };
const NEVER: Names = { basin: 'existence-never', stream: 'stream-never', id: 'id-never' };
const GOING: Names = { basin: 'existence-going', stream: 'stream-going', id: 'id-going' };

let dataDir: string;
let server: TailraceServer;
let protocols: Protocols;
let book: TokenBook;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-existence-'));
  const wrapEngine = new HeldDeletions().wrap;
  server = await createServer({ port: 0, dataDir, rootToken, logLevel: 'silent' }, { wrapEngine });
  const { url, port, grpc } = await server.listen();
  const s2 = new ControlClient({ url, token: rootToken });
  for (const basin of [THERE.basin, GOING.basin]) {
    await s2.call(`PUT /basins/${basin}`);
    for (const stream of [THERE.stream, GOING.stream]) await s2.call(`PUT /streams/${stream}`, { basin });
    await s2.call(`DELETE /streams/${GOING.stream}`, { basin });
  }
  await s2.call(`DELETE /basins/${GOING.basin}`);
  await s2.call('POST /access-tokens', { body: { id: THERE.id, scope: { ops: ['read'] } } });
  // Only root sees the difference, and it must see one: otherwise there would be nothing to hide.
  const basinThere = await s2.call(`PATCH /basins/${THERE.basin}`, { body: {} });
  expect([basinThere.status, await s2.refusal(`PATCH /basins/${GOING.basin}`, { body: {} })]).toEqual([
    200,
    '409 basin_deletion_pending',
  ]);
  protocols = await openProtocols(port, grpc?.url);
  book = new TokenBook(port, rootToken);
});

afterAll(async () => {
  await protocols.close();
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});

/** A caller without permission for a row, and names that may exist or not without the caller learning of it. */
interface Outsider {
  readonly credential: Credential;
  readonly worlds: readonly Names[];
}

/** The caller lacks what the row needs, or its names are outside the caller's scope. */
async function outsidersOf(row: AccessRow): Promise<readonly Outsider[]> {
  const { needs, about, input, isOtlp = false } = row;
  const all = worlds(about);
  const bearer = (secret: string, names = all): Outsider => ({
    credential: { header: `Bearer ${secret}` },
    worlds: names,
  });
  const elsewhere = { exact: 'elsewhere' };
  // A session may be opened with any append operation, before it says what it appends: its caller may know the stream.
  const enough = input === undefined ? needs : ['append', 'fence', 'trim'];
  const ops = GRANTED_OPERATIONS.filter((one) => !enough.includes(one));
  const outsiders = [{ credential: {}, worlds: all }, bearer('unknown-token'), bearer(await book.token({ ops }))];
  if (about.includes('basin')) outsiders.push(bearer(await book.token({ basins: elsewhere })));
  // The target of OTLP data is in a body that is not read when the basin does not exist; such a caller may know the
  // basin.
  const streams = isOtlp ? worlds(['stream']) : all;
  if (about.includes('stream')) outsiders.push(bearer(await book.token({ streams: elsewhere }), streams));
  if (about.includes('id')) outsiders.push(bearer(await book.token({ access_tokens: elsewhere })));
  return outsiders;
}

/** Every way in which the names may exist or not. */
function worlds(about: AccessRow['about']): readonly Names[] {
  const basins = [THERE, NEVER, GOING].map(({ basin }) => ({ ...THERE, basin }));
  const streams = [THERE, NEVER, GOING].map(({ stream }) => ({ ...THERE, stream }));
  const ids = [THERE, NEVER].map(({ id }) => ({ ...THERE, id }));
  return [
    ...(about.includes('basin') ? basins : []),
    ...(about.includes('stream') ? streams : []),
    ...(about.includes('id') ? ids : []),
  ];
}

const rows = Object.entries(ACCESS_ROWS).filter(([, { about }]) => about.length > 0);

describe.each(rows)('authorization comes before existence on %s', (row, needs) => {
  test.each(formsOf(row))('for %s', async (_form, ask) => {
    for (const { credential, worlds: names } of await outsidersOf(needs)) {
      const responses = names.map(async (names) => {
        const { verdict, said } = await ask({ row, needs, names, credential }, protocols);
        expect(verdict).not.toBe('allowed');
        return said.replaceAll(names.basin, 'BASIN').replaceAll(names.stream, 'STREAM').replaceAll(names.id, 'ID');
      });
      const [first, ...others] = await Promise.all(responses);
      expect(others).toEqual(others.map(() => first));
    }
  });
});
