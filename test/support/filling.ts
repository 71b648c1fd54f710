/** Fills a store as an exporter would, until it is refused, and does what an operator does about it. */

import { randomBytes } from 'node:crypto';
import { readStream } from './read-back.ts';
import type { TestServer } from './server.ts';

/** The stream that is filled. */
export const FILLED = 'filling';
const BODY_CHARS = 512 * 1024;
const REFUSALS_MAX = 60;

/** Appends until there is no space. Returns the names of what was taken, and the refusal. */
export async function fill(target: TestServer): Promise<{ acked: readonly string[]; refused: Response }> {
  const acked: string[] = [];
  for (let i = 0; i < 600; i++) {
    const name = `record-${i}`;
    const answer = await append(target, name);
    if (answer.status !== 200) return { acked, refused: answer };
    acked.push(name);
  }
  throw new Error('the store does not become full');
}

/** One record that does not compress; its name stands first in its body. */
export async function append(target: TestServer, name: string, chars = BODY_CHARS): Promise<Response> {
  const body = JSON.stringify({
    resourceLogs: [
      {
        resource: { attributes: [{ key: 's2.stream', value: { stringValue: FILLED } }] },
        scopeLogs: [
          { logRecords: [{ body: { stringValue: `${name} ${randomBytes(chars / 2).toString('base64')}` } }] },
        ],
      },
    ],
  });
  const headers = { authorization: `Bearer ${target.token}`, 'content-type': 'application/json' };
  return fetch(`${target.url}/v1/logs`, { method: 'POST', headers, body });
}

/** Tries as an exporter would, a second apart at most; returns how many were refused before one was taken. */
export async function appendUntilTaken(target: TestServer, name: string): Promise<number> {
  for (let refusals = 0; refusals < REFUSALS_MAX; refusals++) {
    const answer = await append(target, name);
    if (answer.status === 200) return refusals;
    if (answer.status !== 503) throw new Error(`${answer.status} ${await answer.text()}`);
    await new Promise((resolve) => setTimeout(resolve, Number(answer.headers.get('retry-after')) * 500));
  }
  throw new Error('service did not resume');
}

/** The names of the records that are there, with `?` for what has none. */
export async function names(target: TestServer): Promise<readonly string[]> {
  const records = await readStream(target, FILLED);
  return records.map(({ body }) => /([a-z-]+\d*) /.exec(Buffer.from(body).toString('latin1'))?.[1] ?? '?');
}

/** A command record as S2's JSON has it: a fencing token, or where the stream is to begin. */
export function command(what: { readonly fence: string } | { readonly trim: number }) {
  const [name, body] = 'fence' in what ? ['fence', Buffer.from(what.fence)] : ['trim', Buffer.alloc(8)];
  if ('trim' in what) body.writeBigUInt64BE(BigInt(what.trim));
  return { headers: [['', Buffer.from(name).toString('base64')]], body: body.toString('base64') };
}
