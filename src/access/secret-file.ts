/** Files with one secret, which only their owner can read. */

import { chmod, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a secret to a file; durable when it resolves. It is written to another file that is then renamed: no process ever
 * reads half a secret, and the permissions of an older file are not kept.
 */
export async function writeSecret(file: string, secret: string): Promise<void> {
  const fresh = `${file}.new`;
  const handle = await open(fresh, 'w', 0o600);
  try {
    await chmod(fresh, 0o600);
    await handle.writeFile(`${secret}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
  const directory = await open(dirname(file), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
