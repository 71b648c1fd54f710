/**
 * Log lines on stderr: JSON, one object a line, or on a terminal lines for people. Whoever embeds us may hand in a logger
 * of their own instead.
 */

import { pino } from 'pino';
import { terminalLine } from './terminal-lines.ts';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** What the rooms know of a logger: fields first, then a sentence. pino's own loggers fit. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** Writes nothing: for embedders that want silence. */
export const SILENT: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/**
 * A logger on stderr (stdout belongs to data). Fields that could carry a secret are masked even if someone logs a whole
 * request by mistake.
 */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS, censor: '[secret]' },
      serializers: { err: pino.stdSerializers.err },
    },
    process.stderr.isTTY === true ? TERMINAL : pino.destination({ dest: 2, sync: true }),
  );
}

const TERMINAL = { write: (line: string): void => void process.stderr.write(terminalLine(line)) };

const SECRETS = [
  'token',
  'authorization',
  'rootToken',
  'credential',
  '*.token',
  '*.authorization',
  '*.rootToken',
  '*.credential',
  '*["s2-encryption-key"]',
  '*["sec-websocket-protocol"]',
  '["s2-encryption-key"]',
];

function nothing(): void {
  // Silence is the point.
}
