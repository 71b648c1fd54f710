/** The reads that are under way: how many by protocol, what they get, and how far they are behind. */

import type { LogObserver, ReaderProtocol } from './observer.ts';
import type { ReadEvent } from './read.ts';
import type { OpenStream } from './stream.ts';

interface OpenRead {
  readonly stream: OpenStream;
  readonly protocol: ReaderProtocol;
  /** The next record that it gets. */
  position: number;
}

export interface ReadsStat {
  readonly byProtocol: ReadonlyMap<ReaderProtocol, number>;
  /** Records that the one farthest behind has not been given yet. */
  readonly lagRecordsMax: number;
}

export interface OpenReadsDeps {
  readonly observer: LogObserver;
  /** Notes a fault of ours; answers the error. */
  onFault(error: unknown): unknown;
}

export class OpenReads {
  readonly #deps: OpenReadsDeps;
  readonly #reads = new Set<OpenRead>();

  constructor(deps: OpenReadsDeps) {
    this.#deps = deps;
  }

  /** Hands the events of a read on. It counts as open from the first time that one is asked for. */
  begin(
    stream: OpenStream,
    protocol: ReaderProtocol,
    position: number,
    events: AsyncIterable<ReadEvent>,
  ): AsyncGenerator<ReadEvent> {
    this.#deps.observer.readBegan(stream, protocol);
    return this.#run({ stream, protocol, position }, events);
  }

  /** Looks at every open read. */
  stat(): ReadsStat {
    const byProtocol = new Map<ReaderProtocol, number>();
    let lagRecordsMax = 0;
    for (const { stream, protocol, position } of this.#reads) {
      byProtocol.set(protocol, (byProtocol.get(protocol) ?? 0) + 1);
      lagRecordsMax = Math.max(lagRecordsMax, stream.durable.nextSeq - position);
    }
    return { byProtocol, lagRecordsMax };
  }

  async *#run(read: OpenRead, events: AsyncIterable<ReadEvent>): AsyncGenerator<ReadEvent> {
    const { stream } = read;
    const { observer, onFault } = this.#deps;
    stream.readers++;
    this.#reads.add(read);
    try {
      for await (const event of events) {
        if (event.type === 'records') {
          const { block, from, to } = event;
          read.position = block.firstSeq + to;
          observer.read(stream, to - from, meteredBytesOf(event));
        } else if (event.type === 'gap') {
          read.position = event.to;
        }
        yield event;
      }
    } catch (error) {
      throw onFault(error);
    } finally {
      stream.readers--;
      this.#reads.delete(read);
    }
  }
}

function meteredBytesOf({ block, from, to }: ReadEvent & { readonly type: 'records' }): number {
  if (from === 0 && to === block.header.count) return block.header.meteredBytes;
  let bytes = 0;
  for (let i = from; i < to; i++) bytes += block.meteredBytesOf(i);
  return bytes;
}
