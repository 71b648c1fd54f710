/**
 * Every route of the table, in every form, with every kind of credential. A route without a row fails, and so does a
 * row without a route; a form without a place does not compile (test/support/access-forms.ts). A call counts as allowed
 * when the status is not 401 or 403: other tests check the responses themselves.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { READER_PROTOCOLS } from '../../src/log/observer.ts';
import { GRANTED_OPERATIONS } from '../../src/model/operation.ts';
import { type Caller, callersFor, callersOf, MINE, NAMES_PREFIX, TokenBook } from '../support/access-callers.ts';
import { formsOf, openProtocols, type Protocols } from '../support/access-forms.ts';
import { ACCESS_ROWS, type Names, routeTargets, targetOf } from '../support/access-rows.ts';
import { startServer, type TestServer } from '../support/server.ts';

const CREATES = { create_stream_on_append: true, create_stream_on_read: true };

let server: TestServer;
let protocols: Protocols;
let book: TokenBook;
let callers: readonly Caller[];
let calls = 0;

beforeAll(async () => {
  server = await startServer();
  protocols = await openProtocols(server.port, server.grpcUrl);
  book = new TokenBook(server.port, server.token);
  await book.control('PUT', `/v1/basins/${MINE}`, { config: CREATES });
  callers = await callersOf(book);
});

afterAll(async () => {
  await protocols.close();
  await server.stop();
});

test('every route has a row, and every row a route', () => {
  expect([...new Set(Object.keys(ACCESS_ROWS).map(targetOf))].sort()).toEqual([...routeTargets()].sort());
});

test('every way to read has a form in the matrix', () => {
  const forms = formsOf('GET /v1/streams/{stream}/records').map(([name]) => name.split(' ')[0]);
  expect([...new Set(forms)].sort()).toEqual(READER_PROTOCOLS.filter((protocol) => protocol !== 'library').sort());
});

test('every operation opens a route', () => {
  const opened = Object.values(ACCESS_ROWS).flatMap(({ needs }) => (typeof needs === 'string' ? [] : needs));
  expect([...new Set(opened)].sort()).toEqual([...GRANTED_OPERATIONS].sort());
});

describe.each(Object.entries(ACCESS_ROWS))('callers of %s', (row, needs) => {
  test.each(formsOf(row))('get the expected verdict for %s', async (form, ask) => {
    const all = [...callers, ...(await callersFor(book, needs))];
    const verdicts = all.map(async (caller) => {
      const { verdict } = await ask(
        { row, needs, names: namesFor(row), credential: await caller.credential() },
        protocols,
      );
      return [caller.name, verdict] as const;
    });
    const expected = all.map((caller) => [caller.name, caller.verdict(row, needs, form)] as const);
    expect(Object.fromEntries(await Promise.all(verdicts))).toEqual(Object.fromEntries(expected));
  });
});

/** Each call has names of its own, so that what one changes or deletes does not affect the others. */
function namesFor(row: string): Names {
  const name = `${NAMES_PREFIX}${calls++}`;
  const basin = row.endsWith('/v1/basins/{basin}') ? `${MINE}-${calls}` : MINE;
  return { basin, stream: name, id: name };
}
