/** A replicated log in a JetStream stream: one command is one message or one atomic batch, and one publish is under way. */

import { asTailraceError, type TailraceError, unavailable } from '../../model/error.ts';
import {
  PUBLISH_ANSWER_LARGE_MS,
  PUBLISH_ANSWER_MS,
  PUBLISH_LARGE_BYTES,
  PUBLISH_RESOLVE_MS,
} from '../../model/limits.ts';
import { CommandParts, ID_HEADER, partsBefore, splitCommand } from './command-parts.ts';
import { type ApiAnswer, apiAnswer, isFull, type NatsLink } from './nats-connection.ts';
import type { FoundCommand, LogBounds, LogPage, PublishOutcome, ReplicatedLog } from './replicated-log.ts';
import { readBounds, readDirect, readFromLeader } from './stream-reads.ts';
import { openStream } from './stream-setup.ts';

export interface JetstreamLogOptions {
  /** Letters, digits, `-` and `_`: a part of the names of streams and subjects. */
  readonly cluster: string;
  readonly partition: number;
  readonly replicas: 1 | 3 | 5;
  /** For how long a publish is resolved. */
  readonly resolveMs?: number;
}

/** Makes the stream when it is missing. @throws TailraceError `config` when it has other settings; `unavailable` */
export async function openJetstreamLog(link: NatsLink, options: JetstreamLogOptions): Promise<ReplicatedLog> {
  const { cluster, partition, replicas, resolveMs = PUBLISH_RESOLVE_MS } = options;
  const name = `${cluster}-p${partition}`;
  const subject = `tailrace.${cluster}.p${partition}`;
  await openStream(link, name, {
    subjects: [subject],
    num_replicas: replicas,
    discard: 'new',
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    allow_atomic: true,
    allow_direct: true,
    deny_delete: true,
    allow_msg_ttl: false,
  });
  return new JetstreamLog(link, { name, subject, replicas, resolveMs });
}

interface PartitionStream {
  readonly name: string;
  readonly subject: string;
  readonly replicas: number;
  readonly resolveMs: number;
}

/** What one try to publish says; `unanswered` may still be stored. */
type Attempt = { readonly type: 'acknowledged' } | { readonly type: 'full' | 'refused' | 'unanswered' | 'closed' };

/** What is stored where a command should be. */
type FoundThere = 'ours' | 'another' | 'nothing' | 'unanswered';

const PAUSE_MS = 100;
const LEAVE_AGAIN_MS = 3_000;

/** For so long other copies are asked for what the copy that leads lacks. */
const HOLE_MS = 15_000;

/** Messages of one read, of those that are as small as can be. */
const READ_MESSAGES_MAX = 4096;

/** For how long it is believed that nothing before a reader was purged, while there is nothing behind it. */
const END_CHECKED_MS = 5_000;

class JetstreamLog implements ReplicatedLog {
  readonly #link: NatsLink;
  readonly #name: string;
  readonly #subject: string;
  readonly #replicas: number;
  readonly #resolveMs: number;
  #end = { after: -1, until: 0 };
  /** What the copy that leads lacked, and when that was found out. */
  #hole = { sequence: -1, since: 0 };
  #leaderLeftAt = Number.NEGATIVE_INFINITY;

  constructor(link: NatsLink, stream: PartitionStream) {
    this.#link = link;
    this.#name = stream.name;
    this.#subject = stream.subject;
    this.#replicas = stream.replicas;
    this.#resolveMs = stream.resolveMs;
  }

  async publish(command: Uint8Array, id: Uint8Array, after: number): Promise<PublishOutcome> {
    const ours = Buffer.from(id).toString('hex');
    const until = performance.now() + this.#resolveMs;
    /** A copy of the command may still be on its way. */
    let isOpen = false;
    let refusals = 0;
    do {
      const messages = splitCommand(command, ours, after);
      const stored: PublishOutcome = { type: 'stored', sequence: after + messages.length };
      const attempt = await this.#attempt(messages, command.length, stored.sequence, until);
      if (attempt.type === 'acknowledged') return stored;
      if (attempt.type === 'closed') break;
      isOpen ||= attempt.type === 'unanswered';
      refusals = attempt.type === 'full' ? refusals + 1 : 0;
      const found = await this.#look(after + 1, ours);
      if (found === 'ours') return stored;
      if (found === 'another') return { type: 'superseded' };
      // A copy that stops also says that it is full: another one then knows better.
      if (found === 'nothing' && refusals > 1 && !isOpen) return { type: 'full' };
      await this.#link.pause(PAUSE_MS);
    } while (performance.now() < until);
    return { type: 'unknown' };
  }

  async #attempt(
    messages: ReturnType<typeof splitCommand>,
    bytes: number,
    sequence: number,
    until: number,
  ): Promise<Attempt> {
    const answerMs = bytes > PUBLISH_LARGE_BYTES ? PUBLISH_ANSWER_LARGE_MS : PUBLISH_ANSWER_MS;
    const timeoutMs = Math.max(1, Math.min(answerMs, until - performance.now()));
    try {
      for (const { data, headers } of messages.slice(0, -1)) this.#link.publish(this.#subject, data, { headers });
      const last = messages[messages.length - 1];
      if (last === undefined) throw unavailable('nothing to publish');
      const { data, headers } = last;
      const answer = apiAnswer(await this.#link.request(this.#subject, data, { headers, timeoutMs }));
      if (answer.type === 'refused') return { type: isFull(answer.errCode) ? 'full' : 'refused' };
      const { stream, seq } = answer.body;
      // Whoever answers otherwise is no stream of ours.
      return stream === this.#name && seq === sequence ? { type: 'acknowledged' } : { type: 'unanswered' };
    } catch (error) {
      return { type: unlessFault(error).code === 'closed' ? 'closed' : 'unanswered' };
    }
  }

  /** What is at a sequence. A copy that is past it without having it is damaged: another one has to lead. */
  async #look(sequence: number, ours: string): Promise<FoundThere> {
    try {
      const message = await readFromLeader(this.#link, this.#name, { seq: sequence });
      if (message !== undefined) return message.header(ID_HEADER) === ours ? 'ours' : 'another';
      const { first, last } = await this.bounds();
      if (last < sequence) return 'nothing';
      if (first <= sequence) await this.#leaveDamaged();
      return 'unanswered';
    } catch (error) {
      unlessFault(error);
      return 'unanswered';
    }
  }

  /** Not again at once: an election takes its time. */
  async #leaveDamaged(): Promise<void> {
    const now = performance.now();
    if (now < this.#leaderLeftAt + LEAVE_AGAIN_MS) return;
    this.#leaderLeftAt = now;
    await this.changeLeader();
  }

  async read(after: number, bytesMax: number): Promise<LogPage> {
    const parts = new CommandParts(this.#name, after, bytesMax);
    while (!parts.isFull) {
      const { next } = parts;
      const beyond = await this.#readNearest(parts, bytesMax);
      if (parts.commands.length > 0) break;
      if (parts.next > next) continue;
      if (beyond === undefined) return this.#atEnd(after);
      const gap = await this.#passHole(parts, beyond);
      if (gap !== undefined) return gap;
      if (parts.next === next) break;
    }
    return { type: 'commands', commands: parts.commands };
  }

  /** Returns the sequence that came where another one should have. */
  async #readNearest(parts: CommandParts, bytesMax: number): Promise<number | undefined> {
    let beyond: number | undefined;
    const request = { seq: parts.next, batch: READ_MESSAGES_MAX, max_bytes: Math.max(1, bytesMax) };
    await readDirect(this.#link, this.#name, request, (message) => {
      if (message.sequence !== parts.next) beyond ??= message.sequence;
      if (beyond === undefined) parts.add(message);
    });
    return beyond;
  }

  /** A copy may be damaged, or behind with a purge that another one did: the one that leads decides. */
  async #passHole(parts: CommandParts, beyond: number): Promise<LogPage | undefined> {
    const { first, last } = await this.bounds();
    if (first > parts.next) return { type: 'gap', first };
    const message = await readFromLeader(this.#link, this.#name, { seq: parts.next });
    if (message !== undefined) parts.add(message);
    else if (last >= parts.next) {
      await this.#askAnother(parts.next);
      return { type: 'gap', first: beyond };
    }
    return undefined;
  }

  /**
   * The copy that leads lacks a message: perhaps another one has it, so that one shall lead. Returns where none had it.
   * @throws TailraceError `unavailable` while another one may have it
   */
  async #askAnother(sequence: number): Promise<void> {
    if (this.#replicas === 1) return;
    const now = performance.now();
    if (this.#hole.sequence !== sequence) this.#hole = { sequence, since: now };
    if (now - this.#hole.since >= HOLE_MS) return;
    await this.#leaveDamaged();
    throw unavailable(`a server of NATS lacks message ${sequence} of ${this.#name}: another one is asked`);
  }

  /** Nothing is there: because it is not written yet, because this copy is behind, or because all of it was purged. */
  async #atEnd(after: number): Promise<LogPage> {
    const none: LogPage = { type: 'commands', commands: [] };
    const now = performance.now();
    if (this.#end.after === after && now < this.#end.until) return none;
    const { first } = await this.bounds();
    if (first > after + 1) return { type: 'gap', first };
    this.#end = { after, until: now + END_CHECKED_MS };
    return none;
  }

  async find(id: Uint8Array, sequence: number, commandsMax: number): Promise<FoundCommand> {
    const ours = Buffer.from(id).toString('hex');
    let commands = 0;
    for (let at = sequence; at > 0 && commands < commandsMax; at--) {
      const message = await readFromLeader(this.#link, this.#name, { seq: at });
      // It was purged, or a damaged copy lacks it.
      if (message === undefined) return 'unknown';
      const there = message.header(ID_HEADER);
      if (there === ours) return 'found';
      if (there === undefined) at -= partsBefore(message) - 1;
      else commands++;
    }
    return 'missing';
  }

  bounds(): Promise<LogBounds> {
    return readBounds(this.#link, this.#name);
  }

  announce(sequence: number): void {
    try {
      this.#link.publish(`${this.#subject}.stored`, Buffer.from(String(sequence)));
    } catch (error) {
      // Who follows also asks from time to time.
      unlessFault(error);
    }
  }

  onAnnounced(listener: (sequence: number) => void): () => void {
    return this.#link.subscribe(`${this.#subject}.stored`, ({ data }) => {
      const sequence = Number(Buffer.from(data).toString());
      if (Number.isSafeInteger(sequence)) listener(sequence);
    });
  }

  async purge(sequence: number): Promise<void> {
    // Beyond the last message a purge would also give sequences away.
    const { last } = await this.bounds();
    const answer = await this.#link.api(`STREAM.PURGE.${this.#name}`, { seq: Math.min(sequence, last) + 1 });
    this.#mustBeDone('purged', answer);
  }

  async changeLeader(): Promise<void> {
    if (this.#replicas === 1) return;
    this.#mustBeDone('moved', await this.#link.api(`STREAM.LEADER.STEPDOWN.${this.#name}`));
  }

  #mustBeDone(what: string, answer: ApiAnswer): void {
    if (answer.type === 'refused') throw unavailable(`${this.#name} was not ${what} (err_code ${answer.errCode})`);
  }
}

/** What NATS cannot do now, or no longer after the end; all else is a fault of ours. */
function unlessFault(error: unknown): TailraceError {
  const known = asTailraceError(error);
  if (known.code !== 'unavailable' && known.code !== 'closed') throw error;
  return known;
}
