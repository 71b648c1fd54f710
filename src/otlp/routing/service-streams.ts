/** Which services of a request have a stream of their name: looked up once for each name, where it is not in memory. */

import { streamNameFault } from '../../model/names.ts';

/** What looking up takes. */
export interface ServiceStreamsOptions {
  /** Whether a stream exists; a promise when the store has to be asked. */
  hasStream(name: string): boolean | Promise<boolean>;
  /** A stream that the caller may not append to is as good as missing, so it cannot be found out either. */
  readonly mayAppend?: ((stream: string) => boolean) | undefined;
}

export class ServiceStreams {
  readonly #options: ServiceStreamsOptions;
  readonly #known = new Map<string, boolean>();
  #pending: Promise<void> | undefined;

  constructor(options: ServiceStreamsOptions) {
    this.#options = options;
  }

  /** The look-up that is under way; await it and ask again. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  /** Whether a service has a stream of its own; undefined while that is {@link pending}. */
  has(service: string): boolean | undefined {
    const known = this.#known.get(service);
    if (known !== undefined) return known;
    const found = this.#isCandidate(service) && this.#options.hasStream(service);
    if (typeof found === 'boolean') {
      this.#known.set(service, found);
      return found;
    }
    this.#pending = found.then((exists) => {
      this.#known.set(service, exists);
      this.#pending = undefined;
    });
    return undefined;
  }

  #isCandidate(service: string): boolean {
    return streamNameFault(service) === undefined && this.#options.mayAppend?.(service) !== false;
  }
}
