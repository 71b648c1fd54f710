/** The flags of `tailrace bench`: what is refused before anything is done, and what is just within its limit. */

import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { addBench } from '../../cli/commands/bench.ts';

/** Nothing listens there: what gets so far was taken. */
const NOWHERE = ['--endpoint', 'http://127.0.0.1:1', '-q'];

async function outcomeOf(args: string): Promise<string> {
  const program = new Command('tailrace').exitOverride().option('-q, --quiet');
  addBench(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  try {
    await program.parseAsync(['bench', ...args.split(' '), ...NOWHERE], { from: 'user' });
  } catch (error) {
    return (error as Error).message;
  }
  return 'done';
}

describe('flags of bench', () => {
  const wrong: readonly [args: string, says: string][] = [
    ['--mode tail', 'either append or otlp'],
    ['--mode append,otlp', 'either append or otlp'],
    ['--mode append,tails', 'some of append, otlp, tail, catchup'],
    ['--duration 0s', 'longer than nothing and at most 12h'],
    ['--duration 43201s', 'longer than nothing and at most 12h'],
    ['--record-size 63', 'from 64 bytes to 1MiB'],
    ['--record-size 1048577', 'from 64 bytes to 1MiB'],
    ['--mode otlp --record-size 1047553', 'at most 1047552 bytes'],
    ['--batch 0', 'from 1 to 1000'],
    ['--batch 1001', 'from 1 to 1000'],
    ['--batch 2 --record-size 524289', 'at most 1 fit into one append'],
    ['--connections 0', 'from 1 to 100'],
    ['--connections 101', 'from 1 to 100'],
    ['--rate 0', 'more than 0'],
    ['--rate x', 'It must be a number'],
    ['s2://x', 'basin name must be 8 to 48'],
  ];

  test.each(wrong)('that are wrong are refused before a server is called: %s', async (args, says) => {
    expect(await outcomeOf(args)).toContain(says);
  });

  const right = [
    '--duration 12h --record-size 64 --batch 1000',
    '--record-size 1MiB --batch 1 --connections 100',
    '--batch 2 --record-size 524288 --rate 0.001',
    '--mode otlp,tail,catchup --record-size 1047552',
    's2://telemetry/below/',
  ];

  test.each(right)('at the limit are taken: %s', async (args) => {
    expect(await outcomeOf(args)).toContain('cannot reach http://127.0.0.1:1');
  });
});
