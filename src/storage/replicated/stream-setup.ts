/** Makes a JetStream stream, or checks that the one that exists has the settings that it must have. */

import { TailraceError, unavailable } from '../../model/error.ts';
import { REPLICATION_OPEN_MS } from '../../model/limits.ts';
import type { ApiAnswer, NatsLink } from './nats-connection.ts';

/** Settings of a stream, as JetStream's API names them. */
export type StreamSettings = Readonly<Record<string, unknown>>;

const NOT_FOUND = 10_059;
const NAME_IN_USE = 10_058;
/** A cluster that starts has too few servers yet. */
const TOO_FEW_SERVERS = 10_005;
const RETRY_MS = 200;

/** What each of our streams has, and what none of them has. */
const ALWAYS: StreamSettings = {
  retention: 'limits',
  storage: 'file',
  max_age: 0,
  max_msgs: -1,
  max_consumers: -1,
  no_ack: false,
  sealed: false,
  deny_purge: false,
  allow_rollup_hdrs: false,
  persist_mode: 'default',
};
const NEVER = ['mirror', 'sources', 'subject_transform', 'republish'];

/** What JetStream leaves out when it has this value. */
const OMITTED: StreamSettings = { no_ack: false, sealed: false, allow_atomic: false, persist_mode: 'default' };

/**
 * Waits while the servers elect who leads.
 * @throws TailraceError `config` when a stream of that name has other settings; `unavailable`
 */
export async function openStream(link: NatsLink, name: string, settings: StreamSettings): Promise<void> {
  const wanted: StreamSettings = { ...ALWAYS, ...settings };
  const until = performance.now() + REPLICATION_OPEN_MS;
  for (;;) {
    const failure = await tryOpen(link, name, wanted);
    if (failure === undefined) return;
    if (performance.now() >= until) throw failure;
    await link.pause(RETRY_MS);
  }
}

/** Returns why it cannot be open yet. @throws TailraceError `config` */
async function tryOpen(link: NatsLink, name: string, wanted: StreamSettings): Promise<TailraceError | undefined> {
  try {
    let answer = await link.api(`STREAM.INFO.${name}`);
    if (answer.type === 'refused' && answer.errCode === NOT_FOUND) {
      answer = await link.api(`STREAM.CREATE.${name}`, { name, duplicate_window: 100_000_000, ...wanted });
      if (answer.type === 'refused' && answer.errCode === NAME_IN_USE) answer = await link.api(`STREAM.INFO.${name}`);
    }
    if (answer.type === 'done') {
      checkSettings(name, answer.body.config, wanted);
      return undefined;
    }
    return refusedToOpen(name, answer);
  } catch (error) {
    if (error instanceof TailraceError && error.code === 'unavailable') return error;
    throw error;
  }
}

function refusedToOpen(name: string, { errCode }: Extract<ApiAnswer, { type: 'refused' }>): TailraceError {
  if (errCode === TOO_FEW_SERVERS) return unavailable(`too few NATS servers are there for the stream ${name}`);
  if (errCode === NOT_FOUND || errCode === NAME_IN_USE) return unavailable(`the stream ${name} is changing`);
  throw new TailraceError(
    'config',
    `JetStream refuses to make the stream ${name} (err_code ${errCode}): its servers need JetStream with files, version 2.15 or later, and space for it`,
  );
}

function checkSettings(name: string, config: unknown, wanted: StreamSettings): void {
  if (typeof config !== 'object' || config === null) throw unavailable(`JetStream says nothing about ${name}`);
  const found: StreamSettings = { ...OMITTED, ...config };
  const different = Object.entries(wanted)
    .filter(([field, value]) => JSON.stringify(found[field]) !== JSON.stringify(value))
    .map(([field, value]) => `${field} is ${JSON.stringify(found[field])} and has to be ${JSON.stringify(value)}`);
  const unwanted = NEVER.filter((field) => found[field] !== undefined && found[field] !== null);
  const faults = [...different, ...unwanted.map((field) => `it has ${field}`)];
  if (faults.length === 0) return;
  throw new TailraceError(
    'config',
    `the JetStream stream ${name} has other settings than Tailrace needs: ${faults.join('; ')}. Change it with "nats stream edit ${name}", or give the cluster another name`,
  );
}
