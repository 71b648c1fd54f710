/** `tailrace apply`: makes basins, streams and tokens as a file declares them; a second time it changes nothing. */

import { access, open, rename, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { addDeclaredFlags, type DeclaredFileOptions, planOf, readDeclaredFile } from '../apply/declared-file.ts';
import type { PlanStep } from '../apply/plan.ts';
import { actingSteps, stepJson, stepText, unchangedText } from '../apply/step-text.ts';
import { type CallContext, callServer } from '../call.ts';
import { type AskOptions, confirmed } from '../confirm.ts';
import { counted, escapeControls, safeJson } from '../print/format.ts';

interface ApplyCommandOptions extends DeclaredFileOptions, AskOptions {
  readonly secretsFile?: string;
}

/** Writes the secret of a new token; without a place for it, it is printed once. */
type SecretSink = (token: string, secret: string) => Promise<void>;

const EXAMPLES = `
The file is one that \`tailrace serve --init-file\` takes, and what it does not name is left as it is. + is created,
~ changed, = unchanged, - removed (with --prune, which leaves the default basin and your own token). The whole file
is checked before the first call. The server makes the secrets of new tokens: each goes to its secret_file, else to
--secrets-file, else to stdout, once.

Examples:
  tailrace apply -f declared.yaml --dry-run
  tailrace apply -f declared.yaml
  tailrace apply -f declared.yaml --prune --yes
  tailrace apply -f - < declared.json`;

export function addApply(program: Command): void {
  const command = program
    .command('apply')
    .summary('make basins, streams and tokens as a file declares them')
    .description('Brings the basins, streams and access tokens of a server to what a file declares.')
    .addHelpText('after', EXAMPLES)
    .option('--dry-run', 'show the plan, and change nothing')
    .option('-y, --yes', 'do not ask before something is removed; only a terminal is asked, a script never')
    .option('--secrets-file <file>', 'new file for the secrets of new tokens, one JSON object a line');
  addDeclaredFlags(command).action((_options, self: Command) => apply(self.optsWithGlobals<ApplyCommandOptions>()));
}

async function apply(options: ApplyCommandOptions): Promise<void> {
  const declared = await readDeclaredFile(options.file);
  await callServer(options, {}, async (context) => {
    const steps = await planOf(context, declared, options.prune === true);
    const acting = actingSteps(steps);
    if (options.dryRun === true) await show(context, acting);
    else if (acting.length > 0) await act(context, options, acting);
    if (options.json !== true) context.reporter.note(unchangedText(steps));
  });
}

async function show({ print, output, reporter }: CallContext, steps: readonly PlanStep[]): Promise<void> {
  for (const step of steps) await print({ ...stepJson(step), dry_run: true }, stepText(step, output.colors));
  if (steps.length > 0) reporter.note('nothing is changed: this is what would be done without --dry-run');
}

async function act(context: CallContext, options: ApplyCommandOptions, steps: readonly PlanStep[]): Promise<void> {
  const lost = steps.filter(isLoss);
  if (lost.length > 0) {
    const notes = lost.map((step) => stepText(step));
    const look = async () => ({ text: lossText(lost), notes, json: {} });
    if (!(await confirmed(context, { yes: options.yes === true }, look))) return;
  }
  await expectFreeFiles(steps);
  const sink = await openSink(context, options, steps);
  for (const [i, step] of steps.entries()) {
    let done = i;
    try {
      const secret = await step.run(context.client);
      done = i + 1;
      await context.print({ ...stepJson(step), done: true }, stepText(step, context.output.colors));
      if (secret !== undefined) await keepSecret(step, secret, sink);
    } catch (error) {
      await showUndone(context, options, steps.slice(done));
      if (!(error instanceof TailraceError)) throw error;
      const progress = done === 0 ? 'nothing was changed' : `${done} of ${counted(steps.length, 'step')} done`;
      const message = `${step.kind} ${step.name}: ${error.message} (${progress}; run it again to go on)`;
      throw new TailraceError(error.code, message, { detail: error.detail, cause: error });
    }
  }
}

/** Records or a secret are gone after it. */
function isLoss({ action, token }: PlanStep): boolean {
  return action === 'delete' || (action === 'change' && token !== undefined);
}

function lossText(steps: readonly PlanStep[]): string {
  const removed = (kind: PlanStep['kind']) =>
    steps.filter((step) => step.action === 'delete' && step.kind === kind).length;
  const parts = (['basin', 'stream', 'token'] as const).flatMap((kind) =>
    removed(kind) === 0 ? [] : [counted(removed(kind), kind)],
  );
  const replaced = steps.filter(({ action }) => action === 'change').length;
  return [
    ...(parts.length === 0 ? [] : [`Delete ${parts.join(', ')}, with what they hold`]),
    ...(replaced === 0 ? [] : [`Replace ${counted(replaced, 'token')}, whose secrets stop`]),
  ].join('; ');
}

async function showUndone({ print, reporter }: CallContext, { json }: ApplyCommandOptions, steps: readonly PlanStep[]) {
  if (steps.length === 0) return;
  if (json !== true) reporter.warn('not done:');
  for (const step of steps) {
    if (json === true) await print({ ...stepJson(step), done: false }, '');
    else reporter.warn(`  ${step.kind} ${step.name}`);
  }
}

/** A file that is there may hold the secret of something else. @throws TailraceError `config` */
async function expectFreeFiles(steps: readonly PlanStep[]): Promise<void> {
  for (const { action, name, token } of steps) {
    const file = token?.secretFile;
    if (file === undefined || action !== 'create') continue;
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (!isThere) continue;
    throw new TailraceError(
      'config',
      `the token ${name} is new, and the server makes its secret, but ${file} is there already: remove it, or name another secret_file`,
    );
  }
}

/** Opened before anything is done, so that no secret is made that cannot be kept. @throws TailraceError `config` */
async function openSink(
  { output }: CallContext,
  { secretsFile, json }: ApplyCommandOptions,
  steps: readonly PlanStep[],
): Promise<SecretSink> {
  const isNeeded = steps.some(({ token }) => token !== undefined && token.secretFile === undefined);
  if (secretsFile === undefined || !isNeeded) {
    return (token, secret) =>
      output.write(
        json === true
          ? `${safeJson({ token, secret })}\n`
          : `  the secret of ${escapeControls(token)}, shown once: ${escapeControls(secret)}\n`,
      );
  }
  const file = await open(secretsFile, 'wx', 0o600).catch((cause: unknown) => {
    const why = (cause as Error).message;
    throw new TailraceError('config', `--secrets-file must be a new file: ${why}`, { cause });
  });
  await file.close();
  return (token, secret) => writeFile(secretsFile, `${safeJson({ token, secret })}\n`, { flag: 'a', mode: 0o600 });
}

async function keepSecret({ name, token }: PlanStep, secret: string, sink: SecretSink): Promise<void> {
  const file = token?.secretFile;
  try {
    if (file === undefined) return await sink(name, secret);
    // Whole or not there: the file of a replaced token holds its old secret until then.
    const fresh = `${file}.new`;
    await writeFile(fresh, `${secret}\n`, { flag: 'wx', mode: 0o600 });
    await rename(fresh, file);
  } catch (cause) {
    const why = (cause as Error).message;
    const advice = `it was made, but its secret could not be kept, ${why}: \`tailrace tokens rotate ${name}\` makes another`;
    throw new TailraceError('config', advice, { cause });
  }
}
