/** Every command, in groups, in the order of the help. Loading them all takes longer than most of them run. */

import type { Command } from 'commander';
import { addLeads } from './lead-on.ts';

/** Adds a command to the program. */
type Add = (program: Command) => void;

const GROUPS: Readonly<Record<string, Readonly<Record<string, () => Promise<Add>>>>> = {
  'Records:': {
    tail: async () => (await import('./commands/tail.ts')).addTail,
    read: async () => (await import('./commands/read.ts')).addRead,
    trace: async () => (await import('./commands/trace.ts')).addTrace,
    show: async () => (await import('./commands/show.ts')).addShow,
    append: async () => (await import('./commands/append.ts')).addAppend,
    send: async () => (await import('./commands/send.ts')).addSend,
    run: async () => (await import('./commands/run.ts')).addRun,
    'check-tail': async () => (await import('./commands/check-tail.ts')).addCheckTail,
    fence: async () => (await import('./commands/fence.ts')).addFence,
    trim: async () => (await import('./commands/trim.ts')).addTrim,
  },
  'Moving data:': {
    export: async () => (await import('./commands/export.ts')).addExport,
    import: async () => (await import('./commands/import.ts')).addImport,
    replay: async () => (await import('./commands/replay.ts')).addReplay,
  },
  'Basins and streams:': {
    ls: async () => (await import('./commands/ls.ts')).addLs,
    basins: async () => (await import('./commands/basins.ts')).addBasins,
    streams: async () => (await import('./commands/streams.ts')).addStreams,
    stat: async () => (await import('./commands/stat.ts')).addStat,
    metrics: async () => (await import('./commands/metrics.ts')).addMetrics,
    senders: async () => (await import('./commands/senders.ts')).addSenders,
    apply: async () => (await import('./commands/apply.ts')).addApply,
    diff: async () => (await import('./commands/diff.ts')).addDiff,
    top: async () => (await import('./commands/top.ts')).addTop,
    open: async () => (await import('./commands/open.ts')).addOpen,
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
    config: async () => (await import('./commands/config.ts')).addConfig,
    cluster: async () => (await import('./commands/cluster.ts')).addCluster,
    clock: async () => (await import('./commands/clock.ts')).addClock,
    ping: async () => (await import('./commands/ping.ts')).addPing,
    doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
    bench: async () => (await import('./commands/bench.ts')).addBench,
  },
  'This program:': {
    completion: async () => (await import('./commands/completion.ts')).addCompletion,
    version: async () => (await import('./commands/version.ts')).addVersion,
  },
};

/** What is answered without any command. */
const VERSION_FLAGS = ['-V', '--version'];

/** Adds only the command that the first argument names; without such a name all of them, for the help and suggestions. */
export async function addCommands(program: Command, args: readonly string[]): Promise<void> {
  const [asked = ''] = args;
  program.commandsGroup('Server:');
  const serve = program.command('serve').summary('start the server');
  // The settings of the server take longer to load than all other commands.
  if (args.includes('serve')) (await import('./commands/serve.ts')).addServe(serve);
  const isKnown =
    asked === 'serve' ||
    VERSION_FLAGS.includes(asked) ||
    Object.values(GROUPS).some((commands) => Object.hasOwn(commands, asked));
  for (const [title, commands] of Object.entries(GROUPS)) {
    program.commandsGroup(title);
    for (const [name, load] of Object.entries(commands)) {
      if (!isKnown || name === asked) (await load())(program);
    }
  }
  if (args.includes('config')) await addServerFlags(program);
  addLeads(program, args, isKnown);
}

/** `config print` takes the flags of a server, which take long to load. */
async function addServerFlags(program: Command): Promise<void> {
  const print = program.commands
    .find((command) => command.name() === 'config')
    ?.commands.find((verb) => verb.name() === 'print');
  if (print !== undefined) (await import('./flags/settings.ts')).addSettingFlags(print);
}
