/** The senders that a caller may see: of all its basins, or of its own one when its token allows only that. */

import type { Client } from '../src/client/client.ts';
import type { SendersJson, SendersRequestOptions } from '../src/client/senders.ts';
import { TailraceError } from '../src/model/error.ts';

/** @throws TailraceError as `client.senders` */
export async function sendersSeen(client: Client, options: SendersRequestOptions): Promise<SendersJson> {
  try {
    return await client.senders(options);
  } catch (error) {
    if (!isDenied(error) || options.basin !== undefined) throw error;
    const { basin } = await client.whoami();
    if (basin === undefined) throw error;
    return client.senders({ ...options, basin });
  }
}

export function isDenied(error: unknown): boolean {
  return error instanceof TailraceError && error.code === 'permission_denied';
}
