/** Whoever asks for one command gets that one alone, and it must be the very one that stands in the help. */

import { expect, test } from '@jest/globals';
import { Command } from 'commander';
import { addCommands } from '../../cli/all-commands.ts';

async function commandsFor(...args: readonly string[]): Promise<readonly Command[]> {
  const program = new Command('tailrace');
  await addCommands(program, args);
  return program.commands.filter((command) => command.name() !== 'serve');
}

test('each command loads alone, as it is among all', async () => {
  const all = await commandsFor('help');
  expect(all.length).toBeGreaterThan(15);
  for (const command of all) {
    const alone = await commandsFor(command.name(), '--help');
    expect(alone.map((one) => one.helpInformation())).toEqual([command.helpInformation()]);
  }
});

test.each([{ args: [] }, { args: ['--color', 'never', 'read'] }, { args: ['raed'] }, { args: ['constructor'] }])(
  'all are there for $args',
  async ({ args }) => {
    expect(await commandsFor(...args)).toHaveLength((await commandsFor('help')).length);
  },
);

test('the server needs no other', async () => {
  expect(await commandsFor('serve')).toEqual([]);
});
