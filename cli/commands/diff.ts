/** `tailrace diff`: what a server has, against what a file declares; or two files, or two servers. */

import type { Command } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { addDeclaredFlags, type DeclaredFileOptions, planOf, readDeclaredFile } from '../apply/declared-file.ts';
import type { Side } from '../apply/sides.ts';
import { actingSteps, countsText, stepJson, stepText, unchangedText } from '../apply/step-text.ts';
import { type CallContext, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { type Against, type AgainstOptions, findAgainst } from '../flags/against.ts';
import { connect, type ServerConnection } from '../flags/connection.ts';
import { createReporter, openOutput } from '../print/console.ts';
import { safeJson } from '../print/format.ts';

interface DiffOptions extends Omit<DeclaredFileOptions, 'file'>, AgainstOptions {
  readonly file?: string;
}

const EXAMPLES = `
+ would be created, ~ changed, - removed (with --prune). As \`diff\` does it, the command exits with 0 when nothing
differs, and with 1 when something does.

With --against the other side is compared instead of the server: what it would take to make that like the file of -f,
or like the server when there is no -f. Of two files and of two servers everything is compared that either has.

Examples:
  tailrace diff -f declared.yaml
  tailrace diff -f declared.yaml --prune --json
  tailrace diff -f declared.yaml --against before.yaml
  tailrace diff --against https://staging.example:4318 --against-token-file staging.token`;

export function addDiff(program: Command): void {
  const command = program
    .command('diff')
    .summary('compare a server with a file that declares basins, streams and tokens, or with another server')
    .description('Shows what `tailrace apply` with the same file would do, and changes nothing.')
    .addHelpText('after', EXAMPLES);
  addDeclaredFlags(command, 'optional')
    .optionsGroup('The other side:')
    .option('--against <other>', 'another file that declares, the URL of another server, or a context')
    .option('--against-token-file <file>', 'file with the access token for that server');
  command.action((_options, self: Command) => diff(self.optsWithGlobals<DiffOptions>()));
}

async function diff({ file, ...options }: DiffOptions): Promise<void> {
  const against = otherSide(options);
  if (against === undefined) {
    if (file === undefined) throw new TailraceError('config', NO_SIDE);
    await diffFile(file, options);
  } else if (file !== undefined && 'server' in against) {
    await diffFile(file, options, against.server);
  } else {
    await compare(file, against, options);
  }
}

function otherSide(options: DiffOptions): Against | undefined {
  if (options.against !== undefined) return findAgainst(options);
  if (options.againstTokenFile === undefined) return undefined;
  throw new TailraceError('config', '--against-token-file says nothing without --against');
}

/** Of two files, or two servers, or one of each. */
async function compare(file: string | undefined, against: Against, options: DiffOptions): Promise<void> {
  // They check with a library that other commands do not load.
  const [{ compareSides }, { declaredSide, serverSide }] = await Promise.all([
    import('../apply/compare-sides.ts'),
    import('../apply/sides.ts'),
  ]);
  const sideOf = async (side: Against): Promise<Side> =>
    'file' in side ? declaredSide(await readDeclaredFile(side.file)) : serverSide(side.server);
  const base = await sideOf(against);
  const wanted = await sideOf(file === undefined ? { server: connect(options) } : { file });
  const output = await openOutput(undefined, options);
  const counts = { acting: 0, kept: 0 };
  for await (const step of compareSides(base, wanted)) {
    counts[step.action === 'keep' ? 'kept' : 'acting']++;
    if (step.action === 'keep') continue;
    await output.write(`${options.json === true ? safeJson(stepJson(step)) : stepText(step, output.colors)}\n`);
  }
  await output.end();
  if (options.json !== true) createReporter(options).note(countsText(counts.acting, counts.kept));
  if (counts.acting > 0) process.exitCode = EXIT.failure;
}

const NO_SIDE = 'say what to compare with: -f <file> for a file that declares, or --against for another server';

async function diffFile(file: string, options: DiffOptions, server?: ServerConnection): Promise<void> {
  const declared = await readDeclaredFile(file);
  const show = async (context: CallContext): Promise<void> => {
    const steps = await planOf(context, declared, options.prune === true);
    const acting = actingSteps(steps);
    for (const step of acting) await context.print(stepJson(step), stepText(step, context.output.colors));
    if (options.json !== true) context.reporter.note(unchangedText(steps));
    if (acting.length > 0) process.exitCode = EXIT.failure;
  };
  await callServer(options, {}, show, server);
}
