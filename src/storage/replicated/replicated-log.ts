/**
 * The contract of a replicated log: an ordered list of commands that a majority of machines keeps. `jetstream-log.ts`
 * fulfils it; nothing above this folder knows which log it is.
 *
 * A command is opaque here (`command.ts` says what is in it). Its sequence is assigned by the log: sequences ascend, and
 * a command that takes several messages has the sequence of its last one.
 */

export interface StoredCommand {
  /** Of its last message. */
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export type PublishOutcome =
  /** A majority has it on disk. */
  | { readonly type: 'stored'; readonly sequence: number }
  /** Another publisher's message is where it should be: whoever publishes here leads no more. It is not stored. */
  | { readonly type: 'superseded' }
  /** The log has no space left. It is not stored. */
  | { readonly type: 'full' }
  /** No answer in time: it may be stored, or may still be. No command may be published after it before that is known. */
  | { readonly type: 'unknown' };

export type LogPage =
  | { readonly type: 'commands'; readonly commands: readonly StoredCommand[] }
  /** The commands behind the one that was named are no longer there: the first that is left begins at `first`. */
  | { readonly type: 'gap'; readonly first: number };

/** Whether a command is in the log; `unknown` when the log no longer holds the place where it would be. */
export type FoundCommand = 'found' | 'missing' | 'unknown';

/** What the log holds. `first` is `last + 1` when it is empty. */
export interface LogBounds {
  readonly first: number;
  readonly last: number;
}

export interface ReplicatedLog {
  /**
   * Stores a command if the last message of the log is still `after`. An answer that does not come, or says that another
   * message is last, is resolved by looking at what is stored there; that takes a few seconds at most.
   * @param id 16 random bytes that also are in the command
   */
  publish(command: Uint8Array, id: Uint8Array, after: number): Promise<PublishOutcome>;

  /**
   * Returns whole commands behind `after`, in order and without holes: at least one where there is one, then as many as
   * fit into `bytesMax`. None is no proof that there are none: it may come from a copy that is behind.
   * @throws TailraceError `unavailable`; `corrupt` for parts of a command that do not belong together
   */
  read(after: number, bytesMax: number): Promise<LogPage>;

  /** As the majority knows it. @throws TailraceError `unavailable` */
  bounds(): Promise<LogBounds>;

  /**
   * Looks for a command among the last `commandsMax` that end at `sequence` or before it.
   * @throws TailraceError `unavailable`
   */
  find(id: Uint8Array, sequence: number, commandsMax: number): Promise<FoundCommand>;

  /** Tells all who follow, without a promise that they get it, that everything up to `sequence` is stored. */
  announce(sequence: number): void;

  /** Calls for each announcement, also our own. Returns how to stop. */
  onAnnounced(listener: (sequence: number) => void): () => void;

  /** Removes all messages up to `sequence`. @throws TailraceError `unavailable` */
  purge(sequence: number): Promise<void>;

  /** Has another copy answer, when one seems to be damaged. @throws TailraceError `unavailable` */
  changeLeader(): Promise<void>;
}

export interface KeyEntry {
  readonly value: Uint8Array;
  /** Changes with each write. */
  readonly revision: number;
}

/** A few small values that a majority keeps, each with a time after which it goes by itself. */
export interface KeyBucket {
  /** The newest value, never a stale one. @throws TailraceError `unavailable` */
  get(key: string): Promise<KeyEntry | undefined>;

  /**
   * All values whose keys begin with `prefix`, which is empty or ends with a dot; may be a moment old.
   * @throws TailraceError `unavailable`
   */
  list(prefix: string): Promise<ReadonlyMap<string, KeyEntry>>;

  /**
   * Writes a value when the key still has this revision (0: no value), or in any case where none is given, and returns
   * the new revision; undefined when another one won.
   * @param ttlMs whole seconds in milliseconds; without it the value stays
   * @throws TailraceError `unavailable`: it may be written
   */
  put(key: string, value: Uint8Array, options: { revision?: number; ttlMs?: number }): Promise<number | undefined>;

  /** Removes a value that still has this revision. @throws TailraceError `unavailable` */
  remove(key: string, revision: number): Promise<void>;
}
