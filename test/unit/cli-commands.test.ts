/** A single command is loaded alone, and it must be the same command that the help lists. */

import { expect, test } from '@jest/globals';
import { Command } from 'commander';
import { addCommands } from '../../cli/all-commands.ts';

async function commandsFor(...args: readonly string[]): Promise<readonly Command[]> {
  const program = new Command('tailrace');
  await addCommands(program, args);
  return program.commands.filter((command) => command.name() !== 'serve');
}

test('each command loads alone, exactly as it is among all commands', async () => {
  const all = await commandsFor('help');
  expect(all.length).toBeGreaterThan(15);
  for (const command of all) {
    const alone = await commandsFor(command.name(), '--help');
    expect(alone.map((one) => one.helpInformation())).toEqual([command.helpInformation()]);
  }
});

test.each([{ args: [] }, { args: ['--color', 'never', 'read'] }, { args: ['raed'] }, { args: ['constructor'] }])(
  'all commands are loaded for $args',
  async ({ args }) => {
    expect(await commandsFor(...args)).toHaveLength((await commandsFor('help')).length);
  },
);

test('the server loads no other command', async () => {
  expect(await commandsFor('serve')).toEqual([]);
});
