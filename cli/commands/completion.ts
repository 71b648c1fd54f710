/** `tailrace completion bash|zsh|fish`: the script with which a shell completes the words of this program. */

import { Argument, type Command } from 'commander';
import { INSTALL, SCRIPTS, SHELLS, type Shell } from '../complete/scripts.ts';
import { openOutput, type ReporterOptions } from '../print/console.ts';

const EXAMPLES = `
It completes commands, flags and their values, and the names of basins, streams, tokens, contexts and files; names come
from the server that the command would call, within a second.

To install it for yourself:
${SHELLS.map((shell) => `  ${INSTALL[shell]}`).join('\n')}

Examples:
  source <(tailrace completion bash)        for this shell only
  tailrace completion zsh
  tailrace completion fish | source`;

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .summary('print the script that completes words in a shell')
    .description('Prints the script with which bash, zsh or fish completes what you type after tailrace.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', EXAMPLES)
    .action((shell: Shell, _options, self: Command) => completion(shell, self.optsWithGlobals<ReporterOptions>()));
}

async function completion(shell: Shell, options: ReporterOptions): Promise<void> {
  const output = await openOutput(undefined, options);
  await output.write(SCRIPTS[shell]);
  await output.end();
}
