/**
 * Those who look at several rows of the store, and the one who writes, take turns: a look sees all of a transaction or
 * nothing of it. A write that waits goes before the looks that come later, so neither side waits for long.
 */

/** Lives as long as its log. */
export class StoreTurns {
  #looks = 0;
  #writing: Promise<void> | undefined;
  #onQuiet = (): void => {};

  /** Must not be called within another look. */
  async look<T>(act: () => Promise<T>): Promise<T> {
    while (this.#writing !== undefined) await this.#writing;
    this.#looks++;
    try {
      return await act();
    } finally {
      this.#looks--;
      if (this.#looks === 0) this.#onQuiet();
    }
  }

  /** One after the other, each when the one before is over. */
  async write(act: () => Promise<void>): Promise<void> {
    let end = (): void => {};
    this.#writing = new Promise((resolve) => {
      end = resolve;
    });
    try {
      if (this.#looks > 0) {
        await new Promise<void>((resolve) => {
          this.#onQuiet = resolve;
        });
      }
      await act();
    } finally {
      this.#writing = undefined;
      end();
    }
  }
}
