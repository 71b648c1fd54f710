/** Reads messages of a JetStream stream: many from the nearest copy, or one from the copy that leads. */

import { TailraceError, unavailable } from '../../model/error.ts';
import type { StoredMessage } from './command-parts.ts';
import type { NatsLink, NatsMessage } from './nats-connection.ts';
import type { LogBounds } from './replicated-log.ts';

const NO_MESSAGE = 10_037;
const STATUS_NOT_FOUND = 404;
const STATUS_END = 204;

/** What to read, as JetStream's API names it. */
type DirectRequest = Readonly<Record<string, number | readonly string[]>>;

/**
 * Calls for each message that the nearest copy has; with none when there are none.
 * @throws TailraceError `unavailable`
 */
export async function readDirect(
  link: NatsLink,
  stream: string,
  request: DirectRequest,
  take: (message: StoredMessage & { readonly subject: string }) => void,
): Promise<void> {
  let failure: unknown;
  await link.requestMany(`$JS.API.DIRECT.GET.${stream}`, Buffer.from(JSON.stringify(request)), (message) => {
    if (message.status === STATUS_NOT_FOUND || message.status === STATUS_END) return true;
    try {
      take(directMessage(stream, message));
      return false;
    } catch (error) {
      failure = error;
      return true;
    }
  });
  if (failure !== undefined) throw failure;
}

function directMessage(stream: string, message: NatsMessage) {
  const sequence = Number(message.header('Nats-Sequence'));
  const subject = message.header('Nats-Subject');
  if (message.status !== 0 || !Number.isSafeInteger(sequence) || subject === undefined) {
    throw unavailable(`JetStream cannot read ${stream} now (status ${message.status})`);
  }
  return { sequence, subject, data: message.data, header: (name: string) => message.header(name) };
}

/** One message, from the copy that leads. @throws TailraceError `unavailable` */
export async function readFromLeader(
  link: NatsLink,
  stream: string,
  request: { readonly seq: number } | { readonly last_by_subj: string },
): Promise<StoredMessage | undefined> {
  const answer = await link.api(`STREAM.MSG.GET.${stream}`, request);
  if (answer.type === 'refused') {
    if (answer.errCode === NO_MESSAGE) return undefined;
    throw unavailable(`JetStream cannot read ${stream} now (err_code ${answer.errCode})`);
  }
  const { message } = answer.body;
  if (typeof message !== 'object' || message === null) throw unavailable(`JetStream says nothing about ${stream}`);
  const { seq, data, hdrs } = message as { seq?: unknown; data?: unknown; hdrs?: unknown };
  if (typeof seq !== 'number') throw unavailable(`JetStream says nothing about a message of ${stream}`);
  const headers = headersOf(typeof hdrs === 'string' ? hdrs : '');
  return { sequence: seq, data: fromBase64(data), header: (name) => headers.get(name) };
}

/** As the copy that leads knows it. @throws TailraceError `unavailable` */
export async function readBounds(link: NatsLink, stream: string): Promise<LogBounds> {
  const answer = await link.api(`STREAM.INFO.${stream}`);
  if (answer.type === 'refused') throw unavailable(`the stream ${stream} is not there (err_code ${answer.errCode})`);
  const state = answer.body.state as Readonly<Record<string, unknown>> | undefined;
  const [messages, first, last] = [state?.messages, state?.first_seq, state?.last_seq];
  if (typeof messages !== 'number' || typeof first !== 'number' || typeof last !== 'number') {
    throw new TailraceError('corrupt', `JetStream does not know the state of ${stream}`);
  }
  return { first: messages === 0 ? last + 1 : first, last };
}

function fromBase64(text: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(typeof text === 'string' ? text : '', 'base64'));
}

/** Headers in base64: a line of the protocol, then `name: value` lines. */
function headersOf(text: string): ReadonlyMap<string, string> {
  const lines = Buffer.from(text, 'base64').toString().split('\r\n').slice(1);
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
    }),
  );
}
