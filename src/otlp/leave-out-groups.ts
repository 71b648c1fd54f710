/**
 * Writes a message again without the groups of unknown fields in it: OTLP has none, so what holds them is kept as it came,
 * but the Collector's decoder misreads every group that is not empty and refuses the whole request.
 */

import protobuf from 'protobufjs/light.js';
import type { Signal } from '../model/record.ts';
import { FieldCursor, type MessageContent, MessageEdit } from './message-edit.ts';
import { MESSAGE_TYPES, REQUESTS } from './message-types.ts';

const GROUP = 3;

/** The messages in a message, by their tag. */
type Children = ReadonlyMap<number, protobuf.Type>;

const children = new Map(MESSAGE_TYPES.map((type): [protobuf.Type, Children] => [type, childrenOf(type)]));

/**
 * The same bytes when there is no group.
 * @throws TailraceError `bad_proto` for bytes that are no message
 */
export function leaveOutGroups(signal: Signal, bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const content = withoutGroups(bytes, view, REQUESTS[signal], 0, bytes.length);
  return content === undefined ? bytes : Buffer.concat(content.parts, content.length);
}

/** The content of a message; undefined when nothing changes. What is stored is not nested deeper than `NESTING_MAX`. */
function withoutGroups(
  bytes: Uint8Array,
  view: DataView,
  type: protobuf.Type,
  start: number,
  end: number,
): MessageContent | undefined {
  const edit = new MessageEdit(bytes, start);
  for (const fields = new FieldCursor(view, start); fields.next(end); ) {
    if ((fields.tag & 7) === GROUP) {
      edit.leaveOut(fields);
      continue;
    }
    const child = children.get(type)?.get(fields.tag);
    if (child === undefined) continue;
    const content = withoutGroups(bytes, view, child, fields.content, fields.end);
    if (content !== undefined) edit.replace(fields, content);
  }
  return edit.finish(end);
}

function childrenOf(type: protobuf.Type): Children {
  return new Map(
    type.fieldsArray.flatMap(({ id, resolvedType }) =>
      resolvedType instanceof protobuf.Type ? [[(id << 3) | 2, resolvedType] as const] : [],
    ),
  );
}
