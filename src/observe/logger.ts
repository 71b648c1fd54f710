/**
 * Log lines on stderr: one JSON object for each line, logfmt, or lines for people on a terminal. Programs that embed Tailrace
 * may pass their own logger instead.
 */

import { pino } from 'pino';
import { logfmtLine } from './logfmt-line.ts';
import { redact } from './redact.ts';
import { terminalLine } from './terminal-line.ts';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `auto` is `text` on a terminal and `json` elsewhere. */
export const LOG_FORMATS = ['auto', 'json', 'logfmt', 'text'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** What all layers use of a logger: fields first, then a sentence. pino's loggers fit. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** One whose level can be changed while it is in use. */
export interface LevelledLogger extends Logger {
  level: string;
}

/** Writes nothing. */
export const SILENT: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/**
 * A logger on stderr (stdout is for data). Fields that could carry a secret are redacted, even if our code logs a whole
 * request by mistake. So is whatever looks like a secret in any line, such as in a path from a caller.
 */
export function createLogger(level: LogLevel, destination: LogDestination = logDestination('auto')): LevelledLogger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_PATHS, censor: '[secret]' },
      serializers: { err: pino.stdSerializers.err },
      hooks: { streamWrite: redact },
    },
    destination,
  );
}

interface LogDestination {
  write(line: string): void;
}

/** Where lines go, in the form that the operator wants. */
export function logDestination(format: LogFormat): LogDestination {
  const isTerminal = process.stderr.isTTY === true;
  if (format === 'text' || (format === 'auto' && isTerminal)) return TERMINAL;
  const stderr = pino.destination({ dest: 2, sync: true });
  return format === 'logfmt' ? { write: (line) => void stderr.write(logfmtLine(line)) } : stderr;
}

const TERMINAL: LogDestination = { write: (line) => void process.stderr.write(terminalLine(line)) };

/** Redacts what goes to an embedder's logger: its messages, and the fields that are texts. */
export function redactingLogger(logger: Logger): Logger {
  const plain = (fields: LogFields): LogFields =>
    Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, redactedValue(value)]));
  return {
    debug: (fields, message) => logger.debug(plain(fields), redact(message)),
    info: (fields, message) => logger.info(plain(fields), redact(message)),
    warn: (fields, message) => logger.warn(plain(fields), redact(message)),
    error: (fields, message) => logger.error(plain(fields), redact(message)),
  };
}

/** Errors stay as they are: the owner of the logger may want them whole. */
function redactedValue(value: unknown): unknown {
  return typeof value === 'string' ? redact(value) : value;
}

/** Names of fields and headers whose values are secret, whatever they look like. */
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

/** Each at the top, in an object, and in an object inside an object, like the headers of a request. */
const SECRET_PATHS = SECRET_FIELDS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);

function nothing(): void {
  // SILENT writes nothing.
}
