/**
 * Which numbers the partitions of a cluster give to their basins and streams: no two give the same, so a basin keeps its
 * numbers when it moves, and the rows of all partitions together are those of one store.
 */

const NUMBERS_EACH = 2 ** 40;

/** The numbers of a partition begin after this one. */
export function partitionNumbers(partition: number): number {
  return partition * NUMBERS_EACH;
}

/** The partition that gives a number. */
export function partitionOfNumber(number: number): number {
  return Math.floor((number - 1) / NUMBERS_EACH);
}
