/** What the policy of a basin takes out of any legal request is what protobufjs finds there, and nothing else changes. */

import { expect, test } from '@jest/globals';
import { changedPolicy } from '../../src/model/otlp-policy.ts';
import type { Signal } from '../../src/model/record.ts';
import { rewriteRequest } from '../../src/otlp/policy/rewrite-request.ts';
import { contentRules } from '../../src/otlp/policy/rewriter.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import fc from '../support/fast-check.ts';
import { type OracleItem, oracle, requestBytes } from '../support/otlp-wire.ts';
import { shareOf } from '../support/share-of.ts';

const LIMITS = { requestRecordsMax: 1_000 };

async function rewritten(signal: Signal, body: Uint8Array, dropAttributes: readonly string[]) {
  const rules = contentRules(changedPolicy(undefined, { dropAttributes }));
  if (rules === undefined) throw new Error('the policy asks for nothing');
  return rewriteRequest(scanRequest(signal, body, LIMITS), rules);
}

/** Without all attributes, wherever they are; those inside values are no attributes. */
function stripped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripped);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const fields = Object.entries(value).filter(
    ([name]) => !['attributes', 'filteredAttributes', 'metadata'].includes(name),
  );
  return Object.fromEntries(fields.map(([name, field]) => [name, stripped(field)]));
}

const contents = (items: readonly OracleItem[]) =>
  items.map(({ resource, scope, item }) => ({ resource, scope, item }));

test.each(['logs', 'traces', 'metrics'] as const)('all attributes of %s go and nothing else', async (signal) => {
  await fc.assert(
    fc.asyncProperty(requestBytes(signal), async (body) => {
      const before = contents(oracle(signal, body));
      const { body: after } = await rewritten(signal, body, ['*']);
      const expected = before.map(stripped);
      expect(contents(oracle(signal, after ?? body)).map(stripped)).toEqual(expected);
      expect(JSON.stringify(contents(oracle(signal, after ?? body)))).not.toMatch(
        /"(attributes|filteredAttributes|metadata)":\[\{/,
      );
    }),
    { numRuns: shareOf(300) },
  );
});

test.each(['logs', 'traces', 'metrics'] as const)('%s in which nothing is to go are not copied', async (signal) => {
  await fc.assert(
    fc.asyncProperty(requestBytes(signal), async (body) => {
      expect(await rewritten(signal, body, ['no-such-key'])).toEqual({
        body: undefined,
        rejected: [],
        changes: new Map(),
      });
    }),
    { numRuns: shareOf(100) },
  );
});
