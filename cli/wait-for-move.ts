/** Waits until a basin is in another partition, and shows how far its move is. */

import type { Client } from '../src/client/client.ts';
import type { ClusterMoveJson } from '../src/client/cluster.ts';
import { pause } from '../src/client/on-abort.ts';
import { asTailraceError, TailraceError } from '../src/model/error.ts';
import { EXIT, EXIT_CODES } from './exit.ts';
import type { Progress } from './print/progress.ts';

/** A move that has begun. */
export interface BegunMove {
  readonly basin: string;
  readonly to: number;
}

export interface EndedMove {
  /** Where the basin is now. */
  readonly partition: number;
  /** Why it was given up, where that was seen. */
  readonly problem: string | null;
}

const POLL_MS = 250;
/** While another node takes over, nothing answers for some seconds. */
const UNANSWERED_MS_MAX = 60_000;

const PHASES: Readonly<Record<ClusterMoveJson['phase'], string>> = {
  copying: 'copying',
  sealed: 'sealed, copying the rest',
  dropping: 'moved',
  aborting: 'giving up',
};

/**
 * Resolves when the basin is in its new partition, or the move was given up. It does not need this command to go on.
 * @throws TailraceError when no node says for a minute how far it is, and `aborted` by the signal
 */
export async function waitForMove(
  client: Pick<Client, 'cluster'>,
  { basin, to }: BegunMove,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<EndedMove> {
  let problem: string | null = null;
  let answeredAt = performance.now();
  for (;;) {
    const cluster = await client.cluster({ placeOf: basin, signal }).catch((thrown: unknown) => {
      const error = asTailraceError(thrown);
      const isOver = EXIT_CODES[error.code] !== EXIT.temporary || performance.now() - answeredAt > UNANSWERED_MS_MAX;
      if (isOver) throw error;
      return undefined;
    });
    if (cluster !== undefined) {
      answeredAt = performance.now();
      const move = cluster.moves.find((one) => one.basin === basin);
      const partition = cluster.place?.partition ?? undefined;
      if (partition === to) return { partition, problem: null };
      if (move === undefined && partition !== undefined) return { partition, problem };
      if (move !== undefined) {
        problem = move.problem;
        show(move, progress);
      }
    }
    await pause(POLL_MS, signal);
    if (signal.aborted) throw new TailraceError('aborted', 'interrupted');
  }
}

function show({ basin, phase, copied_bytes: copied, problem }: ClusterMoveJson, progress: Progress): void {
  progress.about(problem === null ? `${basin}: ${PHASES[phase]}` : `${basin}: ${problem}`);
  progress.at(copied);
}
