/** The JSON body of an append: what is accepted, to the bit, and what is refused with which code. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import type { AppendInput } from '../../src/s2/append/input.ts';
import { parseAppendJson } from '../../src/s2/append/json.ts';

const parse = (text: string, format: 'raw' | 'base64' = 'raw') => parseAppendJson(Buffer.from(text), format);

/** In a form that tests compare: bytes as base64. */
function plain({ records, ...conditions }: AppendInput) {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const rows = records.map(({ body, headers, timestamp }) => ({
    body: text(body),
    headers: headers.map((pair) => pair.map(text)),
    timestamp,
  }));
  return { records: rows, ...conditions };
}

const b64 = (text: string) => Buffer.from(text).toString('base64');
const bodyOf = (json: string) => Buffer.from(parse(`{"records":[{"body":${json}}]}`).records[0]?.body ?? []);

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'no error';
  } catch (error) {
    return error instanceof TailraceError ? error.code : `not a TailraceError: ${error}`;
  }
}

describe('a JSON batch is accepted', () => {
  test('with everything at once, and white space at any place', () => {
    const text = ` {\t"records" : [ { "body" : "a" , "headers" : [ [ "k" , "v" ] , ["k",""] ] , "timestamp" : 7 } ,\r\n {} ] ,
      "match_seq_num" : 0 , "fencing_token" : "" } `;
    expect(plain(parse(text))).toEqual({
      records: [
        {
          body: b64('a'),
          headers: [
            [b64('k'), b64('v')],
            [b64('k'), ''],
          ],
          timestamp: 7,
        },
        { body: '', headers: [], timestamp: undefined },
      ],
      matchSeqNum: 0,
      fencingToken: '',
    });
  });

  test('with conditions that are null or absent, which are no conditions', () => {
    expect(parse('{"records":[]}')).toEqual({ records: [] });
    expect(parse('{"records":[],"match_seq_num":null,"fencing_token":null}')).toEqual({ records: [] });
    expect(parse('{"records":[{"timestamp":null}]}').records[0]?.timestamp).toBeUndefined();
  });

  test.each([
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', Number.MAX_SAFE_INTEGER],
    ['9007199254740993', Number.MAX_SAFE_INTEGER],
    ['18446744073709551615', Number.MAX_SAFE_INTEGER],
    ['1234567890123456', 1_234_567_890_123_456],
  ])('with match_seq_num %s', (text, value) => {
    expect(parse(`{"records":[],"match_seq_num":${text}}`).matchSeqNum).toBe(value);
  });

  test('with escapes, and text of every length in UTF-8', () => {
    expect(bodyOf('"\\"\\\\\\/\\b\\f\\n\\r\\t"').toString()).toBe('"\\/\b\f\n\r\t');
    expect(bodyOf('"\\u00e9\\ud83d\\ude00\\u0000"').toString()).toBe('é\u{1f600}\0');
    expect(bodyOf('"aé日\u{1f600}\u007f\u2028"').toString()).toBe('aé日\u{1f600}\u007f\u2028');
    expect(bodyOf('"x\\ny"').toString()).toBe('x\ny');
  });

  test('without a copy: a body without escapes is a view of the given bytes', () => {
    const bytes = Buffer.from('{"records":[{"body":"plain"}]}');
    const body = parseAppendJson(bytes, 'raw').records[0]?.body;
    expect(body?.buffer).toBe(bytes.buffer);
  });

  test('with base64 of every length, in each part of a header', () => {
    const text =
      '{"records":[{"body":""},{"body":"AA=="},{"body":"AP8="},{"body":"AP\\/+","headers":[["","ZmVuY2U="]]}]}';
    expect(plain(parse(text, 'base64')).records).toEqual([
      { body: '', headers: [], timestamp: undefined },
      { body: 'AA==', headers: [], timestamp: undefined },
      { body: 'AP8=', headers: [], timestamp: undefined },
      { body: 'AP/+', headers: [['', 'ZmVuY2U=']], timestamp: undefined },
    ]);
  });

  test('with unknown fields of any kind, also when their names look like known ones', () => {
    const junk =
      '{"a":[1,-0.5e+3,true,false,null,"\\u0041",{},[],[[]],{"records":{"body":7}}],"b":{"c":{"d":[{}]}},"":0}';
    const text = `{"x":${junk},"records":[{"x":${junk},"body":"b","Body":1,"records":[]}],"y":"z"}`;
    expect(plain(parse(text)).records).toEqual([{ body: b64('b'), headers: [], timestamp: undefined }]);
    expect(parse('{"records":[],"__proto__":{"matchSeqNum":1},"toString":2}')).toEqual({ records: [] });
  });

  test('with a repeated field, of which the last one counts', () => {
    const text =
      '{"records":[{"body":"1"}],"match_seq_num":1,"records":[{"body":"2","body":"3"}],"match_seq_num":null}';
    expect(plain(parse(text))).toEqual({ records: [{ body: b64('3'), headers: [], timestamp: undefined }] });
    expect(parse('{"records":[{"body":"1"}],"rec\\u006frds":[]}').records).toEqual([]);
  });

  test.each([50_000, 1_000_000])('with %i levels of nesting in an unknown field, without using the stack', (depth) => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const text = `{"deep":${open.repeat(depth)}0${close.repeat(depth)},"records":[{"body":"b"}]}`;
      expect(parse(text).records).toHaveLength(1);
    }
  });
});

describe('a JSON batch is refused as bad JSON', () => {
  const record = (fields: string) => `{"records":[{${fields}}]}`;
  test.each([
    ['nothing', ''],
    ['white space', '  '],
    ['no object', '[]'],
    ['null', 'null'],
    ['a string', '"records"'],
    ['no records', '{}'],
    ['records null', '{"records":null}'],
    ['records an object', '{"records":{}}'],
    ['a record that is null', '{"records":[null]}'],
    ['a record that is an array', '{"records":[[]]}'],
    ['text after the object', '{"records":[]} x'],
    ['two of them', '{"records":[]}{"records":[]}'],
    ['a trailing comma', '{"records":[],}'],
    ['a trailing comma in an array', '{"records":[{},]}'],
    ['a missing comma', '{"records":[{} {}]}'],
    ['a missing colon', '{"records" []}'],
    ['an unquoted name', '{records:[]}'],
    ['a comment', '{"records":[] /* none */}'],
    ['single quotes', "{'records':[]}"],
    ['an end in the middle', '{"records":[{"body":"a'],
    ['an end after a backslash', '{"records":[{"body":"a\\'],
    ['body null', record('"body":null')],
    ['body a number', record('"body":1')],
    ['headers null', record('"headers":null')],
    ['headers an object', record('"headers":{}')],
    ['a header of no parts', record('"headers":[[]]')],
    ['a header of one part', record('"headers":[["a"]]')],
    ['a header of three parts', record('"headers":[["a","b","c"]]')],
    ['a header value null', record('"headers":[["a",null]]')],
    ['a header that is a string', record('"headers":["a"]')],
    ['a timestamp as text', record('"timestamp":"1"')],
    ['a timestamp below 0', record('"timestamp":-1')],
    ['a timestamp of minus 0', record('"timestamp":-0')],
    ['a timestamp with a fraction', record('"timestamp":1.0')],
    ['a timestamp with an exponent', record('"timestamp":1e3')],
    ['a timestamp with a leading 0', record('"timestamp":01')],
    ['a timestamp beyond 64 bits', record('"timestamp":18446744073709551616')],
    ['a timestamp far beyond 64 bits', record('"timestamp":111111111111111111111')],
    ['a timestamp that is a bool', record('"timestamp":true')],
    ['match_seq_num as text', '{"records":[],"match_seq_num":"1"}'],
    ['match_seq_num with a fraction', '{"records":[],"match_seq_num":9007199254740993.0}'],
    ['match_seq_num beyond 64 bits', '{"records":[],"match_seq_num":18446744073709551616}'],
    ['fencing_token a number', '{"records":[],"fencing_token":1}'],
    ['a control character in a string', record('"body":"a\nb"')],
    ['an unknown escape', record('"body":"\\x"')],
    ['half an escape', record('"body":"\\u12g4"')],
    ['a first half of a pair alone', record('"body":"\\ud800"')],
    ['a second half of a pair alone', record('"body":"\\udc00 "')],
    ['nonsense in an unknown field', '{"x":nope,"records":[]}'],
    ['a half number in an unknown field', '{"x":1.,"records":[]}'],
    ['an empty exponent in an unknown field', '{"x":1e,"records":[]}'],
    ['a lone minus in an unknown field', '{"x":-,"records":[]}'],
    ['brackets that cross', '{"x":[{]},"records":[]}'],
    ['an unclosed unknown field', '{"x":[[[[1]]]'],
    ['a byte order mark', '\ufeff{"records":[]}'],
  ])('for %s', (_what, text) => {
    expect(codeOf(() => parse(text))).toBe('bad_json');
  });

  test('for bytes that are not UTF-8', () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      const body = Buffer.concat([Buffer.from('{"records":[{"body":"'), Buffer.from(bytes), Buffer.from('"}]}')]);
      expect(codeOf(() => parseAppendJson(body, 'raw'))).toBe('bad_json');
    }
  });

  test('for a wrong type before a wrong value, at any place', () => {
    expect(codeOf(() => parse('{"records":[{"body":"*"},{"body":1}]}', 'base64'))).toBe('bad_json');
    expect(codeOf(() => parse('{"records":[{"timestamp":18446744073709551615}],"match_seq_num":-1}'))).toBe('bad_json');
  });
});

describe('a JSON batch is refused as invalid', () => {
  test.each(['A', 'AA', 'AAA', 'AA=', 'AB==', 'AA==\\n', ' AA==', 'A_8=', 'A-8=', 'AA==AA==', '====', 'é'])(
    'for base64 %s',
    (text) => {
      expect(codeOf(() => parse(`{"records":[{"body":"${text}"}]}`, 'base64'))).toBe('invalid');
      expect(codeOf(() => parse(`{"records":[{"headers":[["${text}",""]]}]}`, 'base64'))).toBe('invalid');
      expect(codeOf(() => parse(`{"records":[{"headers":[["","${text}"]]}]}`, 'base64'))).toBe('invalid');
    },
  );

  test.each(['9007199254740992', '18446744073709551615'])('for a timestamp of %s', (text) => {
    expect(() => parse(`{"records":[{"timestamp":${text}}]}`)).toThrow(/record timestamp must not exceed/);
    expect(codeOf(() => parse(`{"records":[{"timestamp":${text}}]}`))).toBe('invalid');
    expect(parse('{"records":[{"timestamp":9007199254740991}]}').records[0]?.timestamp).toBe(2 ** 53 - 1);
  });
});
