/** The grammar of filters: what is read, and what a wrong filter is told. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { FILTER_CHARS_MAX, FILTER_TERMS_MAX } from '../../src/model/limits.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';

function tests(text: string): unknown {
  return parseFilter([text])?.terms.map(({ test, isNegated }) => (isNegated ? { not: test } : test));
}

function refusal(text: string): string {
  try {
    parseFilter([text]);
  } catch (error) {
    if (error instanceof TailraceError && error.code === 'bad_query') return error.message;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

describe('a filter', () => {
  test.each([
    ['level>=warn', [{ field: 'level', levels: ['warn', 'error', 'fatal'] }]],
    ['level<info', [{ field: 'level', levels: ['debug'] }]],
    ['level=error,debug', [{ field: 'level', levels: ['debug', 'error'] }]],
    ['level!=info', [{ not: { field: 'level', levels: ['info'] } }]],
    ['signal=traces', [{ field: 'signal', signal: 'traces' }]],
    ['service=checkout', [{ field: 'service', test: { type: 'equals', text: 'checkout' } }]],
    ['!service=checkout', [{ not: { field: 'service', test: { type: 'equals', text: 'checkout' } } }]],
    ['!service!=checkout', [{ field: 'service', test: { type: 'equals', text: 'checkout' } }]],
    ['trace_id=4BF9', [{ field: 'trace_id', prefix: '4bf9' }]],
    [
      'attr.http.status_code>=500',
      [{ field: 'attr', key: 'http.status_code', test: { type: 'compares', by: '>=', to: 500n } }],
    ],
    ['attr.x<-1.5', [{ field: 'attr', key: 'x', test: { type: 'compares', by: '<', to: -1.5 } }]],
    ['attr."a key"="a value"', [{ field: 'attr', key: 'a key', test: { type: 'equals', text: 'a value' } }]],
    ['resource.host.name~web', [{ field: 'resource', key: 'host.name', test: { type: 'contains', text: 'web' } }]],
    ['body~/time\\/out/i', [{ field: 'body', test: { type: 'matches', pattern: 'time/out', ignoresCase: true } }]],
    ['body=""', [{ field: 'body', test: { type: 'equals', text: '' } }]],
    ['duration>1.5s', [{ field: 'duration', by: '>', nanos: 1.5e9 }]],
    ['timeout', [{ field: 'text', test: { type: 'contains', text: 'timeout' } }]],
    ['"connection refused"', [{ field: 'text', test: { type: 'contains', text: 'connection refused' } }]],
    ['!/a+b/', [{ not: { field: 'text', test: { type: 'matches', pattern: 'a+b', ignoresCase: false } } }]],
  ])('%s is read', (text, expected) => {
    expect(tests(text)).toEqual(expected);
    const canonical = parseFilter([text])?.text ?? '';
    expect(tests(canonical)).toEqual(expected);
    expect(parseFilter([canonical])?.text).toBe(canonical);
  });

  test('conditions are joined, whatever white space is between them, and several texts are one filter', () => {
    expect(tests('  level=warn \n service=a\t')).toEqual([
      ...(tests('level=warn') as []),
      ...(tests('service=a') as []),
    ]);
    expect(parseFilter(['level=warn', '', 'service=a'])?.text).toBe(parseFilter(['level=warn service=a'])?.text);
    expect(parseFilter(['', '  '])).toBeUndefined();
  });

  test.each([
    ['levle>=warn', 'filter, character 1: there is "levle>=warn" where level perhaps, or one of signal, level'],
    ['level>=wran', 'filter, character 8: there is "wran" where one of debug, info, warn, error, fatal is expected'],
    [
      'service=a level',
      'filter, character 16: it ends where an operator, as in level=…; to look for the word, write "level" is expected',
    ],
    ['level:warn', 'filter, character 6: there is ":warn" where an operator, as in level=warn is expected'],
    ['service=', 'filter, character 9: it ends where a value; an empty one is written as "" is expected'],
    ['service>a', 'filter, character 8: there is ">a" where = or ~ after service, which is a text is expected'],
    ['body~"abc', 'filter, character 10: it ends where the " at the end of a text is expected'],
    ['body~/abc', 'filter, character 10: it ends where the / at the end of a regular expression is expected'],
    [
      'duration>5',
      'filter, character 10: there is "5" where a time with its unit, such as 500ms, 1.5s or 2m is expected',
    ],
    [
      'trace_id=xyz',
      'filter, character 10: there is "xyz" where up to 32 hex digits, the beginning of an id is expected',
    ],
    [
      'attr.=1',
      'filter, character 6: there is "=1" where the name of an attribute, as in attr.http.method=GET is expected',
    ],
    ['attr.x>warn', 'filter, character 8: there is "warn" where a number is expected'],
    ['"a"b', 'filter, character 4: there is "b" where white space before the next condition is expected'],
    ['= 5', 'filter, character 1: there is "= 5" where '],
  ])('%s is refused with its place and what was expected', (text, message) => {
    expect(refusal(text)).toContain(message);
  });

  test('its length and its number of conditions are limited', () => {
    const terms = Array.from({ length: FILTER_TERMS_MAX }, () => 'a').join(' ');
    expect(parseFilter([terms])?.terms).toHaveLength(FILTER_TERMS_MAX);
    expect(refusal(`${terms} a`)).toContain(`at most ${FILTER_TERMS_MAX} conditions`);
    expect(parseFilter(['a'.repeat(FILTER_CHARS_MAX)])?.terms).toHaveLength(1);
    expect(refusal('a'.repeat(FILTER_CHARS_MAX + 1))).toContain(`at most ${FILTER_CHARS_MAX} characters`);
  });
});
