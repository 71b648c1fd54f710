/** Starts the seams server: Tailrace with replaced parts, for faults that no flag can cause. */

import { fileURLToPath } from 'node:url';
import { type ServerSetup, startServer, type TestServer } from './server.ts';

export interface SeamsSetup extends Omit<ServerSetup, 'main'> {
  /** Acknowledges when positions are assigned, before the transaction is handed to the engine. */
  readonly earlyAck?: boolean;
  /** Writes the secrets of callers to its log, or into its store. */
  readonly leak?: 'log' | 'row';
  /** How many times faster than the clock its time runs. */
  readonly haste?: number;
}

/** `SIGUSR2` trims every stream to its tail. */
export function startSeamsServer({ earlyAck = false, leak, haste, ...setup }: SeamsSetup): Promise<TestServer> {
  const faults = {
    ...(earlyAck ? { SEAMS_EARLY_ACK: '1' } : {}),
    ...(leak === undefined ? {} : { SEAMS_LEAK: leak }),
    ...(haste === undefined ? {} : { SEAMS_HASTE: String(haste) }),
  };
  const env = { ...setup.env, ...faults };
  return startServer({ ...setup, env, main: fileURLToPath(new URL('./seams-server.mjs', import.meta.url)) });
}
