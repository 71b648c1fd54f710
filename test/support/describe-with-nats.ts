/** Tests that run where nats-server is or can be built, and are skipped with a line elsewhere. */

import { describe } from '@jest/globals';
import { hasNats } from './nats-servers.ts';

export function describeWithNats(title: string, run: () => void): void {
  const isHere = hasNats();
  if (!isHere) {
    const advice = 'set TAILRACE_NATS_SERVER to the program, or install Go, with which it is built';
    process.stderr.write(`skipped "${title}": no nats-server here (${advice})\n`);
  }
  (isHere ? describe : describe.skip)(title, run);
}
