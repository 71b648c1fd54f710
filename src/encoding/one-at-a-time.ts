/** What must not overlap: each act begins when those that were asked for before it are over, also where one of them failed. */
export class OneAtATime {
  #last: Promise<void> = Promise.resolve();

  run<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.then(
      () => {},
      () => {},
    );
    return done;
  }
}
