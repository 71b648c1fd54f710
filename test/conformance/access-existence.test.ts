/**
 * Authorization comes before existence (S2 API §7.2): whoever may not do something hears the same, to the byte, whether
 * what they name is there, was never there, or is being deleted, on every route and in every form of it.
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

/** All names of a kind are equally long, so that answers are. */
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
  const { url, port } = await server.listen();
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
  protocols = await openProtocols(port);
  book = new TokenBook(port, rootToken);
});

afterAll(async () => {
  await protocols.close();
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});

/** Somebody who may not call a row, and what may be there or not without their hearing of it. */
interface Stranger {
  readonly credential: Credential;
  readonly worlds: readonly Names[];
}

/** They lack what the row needs, or its names are outside of their scope. */
async function strangersTo(row: AccessRow): Promise<readonly Stranger[]> {
  const { needs, about, input, isOtlp = false } = row;
  const all = worlds(about);
  const bearer = (secret: string, names = all): Stranger => ({
    credential: { header: `Bearer ${secret}` },
    worlds: names,
  });
  const elsewhere = { exact: 'elsewhere' };
  // A session is opened by whoever may append anything, before it says what: they may know the stream.
  const enough = input === undefined ? needs : ['append', 'fence', 'trim'];
  const ops = GRANTED_OPERATIONS.filter((one) => !enough.includes(one));
  const strangers = [{ credential: {}, worlds: all }, bearer('nobody'), bearer(await book.token({ ops }))];
  if (about.includes('basin')) strangers.push(bearer(await book.token({ basins: elsewhere })));
  // Where the data goes stands in a body that is not read for a basin that is not there, and may be known to be.
  const streams = isOtlp ? worlds(['stream']) : all;
  if (about.includes('stream')) strangers.push(bearer(await book.token({ streams: elsewhere }), streams));
  if (about.includes('id')) strangers.push(bearer(await book.token({ access_tokens: elsewhere })));
  return strangers;
}

/** Every way in which names may be those of something. */
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

describe.each(rows)('%s', (row, needs) => {
  test.each(formsOf(row))('%s', async (_form, ask) => {
    for (const { credential, worlds: names } of await strangersTo(needs)) {
      const heard = names.map(async (names) => {
        const { verdict, said } = await ask({ row, needs, names, credential }, protocols);
        expect(verdict).not.toBe('allowed');
        return said.replaceAll(names.basin, 'BASIN').replaceAll(names.stream, 'STREAM').replaceAll(names.id, 'ID');
      });
      const [first, ...others] = await Promise.all(heard);
      expect(others).toEqual(others.map(() => first));
    }
  });
});
