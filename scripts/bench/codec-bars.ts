/** Runs the in-process measurements of codec.ts, and compares them with the bars S4 and S6. */

import type { CodecResult } from './codec.ts';
import { runScript } from './processes.ts';
import { type BarResult, human, spread } from './report.ts';

export async function codecBars(runs: number): Promise<{ bars: BarResult[]; jsonReference: number }> {
  const result = await runScript<CodecResult>('codec.js', [String(runs)], ['--expose-gc']);
  const ratio = (ours: readonly number[], reference: readonly number[]): number[] =>
    ours.map((value, run) => value / (reference[run] ?? Number.NaN));
  const rate = (values: readonly number[]): string => `${human(spread(values).median)} records/s`;
  const bars: BarResult[] = [
    {
      bar: 'S4',
      what: 'JSON transcoding alone',
      ours: rate(result.transcode),
      reference: `JSON.parse + fromObject + encode: ${rate(result.jsonReference)}`,
      ratio: spread(ratio(result.transcode, result.jsonReference)),
      wanted: ['>=', 3],
    },
    {
      bar: 'S6',
      what: 'full validation and routing',
      ours: rate(result.scan),
      reference: `protobufjs decode: ${rate(result.decode)}`,
      ratio: spread(ratio(result.scan, result.decode)),
      wanted: ['>=', 10],
    },
    {
      bar: 'S6 heap',
      what: 'heap bytes per item over 10,000 items, warm',
      ours: `${result.heapBytesPerItem.toFixed(2)} bytes`,
      reference: '1 byte',
      ratio: spread([result.heapBytesPerItem]),
      wanted: ['<=', 8],
    },
  ];
  return { bars, jsonReference: spread(result.jsonReference).median };
}
