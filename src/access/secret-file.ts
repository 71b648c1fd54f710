/** Files with one secret: written for their owner alone. */

import { chmod, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Puts a secret into a file; durable when it resolves. Written beside and renamed: nobody ever reads half a secret, and a
 * file of others' rights is never kept.
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
