/** Names that users of other tools type: each is refused with the command that does it here. */

import type { Command } from 'commander';
import { TailraceError } from '../src/model/error.ts';

/** The commands of S2's own command line, and what people call ours. */
const COMMANDS: Readonly<Record<string, string>> = {
  'list-basins': 'basins list',
  'create-basin': 'basins create',
  'delete-basin': 'basins delete',
  'get-basin-config': 'basins get',
  'reconfigure-basin': 'basins reconfigure',
  'list-streams': 'streams list',
  'create-stream': 'streams create',
  'delete-stream': 'streams delete',
  'get-stream-config': 'streams get',
  'reconfigure-stream': 'streams reconfigure',
  'list-access-tokens': 'tokens list',
  'issue-access-token': 'tokens issue',
  'revoke-access-token': 'tokens revoke',
  'get-account-metrics': 'metrics',
  'get-basin-metrics': 'metrics',
  'get-stream-metrics': 'metrics',
  log: 'tail <stream>',
  follow: 'tail <stream>',
  watch: 'tail <stream>',
  cat: 'read <stream> -s 0 --no-follow',
  get: 'streams get <stream>',
  describe: 'streams get <stream>',
  list: 'ls',
  create: 'streams create <stream>',
  delete: 'streams delete <stream>` or `tailrace basins delete <basin>',
  del: 'streams delete <stream>` or `tailrace basins delete <basin>',
  rm: 'streams delete <stream>` or `tailrace basins delete <basin>',
  remove: 'streams delete <stream>` or `tailrace basins delete <basin>',
  check: 'check-tail <stream>` or `tailrace doctor',
  'tail-check': 'check-tail <stream>',
  write: 'append <stream>',
  put: 'append <stream>',
  publish: 'append <stream>',
  journalctl: 'tail <stream>',
  stern: 'tail <stream>',
  ps: 'streams list',
  inspect: 'streams get <stream>',
  token: 'tokens',
  stream: 'streams',
  basin: 'basins',
  contexts: 'context list',
  use: 'context use <name>',
  exec: 'run -- <command>',
  start: 'serve',
  server: 'serve',
  status: 'doctor',
  benchmark: 'bench',
  login: 'context add <name> --endpoint <url>',
};

/** What people call the verbs of `basins`, `streams`, `tokens` and `context`. */
const VERBS: Readonly<Record<string, readonly string[]>> = {
  delete: ['rm', 'remove', 'del', 'drop'],
  remove: ['rm', 'delete', 'del'],
  revoke: ['rm', 'remove', 'del', 'delete'],
  list: ['ls'],
  get: ['show', 'describe', 'config'],
  create: ['new', 'add', 'make'],
  issue: ['new', 'add', 'create', 'make'],
  add: ['new', 'create', 'set'],
  reconfigure: ['update', 'set', 'configure', 'edit'],
  use: ['switch', 'select'],
};

/**
 * Adds the names that lead on, none of which the help shows: all of verbs, and of commands those among the arguments,
 * when they begin with none of ours.
 */
export function addLeads(program: Command, args: readonly string[], isKnown: boolean): void {
  for (const group of program.commands) addVerbLeads(group);
  if (isKnown) return;
  for (const [name, ours] of Object.entries(COMMANDS)) if (args.includes(name)) addLead(program, name, ours);
}

/** The end of the message about wrong flags and arguments: the help of the very command. */
export function nameHelp(command: Command, path = command.name()): void {
  const what = command.commands.length > 0 ? 'lists the commands' : 'lists its options';
  command.showHelpAfterError(`(${path} --help ${what})`);
  for (const inner of command.commands) nameHelp(inner, `${path} ${inner.name()}`);
}

function addVerbLeads(group: Command): void {
  const verbs = new Set(group.commands.map((verb) => verb.name()));
  for (const verb of [...verbs]) {
    for (const name of VERBS[verb] ?? []) {
      if (!verbs.has(name)) addLead(group, name, `${group.name()} ${verb}`);
      verbs.add(name);
    }
  }
}

function addLead(parent: Command, name: string, ours: string): void {
  if (parent.commands.some((command) => command.name() === name)) return;
  parent
    .command(name, { hidden: true })
    .argument('[arguments...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(() => {
      throw new TailraceError('config', `there is no command ${JSON.stringify(name)}: here it is \`tailrace ${ours}\``);
    });
}
