/**
 * A command as messages of JetStream, and back: one message, or an atomic batch of chunks whose last one says that it
 * commits. Only the first has the id, and the sequence behind which it belongs.
 */

import { randomBytes } from 'node:crypto';
import { TailraceError } from '../../model/error.ts';
import { COMMAND_CHUNKS_MAX } from '../../model/limits.ts';
import type { StoredCommand } from './replicated-log.ts';

/** A stored message, wherever it was read. */
export interface StoredMessage {
  readonly sequence: number;
  readonly data: Uint8Array;
  header(name: string): string | undefined;
}

export interface OutgoingMessage {
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

const CHUNK_BYTES = 1_000_000;

export const ID_HEADER = 'Tailrace-Command-Id';
const BATCH = 'Nats-Batch-Id';
const BATCH_SEQUENCE = 'Nats-Batch-Sequence';
const BATCH_COMMIT = 'Nats-Batch-Commit';

/** The messages of a command. Each call begins a batch of its own: the server may still hold parts of an earlier one. */
export function splitCommand(command: Uint8Array, id: string, after: number): readonly OutgoingMessage[] {
  const first = { [ID_HEADER]: id, 'Nats-Expected-Last-Sequence': String(after) };
  const count = Math.max(1, Math.ceil(command.length / CHUNK_BYTES));
  if (count > COMMAND_CHUNKS_MAX) throw new TailraceError('too_large', `a command of ${command.length} bytes`);
  if (count === 1) return [{ data: command, headers: first }];
  const batch = `${id}-${randomBytes(8).toString('hex')}`;
  return Array.from({ length: count }, (_, i) => ({
    data: command.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES),
    headers: {
      ...(i === 0 ? first : {}),
      [BATCH]: batch,
      [BATCH_SEQUENCE]: String(i + 1),
      ...(i === count - 1 ? { [BATCH_COMMIT]: '1' } : {}),
    },
  }));
}

/** How many messages of the same command are before this one, as it says; at least one where it is not the first. */
export function partsBefore(message: StoredMessage): number {
  const count = Number(message.header(BATCH_SEQUENCE));
  return Number.isSafeInteger(count) && count > 1 && count <= COMMAND_CHUNKS_MAX ? count - 1 : 1;
}

/** Puts commands together from messages that come in the order of their sequences. */
export class CommandParts {
  readonly #stream: string;
  readonly #bytesMax: number;
  readonly #commands: StoredCommand[] = [];
  #parts: StoredMessage[] = [];
  #bytes = 0;
  #isFull = false;

  /** The sequence that comes next. */
  next: number;

  constructor(stream: string, after: number, bytesMax: number) {
    this.#stream = stream;
    this.#bytesMax = bytesMax;
    this.next = after + 1;
  }

  /** Whole commands. */
  get commands(): readonly StoredCommand[] {
    return this.#commands;
  }

  /** There are as many commands as fit. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** @throws TailraceError `corrupt` */
  add(message: StoredMessage): void {
    if (this.#isFull) return;
    this.#parts.push(message);
    this.next = message.sequence + 1;
    if (!this.#checkPart(message)) return;
    const command = { sequence: message.sequence, bytes: joined(this.#parts) };
    this.#parts = [];
    this.#bytes += command.bytes.length;
    this.#isFull = this.#bytes >= this.#bytesMax;
    if (this.#bytes <= this.#bytesMax || this.#commands.length === 0) this.#commands.push(command);
  }

  /** Returns whether a message ends its command. */
  #checkPart(message: StoredMessage): boolean {
    const count = this.#parts.length;
    const batch = message.header(BATCH);
    const isOfOne =
      batch === undefined
        ? count === 1
        : batch === this.#parts[0]?.header(BATCH) && message.header(BATCH_SEQUENCE) === String(count);
    if (!isOfOne || count > COMMAND_CHUNKS_MAX) {
      const where = `message ${message.sequence} of ${this.#stream}`;
      throw new TailraceError('corrupt', `${where} is no part of the command that it is in`);
    }
    return batch === undefined || message.header(BATCH_COMMIT) !== undefined;
  }
}

function joined(parts: readonly StoredMessage[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first.data;
  return new Uint8Array(Buffer.concat(parts.map(({ data }) => data)));
}
