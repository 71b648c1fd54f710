/** What a read of the log gives, as words. */

import type { LogRead } from '../../src/log/open-reads.ts';

/** Up to and with the next time that the reader is level. */
export async function untilLevel(read: LogRead): Promise<string[]> {
  const got: string[] = [];
  while (got.at(-1) !== 'level') got.push(...(await oneEvent(read)));
  return got;
}

/** Records of one stream are their numbers, of many also its name. */
export async function oneEvent(read: LogRead): Promise<string[]> {
  const { value: event } = await read.next();
  if (event === undefined) throw new Error('the read ended');
  if (event.type === 'joined') return event.members.map(({ name, next }) => `${name} from ${next}`);
  if (event.type === 'left') return [`${event.of.name} left: ${event.error.code}`];
  const name = 'of' in event && event.of !== undefined ? `${event.of.name} ` : '';
  if (event.type === 'gap') return [`${name}gap ${event.from}-${event.to}`];
  if (event.type === 'passed') return [`${name}passed ${event.to.seqNum}`];
  if (event.type === 'caught_up') return ['level'];
  const { block, from, to } = event;
  return Array.from({ length: to - from }, (_, i) => `${name}${block.firstSeq + from + i}`);
}

/** So many words at least. */
export async function events(read: LogRead, count: number): Promise<string[]> {
  const got: string[] = [];
  while (got.length < count) got.push(...(await oneEvent(read)));
  return got;
}
