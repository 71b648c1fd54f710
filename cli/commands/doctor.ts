/** `tailrace doctor`: what is wrong between here and a server, with the fix for each finding. */

import type { Command } from 'commander';
import { addJsonOption, type CallOptions } from '../call.ts';
import { examine, type Finding } from '../doctor.ts';
import { addConnectionOptions, connect } from '../flags/connection.ts';
import { openOutput } from '../print/console.ts';
import { type Colors, escapeControls, safeJson } from '../print/format.ts';

const EXAMPLES = `
It asks as other commands would: flags, then the environment, then the context in use, then the server on this machine.
It ends with the code of the first fault, 0 when there is none.

Examples:
  tailrace doctor
  tailrace doctor --endpoint http://collector:4317`;

export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .summary('find out why something does not work')
    .description('Looks whether the server is there, the port right, the token good and the clock close.')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command, 'one JSON object a line')).action((_options, self: Command) =>
    doctor(self.optsWithGlobals<CallOptions>()),
  );
}

async function doctor(options: CallOptions): Promise<void> {
  const connection = connect(options);
  const output = await openOutput(undefined, options);
  let code = 0;
  for await (const finding of examine(connection, Date.now)) {
    if (code === 0) code = finding.code;
    const { check, level, text, fix } = finding;
    const json = { check, level, text, fix: fix ?? null };
    await output.write(`${options.json === true ? safeJson(json) : findingText(finding, output.colors)}\n`);
  }
  await output.end();
  process.exitCode = code;
}

function findingText({ check, level, text, fix }: Finding, colors: Colors): string {
  const paint = { ok: colors.green, warning: colors.yellow, fault: colors.red }[level];
  const line = `${paint(level.padEnd(7))}  ${check.padEnd(6)}  ${escapeControls(text)}`;
  return fix === undefined ? line : `${line}\n                 fix: ${escapeControls(fix)}`;
}
