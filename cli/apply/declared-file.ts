/** The file of `apply` and `diff`: what it declares, checked before a server is called. */

import path from 'node:path';
import type { Command } from 'commander';
import type { Declared } from '../../src/init/parse-init.ts';
import { addJsonOption, type CallContext, type CommandOptions } from '../call.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import type { PlanStep } from './plan.ts';

export interface DeclaredFileOptions extends CommandOptions {
  readonly file: string;
  readonly prune?: boolean;
}

/** Adds the flags that both commands have. */
export function addDeclaredFlags(command: Command, need: 'required' | 'optional' = 'required'): Command {
  const file = ['-f, --file <file>', 'YAML or JSON file that declares basins, streams and tokens; - is stdin'] as const;
  if (need === 'required') command.requiredOption(...file);
  else command.option(...file);
  command.option('--prune', 'also what the server has and the lists of the file do not name: - in front of it');
  addJsonOption(command, 'one JSON object a line');
  return addConnectionOptions(command);
}

/**
 * Reads and checks the whole file.
 * @throws TailraceError `config` with the line and column of each fault
 */
export async function readDeclaredFile(file: string): Promise<Declared> {
  // They check with a library that other commands do not load.
  const [{ pathIn, readDeclared }, { documentRefusal, readDocument, STDIN }] = await Promise.all([
    import('../../src/init/parse-init.ts'),
    import('../../src/settings/text-document.ts'),
  ]);
  const document = await readDocument(file);
  const folder = file === STDIN ? process.cwd() : path.dirname(path.resolve(file));
  const faults: string[] = [];
  const declared = readDeclared(document.value ?? {}, { folder, secretFiles: 'optional' }, faults);
  if (declared !== undefined && faults.length === 0) return declared;
  throw documentRefusal(faults.map((fault) => `${document.place(pathIn(fault))}: ${fault}`));
}

/** What has to be done to get from what the server has to what is declared. */
export async function planOf(
  { client }: CallContext,
  declared: Declared,
  prune: boolean,
): Promise<readonly PlanStep[]> {
  const { makePlan } = await import('./plan.ts');
  return makePlan(client, declared, prune);
}
