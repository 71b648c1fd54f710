/** Long walks over what is stored never wait for anything by themselves: they must let others have their turn. */

/** Resolves when everything else that is ready has run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
