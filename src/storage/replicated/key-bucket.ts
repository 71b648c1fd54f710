/** A bucket of small values in a JetStream stream that keeps one message for each key, for as long as its header says. */

import { assert, unavailable } from '../../model/error.ts';
import { apiAnswer, type NatsLink } from './nats-connection.ts';
import type { KeyBucket, KeyEntry } from './replicated-log.ts';
import { readDirect, readFromLeader } from './stream-reads.ts';
import { openStream } from './stream-setup.ts';

export interface KeyBucketOptions {
  /** Letters, digits, `-` and `_`: a part of the names of streams and subjects. */
  readonly cluster: string;
  readonly replicas: 1 | 3 | 5;
}

/** Another message is the last one of this key, or is just being written. */
const WRONG_REVISION = [10_071, 10_164];

/** What subjects can hold, in parts with a dot between them. */
const KEY = /^[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*$/;

/** Makes the stream when it is missing. @throws TailraceError `config` when it has other settings; `unavailable` */
export async function openKeyBucket(link: NatsLink, { cluster, replicas }: KeyBucketOptions): Promise<KeyBucket> {
  const name = `${cluster}-keys`;
  const prefix = `tailrace.${cluster}.keys.`;
  await openStream(link, name, {
    subjects: [`${prefix}>`],
    num_replicas: replicas,
    discard: 'new',
    max_msgs_per_subject: 1,
    allow_direct: true,
    allow_msg_ttl: true,
    deny_delete: false,
  });
  return new JetstreamBucket(link, name, prefix);
}

class JetstreamBucket implements KeyBucket {
  readonly #link: NatsLink;
  readonly #name: string;
  readonly #prefix: string;

  constructor(link: NatsLink, name: string, prefix: string) {
    this.#link = link;
    this.#name = name;
    this.#prefix = prefix;
  }

  async get(key: string): Promise<KeyEntry | undefined> {
    // The nearest copy may be behind, so that the one that leads is asked.
    const message = await readFromLeader(this.#link, this.#name, { last_by_subj: this.#subjectOf(key) });
    return message === undefined ? undefined : { value: message.data, revision: message.sequence };
  }

  async list(prefix: string): Promise<ReadonlyMap<string, KeyEntry>> {
    const found = new Map<string, KeyEntry>();
    const subjects = `${this.#prefix}${prefix}>`;
    await readDirect(this.#link, this.#name, { multi_last: [subjects] }, ({ subject, data, sequence }) => {
      found.set(subject.slice(this.#prefix.length), { value: data, revision: sequence });
    });
    return found;
  }

  async put(
    key: string,
    value: Uint8Array,
    { revision, ttlMs }: { revision?: number; ttlMs?: number },
  ): Promise<number | undefined> {
    const headers = {
      ...(revision === undefined ? {} : { 'Nats-Expected-Last-Subject-Sequence': String(revision) }),
      ...(ttlMs === undefined ? {} : { 'Nats-TTL': `${Math.ceil(ttlMs / 1000)}s` }),
    };
    const answer = apiAnswer(await this.#link.request(this.#subjectOf(key), value, { headers }));
    if (answer.type === 'done' && typeof answer.body.seq === 'number') return answer.body.seq;
    if (answer.type === 'refused' && WRONG_REVISION.includes(answer.errCode)) return undefined;
    throw unavailable(
      `JetStream does not write ${key}${answer.type === 'done' ? '' : ` (err_code ${answer.errCode})`}`,
    );
  }

  async remove(key: string, revision: number): Promise<void> {
    // A revision is the sequence of one message: no other one can be hit.
    const answer = await this.#link.api(`STREAM.MSG.DELETE.${this.#name}`, { seq: revision, no_erase: true });
    if (answer.type === 'done' || (await this.get(key))?.revision !== revision) return;
    throw unavailable(`JetStream does not remove ${key} (err_code ${answer.errCode})`);
  }

  #subjectOf(key: string): string {
    assert(KEY.test(key), 'a key fits into a subject');
    return `${this.#prefix}${key}`;
  }
}
