/** Posts a request that a version of the transformer wrote, and compares what a reader gets with what was sent. */

import { isDeepStrictEqual } from 'node:util';
import { readStream } from '../../../test/support/read-back.ts';
import { CASES } from './cases.ts';
import { readItems, sentItems } from './expected.ts';
import type { WrittenRequest } from './serialize.ts';

/** What is not as it must be, in sentences; none when the request was accepted whole and is there item by item. */
export async function faultsOf(
  server: { readonly port: number; readonly token: string },
  { signal, form, caseName, stream, body }: WrittenRequest,
): Promise<readonly string[]> {
  const isJson = form !== 'protobuf';
  const bytes = Buffer.from(body, isJson ? 'utf8' : 'base64');
  const type = isJson ? 'application/json' : 'application/x-protobuf';
  const answer = await fetch(`http://127.0.0.1:${server.port}/v1/${signal}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': type },
    body: bytes,
  });
  const said = await answer.text();
  if (answer.status !== 200) return [`${stream}: ${answer.status} ${said}`];
  const faults: string[] = [];
  const isRepaired = CASES[caseName].isRepaired === true || form === 'json-base64';
  const isWhole = said === (isJson ? '{}' : '');
  // Halves of characters and ids in base64 are repaired, which the response says; nothing is rejected.
  if (!isWhole && !(isRepaired && said.includes('repaired ') && !said.includes('rejected'))) {
    faults.push(`${stream}: ${said}`);
  }
  const sent = sentItems(signal, form, bytes);
  const records = await readStream(server, stream);
  const read = readItems(
    signal,
    form,
    records.map((record) => record.body),
  );
  if (read.length !== sent.length) faults.push(`${stream}: ${sent.length} items were sent, ${read.length} are there`);
  for (const [index, item] of sent.entries()) {
    if (isDeepStrictEqual(read[index], item)) continue;
    faults.push(`${stream}: item ${index}: sent ${JSON.stringify(item)}, read ${JSON.stringify(read[index])}`);
  }
  return faults;
}
