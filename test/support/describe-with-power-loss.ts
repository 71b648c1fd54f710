/** Tests that run where a disk can lose its power, and are skipped with a line elsewhere. */

import { describe } from '@jest/globals';
import { missingForPowerLoss } from './power-loss-disk.ts';

export function describeWithPowerLoss(title: string, run: () => void): void {
  const missing = missingForPowerLoss();
  if (missing !== undefined) process.stderr.write(`skipped "${title}": ${missing}\n`);
  (missing === undefined ? describe : describe.skip)(title, run);
}
