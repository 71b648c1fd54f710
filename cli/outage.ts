/** What a user is told of lost connections: they come back by themselves, and nothing is lost. */

import type { TailraceError } from '../src/model/error.ts';
import type { Reporter } from './print/console.ts';

/** One line when a connection is lost and one when it is back, however many attempts lie between. */
export class Outage {
  readonly #reporter: Reporter;
  #lasts = false;

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  begins(cause: TailraceError): void {
    if (!this.#lasts) this.#reporter.note(`connection lost, trying again: ${cause.message}`);
    this.#lasts = true;
  }

  ends(): void {
    if (this.#lasts) this.#reporter.note('connected again, going on where it stopped');
    this.#lasts = false;
  }
}
