/** Bytes are found where a search byte by byte finds them, whatever part of them is rare, and however often it is there. */

import { expect, test } from '@jest/globals';
import { NeedleForm } from '../../src/otlp/match/needle-form.ts';
import fc from '../support/fast-check.ts';

/** Few letters: parts of the bytes are often there without the rest. */
const text = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom('a', 'a', 'b'), minLength: 1, maxLength, size: 'max' });

test('a form is found at the same places as by a search for all of it, in one payload after the other', () => {
  let found = 0;
  fc.assert(
    fc.property(text(9), fc.array(text(400), { minLength: 1, maxLength: 4 }), fc.nat(3), (needle, texts, step) => {
      const form = new NeedleForm(Buffer.from(needle));
      for (const one of texts) {
        const payload = Buffer.from(one);
        const search = form.in(payload);
        const [places, expected]: [number[], number[]] = [[], []];
        for (let from = 0; from <= payload.length; from += 1 + step) {
          places.push(search.next(from));
          expected.push(payload.indexOf(needle, from));
        }
        expect(places).toEqual(expected);
        found += places.filter((at) => at >= 0).length;
      }
    }),
    { numRuns: 40 },
  );
  expect(found).toBeGreaterThan(1_000);
});

test('a form is found behind a thousand places where only a part of it is, at the end, and not in a shorter payload', () => {
  const form = new NeedleForm(Buffer.from('payment refused'));
  const payload = Buffer.from(`${'e '.repeat(500)}${'fused '.repeat(1_000)}payment refused`);
  expect(form.in(payload).next(0)).toBe(7_000);
  expect(form.in(payload).next(7_001)).toBe(-1);
  expect(form.in(Buffer.from('fused')).next(0)).toBe(-1);
  expect(form.in(Buffer.from('payment refuse')).next(0)).toBe(-1);
  expect(form.in(Buffer.from('')).next(0)).toBe(-1);
});
