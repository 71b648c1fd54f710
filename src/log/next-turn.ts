/** For long loops over stored data: they wait for nothing, so they must let other work run in between. */

/** Resolves when everything else that is ready has run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
