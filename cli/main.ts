#!/usr/bin/env node
/** The command line: wiring only. Each verb is a file in commands/. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { TailraceError } from '../src/model/error.ts';
import { masked } from '../src/observe/masked.ts';
import { addAppend } from './commands/append.ts';
import { addBackup } from './commands/backup.ts';
import { addBasins } from './commands/basins.ts';
import { addCheckTail } from './commands/check-tail.ts';
import { addClock } from './commands/clock.ts';
import { addCompact } from './commands/compact.ts';
import { addContext } from './commands/context.ts';
import { addDoctor } from './commands/doctor.ts';
import { addFence } from './commands/fence.ts';
import { addLs } from './commands/ls.ts';
import { addMetrics } from './commands/metrics.ts';
import { addRead } from './commands/read.ts';
import { addRestore } from './commands/restore.ts';
import { addRootToken } from './commands/root-token.ts';
import { addSend } from './commands/send.ts';
import { addStreams } from './commands/streams.ts';
import { addTail } from './commands/tail.ts';
import { addTokens } from './commands/tokens.ts';
import { addTrim } from './commands/trim.ts';
import { addVerify } from './commands/verify.ts';
import { addWhoami } from './commands/whoami.ts';
import { createTalk, endWithPipe } from './console.ts';
import { EXIT, EXIT_CODES } from './exit.ts';

const EXAMPLES = `
Examples:
  tailrace serve                            start the server on ./data
  tailrace send log "hello" --stream my-app
  tailrace tail my-app
  tailrace <command> --help                 more about a command, with examples`;

/** What S2's own command line calls things: whoever comes from there is shown the way. */
const S2_COMMANDS: ReadonlyMap<string, string> = new Map([
  ['list-basins', 'basins list'],
  ['create-basin', 'basins create'],
  ['delete-basin', 'basins delete'],
  ['get-basin-config', 'basins get'],
  ['reconfigure-basin', 'basins reconfigure'],
  ['list-streams', 'streams list'],
  ['create-stream', 'streams create'],
  ['delete-stream', 'streams delete'],
  ['get-stream-config', 'streams get'],
  ['reconfigure-stream', 'streams reconfigure'],
  ['list-access-tokens', 'tokens list'],
  ['issue-access-token', 'tokens issue'],
  ['revoke-access-token', 'tokens revoke'],
  ['get-account-metrics', 'metrics'],
  ['get-basin-metrics', 'metrics'],
  ['get-stream-metrics', 'metrics'],
]);

const program = new Command('tailrace')
  .description(
    'Takes OpenTelemetry data in, keeps it as ordered durable streams, and lets readers replay and follow them.',
  )
  .version(version(), '-V, --version')
  .addOption(new Option('--color <when>', 'colours in the output').choices(['auto', 'always', 'never']).default('auto'))
  .option('-q, --quiet', 'say nothing on stderr but errors and warnings')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(tailrace --help shows what there is)')
  .addHelpText('after', EXAMPLES)
  // What commander complains about may be a secret behind a flag that there is not; such output is often kept.
  .configureOutput({ writeErr: (text) => void process.stderr.write(masked(text)) })
  .exitOverride();
program.hook('preAction', (_program, command) => {
  if (command.opts().token === undefined) return;
  createTalk({}).warn(
    'tailrace: --token shows in `ps` to everybody on this machine: use TAILRACE_TOKEN or --token-file',
  );
});
program.commandsGroup('Server:');
const serve = program.command('serve').summary('start the server');
// What the server needs for its settings takes longer to load than most other commands take.
if (process.argv.includes('serve')) (await import('./commands/serve.ts')).addServe(serve);
program.commandsGroup('Records:');
for (const add of [addTail, addRead, addAppend, addSend, addCheckTail, addFence, addTrim]) add(program);
program.commandsGroup('Basins and streams:');
for (const add of [addLs, addBasins, addStreams, addMetrics]) add(program);
program.commandsGroup('Access:');
for (const add of [addTokens, addWhoami, addContext, addRootToken]) add(program);
program.commandsGroup('Upkeep:');
for (const add of [addBackup, addRestore, addVerify, addCompact, addClock, addDoctor]) add(program);

endWithPipe();
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Says what went wrong, once, and answers how to end. */
function report(error: unknown): number {
  // Commander has said it already; help and version come this way too, with 0.
  const talk = createTalk(program.opts());
  if (error instanceof CommanderError) {
    const ours = error.code === 'commander.unknownCommand' ? S2_COMMANDS.get(program.args[0] ?? '') : undefined;
    if (ours !== undefined) talk.warn(`here it is \`tailrace ${ours}\``);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (!(error instanceof TailraceError)) {
    talk.error(`tailrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.failure;
  }
  talk.error(`tailrace: ${error.message}`);
  return EXIT_CODES[error.code];
}

/** The package is two folders up from dist/cli/main.js. */
function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
