/** An engine that keeps deletions pending: the background work does not find them while they are held. */

import type { Engine, ScanOptions } from '../../src/storage/engine.ts';
import { pendingRange } from '../../src/storage/keys.ts';

export class HeldDeletions {
  isHeld = true;

  readonly wrap = (engine: Engine): Engine => {
    const kinds = (['basinDeletion', 'streamDeletion'] as const).map((kind) => Buffer.from(pendingRange(kind).from));
    const isPending = ({ from }: ScanOptions): boolean => kinds.some((one) => one.equals(from.subarray(0, one.length)));
    return new Proxy(engine, {
      get: (target, name) => {
        if (name === 'scan')
          return async (scan: ScanOptions) => (this.isHeld && isPending(scan) ? [] : target.scan(scan));
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
}
