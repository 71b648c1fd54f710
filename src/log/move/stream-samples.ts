/**
 * Samples of what streams stored: rows whose keys begin with the hour. There are few hours, so those of one stream are looked
 * up one by one, and those of all other streams are never read.
 */

import { INTERVAL_SECONDS } from '../../model/usage.ts';
import type { Engine, Entry } from '../../storage/engine.ts';
import { readUsageKey, usageKey, usageRange } from '../../storage/keys.ts';

/** The hours of which there are samples of any stream, in seconds, rising. */
export async function sampledHours(engine: Engine): Promise<readonly number[]> {
  const hours: number[] = [];
  for (let from = 0; ; ) {
    const [first] = await engine.scan({ ...usageRange('streamStorage', [from, 0]), limit: 1, valueBytesMax: 1 });
    if (first === undefined) return hours;
    const [hour] = readUsageKey(first.key);
    hours.push(hour);
    from = hour + INTERVAL_SECONDS.hour;
  }
}

/** The samples of a stream in some hours. */
export async function samplesOf(engine: Engine, stream: number, hours: readonly number[]): Promise<readonly Entry[]> {
  const keys = hours.map((hour) => usageKey('streamStorage', hour, stream));
  const values = await Promise.all(keys.map((key) => engine.get(key)));
  return keys.flatMap((key, at) => {
    const value = values[at];
    return value === undefined ? [] : [{ key, value }];
  });
}
