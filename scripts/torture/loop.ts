/**
 * The event loop never stands still for long: the longest turn by processor time while the server gets the worst legal
 * requests that are known, each alone and many at once.
 */

import { ATTACKS } from './loop-attacks.ts';
import { S2_ATTACKS } from './loop-s2-attacks.ts';
import { startProbedServer } from './probed-server.ts';

/** A turn takes no more processor time, whatever is legal. */
const TURN_MS_MAX = 200;
const PLANTED_MS = 300;

export async function run(): Promise<void> {
  const only = process.argv[3];
  const failed: string[] = [];
  const server = await startProbedServer();
  try {
    await server.plant(PLANTED_MS);
    const planted = await server.worstTurnMs();
    process.stdout.write(`${String(planted).padStart(6)} ms  planted: ${PLANTED_MS} ms\n`);
    if (planted < PLANTED_MS) throw new Error('the probe does not find a planted turn');
    for (const attack of [...ATTACKS, ...S2_ATTACKS]) {
      if (only !== undefined && !attack.name.includes(only)) continue;
      const shoot = await attack.prepare(server);
      await server.worstTurnMs();
      await shoot();
      const alone = await server.worstTurnMs();
      // Requests that a flood of them pushes out are no failure here.
      await Promise.allSettled(Array.from({ length: attack.together }, shoot));
      const together = await server.worstTurnMs();
      const line = `${attack.name}: ${alone} ms alone, ${together} ms with ${attack.together} at once`;
      process.stdout.write(`${line}\n`);
      if (Math.max(alone, together) > TURN_MS_MAX) failed.push(line);
    }
  } finally {
    await server.stop();
  }
  if (failed.length > 0) throw new Error(`turns of more than ${TURN_MS_MAX} ms:\n  ${failed.join('\n  ')}`);
}
