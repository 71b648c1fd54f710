/** Basins with a policy for OTLP data, and tokens that send into them. */

import type { ControlClient } from './control-calls.ts';

let made = 0;

/** A new basin with this configuration, which makes streams on append. */
export async function makeBasin(s2: ControlClient, config: object = {}): Promise<string> {
  const basin = `basin-of-policy-${made++}`;
  const body = { basin, config: { create_stream_on_append: true, ...config } };
  const { status, body: answer } = await s2.call('POST /basins', { body });
  if (status !== 201) throw new Error(`the basin was not made: ${status} ${JSON.stringify(answer)}`);
  return basin;
}

/** The same, where data without a stream goes to `all`. */
export function makeOtlpBasin(s2: ControlClient, config: object = {}): Promise<string> {
  return makeBasin(s2, { otlp_default_stream: 'all', ...config });
}

/** A new token that may write to all streams of these basins. */
export async function makeSenderToken(
  s2: ControlClient,
  fields: object = {},
  basins: object = { prefix: '' },
): Promise<{ readonly id: string; readonly token: string }> {
  const id = `token-of-sender-${made++}`;
  const scope = { basins, streams: { prefix: '' }, op_groups: { stream: { write: true } } };
  const { status, body } = await s2.call('POST /access-tokens', { body: { id, scope, ...fields } });
  if (status !== 201) throw new Error(`the token was not issued: ${status} ${JSON.stringify(body)}`);
  return { id, token: (body as { access_token: string }).access_token };
}
