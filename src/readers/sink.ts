/** Where the frames of a live reader go: a WebSocket, or the body of an HTTP response. */

import type { TailraceError } from '../model/error.ts';
import type { Frame } from './wire.ts';

export interface Sink {
  /** Bytes handed over that the system has not taken yet. */
  readonly bufferedBytes: number;
  /** Resolves when it takes nothing more: it was ended and all is out, or its peer is gone. Never rejects. */
  readonly closed: Promise<void>;
  /** Who is told what happens to it. Called once, before anything else. */
  connect(listener: SinkListener): void;
  /** Hands frames over, in one system call where that is possible. What comes after the end is dropped. */
  write(frames: readonly Frame[]): void;
  /** Ends it once everything is out; `error` is what the last frame said. May be called twice. */
  end(error: TailraceError | undefined): void;
  /** Ends it at once, so that the peer sees a failure. May be called twice. */
  cut(): void;
  /** Asks the peer for a sign of life. A sink without it never knows whether a peer that owes nothing is there. */
  ping?(): void;
}

export interface SinkListener {
  /** The system took bytes. */
  onTaken(): void;
  /** The peer gave a sign of life. */
  onHeard(): void;
  /** Nothing goes out any more. Called once. */
  onClosed(): void;
}
