/** Headers as JSON, byte by byte, compared with what JSON.stringify and Buffer make of the same bytes. */

import { expect, test } from '@jest/globals';
import { JsonText } from '../../src/s2/batch/json-text.ts';
import fc from '../support/fast-check.ts';

const awkward = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => new Uint8Array(Buffer.from(text))),
  // Beginnings of characters, overlong forms, surrogates and what is beyond the last character.
  fc
    .array(
      fc.constantFrom(0x22, 0x5c, 0x7f, 0x80, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f, 0xf5),
    )
    .map((bytes) => Uint8Array.from(bytes)),
);

test.each(['raw', 'base64'] as const)('%s: pairs are as JSON.stringify writes them', (format) => {
  const string = (bytes: Uint8Array): string => Buffer.from(bytes).toString(format === 'raw' ? 'utf8' : 'base64');
  const out = new JsonText(format);
  fc.assert(
    fc.property(fc.array(fc.tuple(awkward, awkward), { maxLength: 5 }), (pairs) => {
      out.begin();
      for (const [name, value] of pairs) {
        const bytes = Buffer.concat([Buffer.of(0), name, value]);
        out.pair(bytes, 1, 1 + name.length, bytes.length);
      }
      const expected = pairs.map(([name, value]) => `,${JSON.stringify([string(name), string(value)])}`).join('');
      expect(out.text()).toBe(expected);
    }),
  );
});
