/** What forms say, and how they fail. */

import type { Compared } from './comparison.ts';

export function report(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(`breached: ${what}`);
}

export function countText({ requests, acknowledged, items, streams }: Compared): string {
  const not = requests === acknowledged ? '' : `, ${requests - acknowledged} not acknowledged`;
  return `${items} items of ${requests} requests${not} in ${streams} ${streams === 1 ? 'stream' : 'streams'} are the same`;
}
