/** The values that every version of the transformer writes, and the ids of what they belong to. */

export const STREAM_KEY = 's2.stream';

interface Case {
  readonly values: Readonly<Record<string, unknown>>;
  /** Other signals have no such values. */
  readonly onlyOf?: 'logs';
  /** Strings that are cut within a character are repaired, and the response says so. */
  readonly isRepaired?: boolean;
}

export type CaseName = 'usual' | 'numbers' | 'nested' | 'cut';

export const CASES: Readonly<Record<CaseName, Case>> = {
  usual: {
    values: {
      ...{
        text: 'text',
        empty: '',
        'non-ascii': 'héllo 世界 🌍',
        control: 'a\u0000\u001b\n"\\',
        long: 'x'.repeat(300),
      },
      ...{ yes: true, no: false, zero: 0, one: 1, minus: -1, fraction: 0.1 },
      ...{ texts: ['a', '', 'ü'], numbers: [1, 2.5, -3], booleans: [true, false], none: [] },
      ...{ holes: ['a', null, undefined, 'b'], absent: undefined, nothing: null },
    },
  },
  numbers: {
    values: {
      ...{ 'minus-zero': -0, 'int-32': 2 ** 31, 'int-32-min': -(2 ** 31), 'uint-32': 2 ** 32, safe: 2 ** 53 - 1 },
      ...{ unsafe: 2 ** 53, 'unsafe-min': -(2 ** 53), 'int-64-near': 2 ** 63 - 1_024, 'int-64-min': -(2 ** 63) },
      ...{ 'int-64': 2 ** 63, 'int-64-under': -(2 ** 63) - 2_048, 'uint-64': 2 ** 64, googol: 1e100, billions: 1e21 },
      ...{
        largest: Number.MAX_VALUE,
        lowest: -Number.MAX_VALUE,
        smallest: Number.MIN_VALUE,
        list: [2 ** 64, 1e300, 1],
      },
      ...{ nan: Number.NaN, infinity: Number.POSITIVE_INFINITY, 'minus-infinity': Number.NEGATIVE_INFINITY },
    },
  },
  nested: {
    onlyOf: 'logs',
    values: {
      ...{ bytes: new Uint8Array([0, 255, 128]), 'no-bytes': new Uint8Array(0), 'one-byte': new Uint8Array([7]) },
      ...{ buffer: Buffer.from('buffer'), 'many-bytes': new Uint8Array(300).fill(200) },
      ...{
        map: { nested: { deep: [1, 'two', { three: 3 }] }, '': 'no key' },
        'no-map': {},
        'map-of-nothing': { a: null },
      },
      ...{ 'list-of-lists': [[1], [], [[2]]], 'bytes-in-map': { raw: new Uint8Array([1, 2]) } },
    },
  },
  cut: {
    isRepaired: true,
    values: {
      'half-a-pair': 'cut \ud83d',
      'other-half': '\ude00 cut',
      swapped: '\ude00\ud83d',
      'cut-in-list': ['\ud83d'],
    },
  },
};

/** Ids that base64 and hex write differently, and that no one takes for text. */
export function fixedIds(index: number): { traceId: string; spanId: string; parentSpanId: string } {
  const hex = (seed: number, bytes: number): string =>
    Buffer.from(Array.from({ length: bytes }, (_, at) => (seed * 37 + at * 91 + 0xfb) & 0xff)).toString('hex');
  return { traceId: hex(index, 16), spanId: hex(index + 1, 8), parentSpanId: hex(index + 2, 8) };
}
