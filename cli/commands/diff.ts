/** `tailrace diff`: what a server has, against what a file declares. */

import type { Command } from 'commander';
import { addDeclaredFlags, type DeclaredFileOptions, planOf, readDeclaredFile } from '../apply/declared-file.ts';
import { actingSteps, stepJson, stepText, unchangedText } from '../apply/step-text.ts';
import { callServer } from '../call.ts';
import { EXIT } from '../exit.ts';

const EXAMPLES = `
+ would be created, ~ changed, - removed (with --prune). As \`diff\` does it, the command exits with 0 when nothing
differs, and with 1 when something does.

Examples:
  tailrace diff -f declared.yaml
  tailrace diff -f declared.yaml --prune --json`;

export function addDiff(program: Command): void {
  const command = program
    .command('diff')
    .summary('compare a server with a file that declares basins, streams and tokens')
    .description('Shows what `tailrace apply` with the same file would do, and changes nothing.')
    .addHelpText('after', EXAMPLES);
  addDeclaredFlags(command).action((_options, self: Command) => diff(self.optsWithGlobals<DeclaredFileOptions>()));
}

async function diff(options: DeclaredFileOptions): Promise<void> {
  const declared = await readDeclaredFile(options.file);
  await callServer(options, {}, async (context) => {
    const steps = await planOf(context, declared, options.prune === true);
    const acting = actingSteps(steps);
    for (const step of acting) await context.print(stepJson(step), stepText(step, context.output.colors));
    if (options.json !== true) context.reporter.note(unchangedText(steps));
    if (acting.length > 0) process.exitCode = EXIT.failure;
  });
}
