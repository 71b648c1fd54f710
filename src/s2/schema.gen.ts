/** Generated from proto/{s2} by scripts/generate-proto.mjs: do not edit. */
import type { INamespace } from 'protobufjs/light.js';

/** Descriptor in the form that `protobuf.Root.fromJSON` takes; field names are lowerCamelCase. */
export const SCHEMA: INamespace = {
  nested: {
    s2: {
      nested: {
        v1: {
          nested: {
            StreamPosition: {
              fields: {
                seqNum: { type: 'uint64', id: 1 },
                timestamp: { type: 'uint64', id: 2 },
              },
            },
            Header: {
              fields: {
                name: { type: 'bytes', id: 1 },
                value: { type: 'bytes', id: 2 },
              },
            },
            AppendRecord: {
              oneofs: {
                _timestamp: { oneof: ['timestamp'] },
              },
              fields: {
                timestamp: { type: 'uint64', id: 1, options: { proto3_optional: true } },
                headers: { rule: 'repeated', type: 'Header', id: 2 },
                body: { type: 'bytes', id: 3 },
              },
            },
            AppendInput: {
              oneofs: {
                _matchSeqNum: { oneof: ['matchSeqNum'] },
                _fencingToken: { oneof: ['fencingToken'] },
              },
              fields: {
                records: { rule: 'repeated', type: 'AppendRecord', id: 1 },
                matchSeqNum: { type: 'uint64', id: 2, options: { proto3_optional: true } },
                fencingToken: { type: 'string', id: 3, options: { proto3_optional: true } },
              },
            },
            AppendAck: {
              fields: {
                start: { type: 'StreamPosition', id: 1 },
                end: { type: 'StreamPosition', id: 2 },
                tail: { type: 'StreamPosition', id: 3 },
              },
            },
            SequencedRecord: {
              fields: {
                seqNum: { type: 'uint64', id: 1 },
                timestamp: { type: 'uint64', id: 2 },
                headers: { rule: 'repeated', type: 'Header', id: 3 },
                body: { type: 'bytes', id: 4 },
              },
            },
            ReadBatch: {
              oneofs: {
                _tail: { oneof: ['tail'] },
              },
              fields: {
                records: { rule: 'repeated', type: 'SequencedRecord', id: 1 },
                tail: { type: 'StreamPosition', id: 2, options: { proto3_optional: true } },
              },
            },
          },
        },
      },
    },
  },
};
