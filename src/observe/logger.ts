/**
 * Log lines on stderr: JSON, one object a line, or on a terminal lines for people. Whoever embeds us may hand in a logger
 * of their own instead.
 */

import { pino } from 'pino';
import { masked } from './redact.ts';
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
 * request by mistake; so is in any line what looks like a secret, as in a path that a caller made up.
 */
export function createLogger(level: LogLevel, destination: { write(line: string): void } = stderr()): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_PATHS, censor: '[secret]' },
      serializers: { err: pino.stdSerializers.err },
      hooks: { streamWrite: masked },
    },
    destination,
  );
}

/** The same for a logger of somebody else's: its messages and texts among its fields have no secrets in them. */
export function maskingLogger(logger: Logger): Logger {
  const plain = (fields: LogFields): LogFields =>
    Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, maskedValue(value)]));
  return {
    debug: (fields, message) => logger.debug(plain(fields), masked(message)),
    info: (fields, message) => logger.info(plain(fields), masked(message)),
    warn: (fields, message) => logger.warn(plain(fields), masked(message)),
    error: (fields, message) => logger.error(plain(fields), masked(message)),
  };
}

/** Errors stay as they are: whose logger it is may want them whole. */
function maskedValue(value: unknown): unknown {
  return typeof value === 'string' ? masked(value) : value;
}

function stderr(): { write(line: string): void } {
  return process.stderr.isTTY === true ? TERMINAL : pino.destination({ dest: 2, sync: true });
}

const TERMINAL = { write: (line: string): void => void process.stderr.write(terminalLine(line)) };

/** Names of fields and headers whose values are nobody's business, whatever they look like. */
export const SECRET_FIELDS = [
  'token',
  'accessToken',
  'access_token',
  'authorization',
  'rootToken',
  'credential',
  'secret',
  'ticket',
  's2-encryption-key',
  'sec-websocket-protocol',
] as const;

/** Each by itself, in an object, and in an object of an object, as are headers in a request. */
const SECRET_PATHS = SECRET_FIELDS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);

function nothing(): void {
  // Silence is the point.
}
