/** The public API for programs that embed Tailrace or call a server. */

// A client for a server in another process.
export { type Client, type ClientOptions, createClient } from './client/client.ts';
export type { BasinConfigJson, StreamConfigJson } from './client/config-json.ts';
export { type AppendRecord, fenceRecord, trimRecord } from './client/records.ts';
export type { ServerOptions } from './config.ts';
export { type OtlpOptions, openTailrace, type ReadOptions, type Tailrace } from './library.ts';
// Work on a data directory that no server uses.
export {
  type CompactReport,
  compact,
  type Fault,
  type OnProgress,
  resetRootToken,
  restore,
  type StoreReport,
  saveBackup,
  verify,
} from './maintenance.ts';
export type { Clock } from './model/clock.ts';
// What both throw and return.
export { type ErrorCode, type ErrorDetail, TailraceError } from './model/error.ts';
export type { AppendAck, Position } from './model/position.ts';
export type { ReadStart } from './model/read-range.ts';
export type { Header, Signal, StreamRecord } from './model/record.ts';
export type { Logger } from './observe/logger.ts';
// A server in your own process, and the store alone.
export { createServer, type ServerAddress, type TailraceServer } from './server.ts';
