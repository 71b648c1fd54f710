/** What a running server reads again when it is asked to: the TLS certificate with its key, and the log level. */

import { type Config, SETTINGS } from '../src/config.ts';
import { type LevelledLogger, LOG_LEVELS } from '../src/observe/logger.ts';
import type { TailraceServer } from '../src/server.ts';

export interface ReloadDeps {
  readonly server: Pick<TailraceServer, 'reloadTls'>;
  readonly logger: LevelledLogger;
  /** The settings of now, from the same flags, environment and file. @throws TailraceError `config` */
  settings(): Promise<Config>;
}

/** Never rejects: the log says what was taken, and what was not and why. */
export function createReload(started: Config, { server, logger, settings }: ReloadDeps): () => Promise<void> {
  return async () => {
    let fresh: Config;
    try {
      fresh = await settings();
    } catch (error) {
      logger.warn(
        {},
        `asked to read the settings again, and they cannot be used: all stay as they are: ${reasonOf(error)}`,
      );
      return;
    }
    takeLevel(logger, fresh.logLevel);
    takeCertificate(started, fresh, { server, logger });
    const waiting = SETTINGS.filter(({ key }) => needsStart(key, started, fresh)).map(({ key, flag }) => flag ?? key);
    if (waiting.length === 0) return;
    logger.warn({ settings: waiting.join() }, 'other settings have changed too: they count from the next start on');
  };
}

/** The line about the level shows at the old one or at the new one. */
function takeLevel(logger: LevelledLogger, level: Config['logLevel']): void {
  const before = logger.level;
  if (before === level) {
    logger.info({ level }, 'read the settings again: the log level is the same');
    return;
  }
  const rank = (name: string): number =>
    (LOG_LEVELS as readonly string[]).filter((one) => one !== 'silent').indexOf(name);
  logger.level = rank(level) > rank(before) ? level : before;
  logger.info({ before, after: level }, 'read the settings again: the log level is another one');
  logger.level = level;
}

function takeCertificate(
  started: Config,
  { tlsCert: cert, tlsKey: key }: Config,
  { server, logger }: Pick<ReloadDeps, 'server' | 'logger'>,
): void {
  if (started.tlsCert === undefined || cert === undefined || key === undefined) return;
  try {
    server.reloadTls({ cert, key });
    logger.info({ cert, key }, 'read the TLS certificate and its key again: new connections get them');
  } catch (error) {
    logger.warn({ cert, key }, `the TLS certificate and its key stay as they are: ${reasonOf(error)}`);
  }
}

function needsStart(key: keyof Config, started: Config, fresh: Config): boolean {
  if (key === 'logLevel') return false;
  const isFile = key === 'tlsCert' || key === 'tlsKey';
  // Other files are taken; TLS itself is not turned on or off.
  if (isFile && started[key] !== undefined && fresh[key] !== undefined) return false;
  return JSON.stringify(started[key]) !== JSON.stringify(fresh[key]);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
