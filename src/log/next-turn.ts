/** Turns of the event loop, for those that wait for nothing else: long loops over stored data let other work run in between. */

/** Resolves when everything else that is ready has run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Whether a promise has not settled when everything else that is ready has run. */
export function isLate(promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const turn = setImmediate(resolve, true);
    const onSettled = (): void => {
      clearImmediate(turn);
      resolve(false);
    };
    promise.then(onSettled, onSettled);
  });
}
