/** The key of encrypted streams: from a file or the environment, never from an argument, which shows in `ps`. */

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { TailraceError } from '../../src/model/error.ts';

export interface KeyOptions {
  readonly encryptionKeyFile?: string;
}

const VARIABLE = 'TAILRACE_ENCRYPTION_KEY';
const KEY_BYTES = 32;

/** Adds the flag that names the file. */
export function addKeyOption(command: Command): Command {
  return command.option(
    '--encryption-key-file <file>',
    `file with the base64 key of an encrypted stream (${VARIABLE})`,
  );
}

/**
 * The key, if there is one: base64 of 32 bytes.
 * @throws TailraceError `config` when it cannot be read or is not a key; the message never repeats it
 */
export function encryptionKey(options: KeyOptions, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const file = options.encryptionKeyFile;
  const text = file === undefined ? env[VARIABLE] : readKey(file);
  if (text === undefined || (text === '' && file === undefined)) return undefined;
  const key = text.trim();
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length === KEY_BYTES && bytes.toString('base64') === key) return key;
  throw new TailraceError(
    'config',
    `the encryption key in ${file ?? VARIABLE} is not the base64 of ${KEY_BYTES} bytes: \`openssl rand -base64 32\` makes one`,
  );
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new TailraceError('config', `cannot read the encryption key: ${(cause as Error).message}`, { cause });
  }
}
