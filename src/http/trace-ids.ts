/** The form of a call that answers with the ids of the traces that it stored. */

import type { ExportContent, OtlpForm } from './receive-otlp.ts';

/** A form for one request: its response in JSON has `traceIds`, in lower-case hex, and `spanCount` too. */
export async function withTraceIds(form: OtlpForm): Promise<OtlpForm> {
  // Loaded here, because it takes long, and few senders ask for it.
  const { decodeScopes } = await import('../otlp/views/decode.ts');
  const ids = new Set<string>();
  return {
    ...form,
    stored: (payload) => {
      for (const { items } of decodeScopes('traces', Buffer.concat(payload))) {
        for (const { traceId } of items) if (traceId.length > 0) ids.add(Buffer.from(traceId).toString('hex'));
      }
    },
    reply: (exchange, content, context) => form.reply(exchange, withIds(content, ids), context),
  };
}

function withIds(content: ExportContent, ids: ReadonlySet<string>): ExportContent {
  if (content.encoding === 'protobuf') return content;
  const fields = JSON.parse(Buffer.from(content.bytes).toString()) as object;
  const all = { ...fields, traceIds: [...ids], spanCount: content.result.accepted };
  return { ...content, bytes: Buffer.from(JSON.stringify(all)) };
}
