/** What a node that follows does not have may only not have come yet. */

import { type ErrorCode, TailraceError } from '../../model/error.ts';

/** Applies all that the log of the cluster holds now. @throws TailraceError `unavailable` when it does not answer */
export type CatchUp = () => Promise<void>;

/**
 * Before a read begins: what was acknowledged by then is in it. One that ends at the tail is refused where that is not known;
 * one that goes on begins with what is here. @throws TailraceError `unavailable`
 */
export async function catchUpFirst(catchUp: CatchUp | undefined, goesOn: boolean): Promise<void> {
  try {
    await catchUp?.();
  } catch (error) {
    if (!goesOn) throw error;
  }
}

const MAY_BE_LATE: ReadonlySet<ErrorCode> = new Set([
  ...(['stream_not_found', 'stream_deletion_pending', 'basin_deletion_pending', 'range_not_satisfiable'] as const),
]);

/** Looks once more after catching up; where there is nothing to catch up with, an error is one at once. */
export async function lookAgain<T>(look: () => Promise<T>, catchUp: CatchUp | undefined): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (catchUp === undefined || !(error instanceof TailraceError) || !MAY_BE_LATE.has(error.code)) throw error;
    await catchUp();
    return look();
  }
}
