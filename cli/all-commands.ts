/** Every command, in groups, in the order of the help. Loading them all takes longer than most of them run. */

import type { Command } from 'commander';
import { addLeads } from './lead-on.ts';

/** Adds a command to the program. */
type Add = (program: Command) => void;

const GROUPS: Readonly<Record<string, Readonly<Record<string, () => Promise<Add>>>>> = {
  'Records:': {
    tail: async () => (await import('./commands/tail.ts')).addTail,
    read: async () => (await import('./commands/read.ts')).addRead,
    append: async () => (await import('./commands/append.ts')).addAppend,
    send: async () => (await import('./commands/send.ts')).addSend,
    run: async () => (await import('./commands/run.ts')).addRun,
    'check-tail': async () => (await import('./commands/check-tail.ts')).addCheckTail,
    fence: async () => (await import('./commands/fence.ts')).addFence,
    trim: async () => (await import('./commands/trim.ts')).addTrim,
  },
  'Basins and streams:': {
    ls: async () => (await import('./commands/ls.ts')).addLs,
    basins: async () => (await import('./commands/basins.ts')).addBasins,
    streams: async () => (await import('./commands/streams.ts')).addStreams,
    metrics: async () => (await import('./commands/metrics.ts')).addMetrics,
    senders: async () => (await import('./commands/senders.ts')).addSenders,
    top: async () => (await import('./commands/top.ts')).addTop,
  },
  'Access:': {
    tokens: async () => (await import('./commands/tokens.ts')).addTokens,
    whoami: async () => (await import('./commands/whoami.ts')).addWhoami,
    context: async () => (await import('./commands/context.ts')).addContext,
    'root-token': async () => (await import('./commands/root-token.ts')).addRootToken,
  },
  'Maintenance:': {
    backup: async () => (await import('./commands/backup.ts')).addBackup,
    restore: async () => (await import('./commands/restore.ts')).addRestore,
    verify: async () => (await import('./commands/verify.ts')).addVerify,
    compact: async () => (await import('./commands/compact.ts')).addCompact,
    clock: async () => (await import('./commands/clock.ts')).addClock,
    doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
  },
};

/** Adds only the command that the first argument names; without such a name all of them, for the help and suggestions. */
export async function addCommands(program: Command, args: readonly string[]): Promise<void> {
  const [asked = ''] = args;
  program.commandsGroup('Server:');
  const serve = program.command('serve').summary('start the server');
  // The settings of the server take longer to load than all other commands.
  if (args.includes('serve')) (await import('./commands/serve.ts')).addServe(serve);
  const isKnown = asked === 'serve' || Object.values(GROUPS).some((commands) => Object.hasOwn(commands, asked));
  for (const [title, commands] of Object.entries(GROUPS)) {
    program.commandsGroup(title);
    for (const [name, load] of Object.entries(commands)) {
      if (!isKnown || name === asked) (await load())(program);
    }
  }
  addLeads(program, args, isKnown);
}
