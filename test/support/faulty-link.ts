/** A link to NATS that loses and delays messages, and hides stored ones, as a test says. */

import { unavailable } from '../../src/model/error.ts';
import type {
  ApiAnswer,
  NatsLink,
  NatsMessage,
  NatsSendOptions,
} from '../../src/storage/replicated/nats-connection.ts';

/** What happens to the next request of a subject; in each case its sender gets no answer. */
export type LinkFault = 'request-lost' | 'answer-lost' | 'delayed';

export class FaultyLink implements NatsLink {
  readonly #link: NatsLink;
  readonly #faults: { readonly subject: string; readonly fault: LinkFault }[] = [];
  #delayed: (() => Promise<unknown>)[] = [];

  /** Sequences that the nearest copy does not have. */
  readonly hiddenFromNearest = new Set<number>();
  /** Sequences that the copy that leads does not have. */
  readonly hiddenFromLeader = new Set<number>();
  /** Messages sent without an answer that are lost; each that is lost takes one. */
  publishesLost = 0;
  /** Headers that are not sent. */
  readonly headersLost = new Set<string>();
  /** What JetStream's API was asked. */
  readonly calls: string[] = [];

  constructor(link: NatsLink) {
    this.#link = link;
  }

  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  failNext(subject: string, ...faults: readonly LinkFault[]): void {
    this.#faults.push(...faults.map((fault) => ({ subject, fault })));
  }

  /** What was delayed arrives now. */
  async deliverDelayed(): Promise<void> {
    const arriving = this.#delayed;
    this.#delayed = [];
    await Promise.all(arriving.map((arrive) => arrive()));
  }

  async request(subject: string, payload: Uint8Array, options?: NatsSendOptions): Promise<NatsMessage> {
    const index = this.#faults.findIndex((fault) => fault.subject === subject);
    const [fault] = index < 0 ? [] : this.#faults.splice(index, 1);
    const copy = payload.slice();
    const send = () => this.#link.request(subject, copy, this.#sent(options));
    if (fault === undefined) return send();
    if (fault.fault === 'answer-lost') await send();
    if (fault.fault === 'delayed') this.#delayed.push(send);
    throw unavailable('the test took the answer');
  }

  async api(call: string, body?: Readonly<Record<string, unknown>>): Promise<ApiAnswer> {
    this.calls.push(call);
    if (typeof body?.seq === 'number' && call.startsWith('STREAM.MSG.GET.') && this.hiddenFromLeader.has(body.seq)) {
      return { type: 'refused', errCode: 10_037 };
    }
    return this.#link.api(call, body);
  }

  publish(subject: string, payload: Uint8Array, options?: NatsSendOptions): void {
    if (this.publishesLost > 0) this.publishesLost--;
    else this.#link.publish(subject, payload, this.#sent(options));
  }

  requestMany(subject: string, payload: Uint8Array, take: (message: NatsMessage) => boolean): Promise<void> {
    return this.#link.requestMany(subject, payload, (message) => {
      const isHidden = this.hiddenFromNearest.has(Number(message.header('Nats-Sequence')));
      return isHidden ? false : take(message);
    });
  }

  subscribe(subject: string, listener: (message: NatsMessage) => void): () => void {
    return this.#link.subscribe(subject, listener);
  }

  pause(ms: number): Promise<void> {
    return this.#link.pause(ms);
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  #sent(options: NatsSendOptions = {}): NatsSendOptions {
    const { headers = {}, ...others } = options;
    const left = Object.entries(headers).filter(([name]) => !this.headersLost.has(name));
    return { ...others, headers: Object.fromEntries(left) };
  }
}
