/** Arbitrary filters, as text, for requests of `socket-arbitraries.ts`. */

import { SIGNALS } from '../../src/model/record.ts';
import fc from './fast-check.ts';

/** What such requests often hold, and what they hardly ever do. */
const word = fc.constantFrom(
  '',
  '1',
  'service.name',
  '__proto__',
  '"}\n',
  '\ufeff',
  'constructor',
  '\u001b[31m',
  'true',
  '0',
);
const textOperator = fc.constantFrom('=', '!=', '~', '!~');
const comparison = fc.constantFrom('<', '<=', '>', '>=');
const numeral = fc.oneof(
  fc.double({ noNaN: true }).map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
);
const quotedWord = word.map((text) => JSON.stringify(text));
const pattern = fc.constantFrom('/^$/', '/[a-f]/i', '/\\d+/', '/^[^x]{1,3}$/', '/true|false/', '/(a|b)*c/');
const textCondition = fc.oneof(
  fc.tuple(textOperator, quotedWord).map((parts) => parts.join('')),
  pattern.map((regex) => `~${regex}`),
);
const valueCondition = fc.oneof(
  textCondition,
  fc.tuple(comparison, numeral).map((parts) => parts.join('')),
);
const condition = fc
  .oneof(
    fc.tuple(
      fc.constantFrom('level'),
      fc.constantFrom('=', '!=', '<', '<=', '>', '>='),
      fc.constantFrom('debug', 'info', 'warn', 'error', 'fatal'),
    ),
    fc.tuple(fc.constantFrom('signal'), fc.constantFrom('=', '!='), fc.constantFrom(...SIGNALS)),
    fc.tuple(fc.constantFrom('status'), fc.constantFrom('=', '!='), fc.constantFrom('unset', 'ok', 'error')),
    fc.tuple(
      fc.constantFrom('trace_id', 'span_id', 'parent_span_id'),
      fc.constantFrom('=', '!='),
      fc.constantFrom('0', 'a', '00', 'f1', '123'),
    ),
    fc.tuple(fc.constantFrom('duration'), comparison, fc.constantFrom('0ns', '1s', '1.5h')),
    fc.tuple(fc.constantFrom('service', 'name', 'scope', 'text'), textCondition),
    fc.tuple(fc.constantFrom('body'), valueCondition),
    fc.tuple(
      fc.constantFrom('attr.', 'resource.', 'scope.'),
      quotedWord.filter((key) => key !== '""'),
      valueCondition,
    ),
  )
  .map((parts) => parts.join(''));
/** Some conditions, each of which may be turned round. */
export const filterText = fc
  .array(
    fc.tuple(fc.constantFrom('', '', '!'), condition).map((parts) => parts.join('')),
    { minLength: 1, maxLength: 3 },
  )
  .map((all) => all.join(' '));
