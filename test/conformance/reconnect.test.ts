/** Readers of every protocol whose connections are cut at random; `npm run torture -- reconnect` is the long form. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readThroughCuts } from '../../scripts/torture/reconnect/reconnect.ts';
import { startServer, type TestServer } from '../support/server.ts';

const ROUNDS = 120;

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

test('readers whose connections are cut end with exactly the records, and one that does not resume is noticed', async () => {
  const { port, token } = server;
  const plan = { port, token, seed: 7, bytesMax: 40_000, goOn: (round: number) => round < ROUNDS };
  const { cuts, breaches, controlBreaches } = await readThroughCuts(plan);
  expect(breaches).toEqual([]);
  expect(controlBreaches).not.toEqual([]);
  expect(cuts).toBeGreaterThan(15);
});
