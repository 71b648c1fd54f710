/**
 * What the server and the library share: settings → lock → engine → log, closed in reverse order. The only place that
 * picks an engine.
 */

import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from './config.ts';
import { applyInitFile } from './init/apply-init.ts';
import { type InitSpec, readInit } from './init/parse-init.ts';
import type { KeptBasin } from './log/basins.ts';
import type { ClockPause } from './log/expiry-clock.ts';
import { Log } from './log/log.ts';
import { type LogObserver, observers } from './log/observer.ts';
import { type Checks, expectFunction, expectObject, optional } from './model/arguments.ts';
import type { Clock } from './model/clock.ts';
import { TailraceError } from './model/error.ts';
import { resolveBasinConfig } from './model/stream-config.ts';
import { Audit, type AuditAction, type AuditSubject } from './observe/audit.ts';
import { createLogger, type Logger, logDestination, redactingLogger } from './observe/logger.ts';
import { Metrics } from './observe/metrics.ts';
import { SYSTEM_CLOCK } from './observe/system-clock.ts';
import { octal, prepareDataDir } from './storage/data-dir.ts';
import type { Engine } from './storage/engine.ts';
import type { LatchingEngine } from './storage/latching-engine.ts';
import { openLmdbEngine, STORE_FILE } from './storage/lmdb.ts';
import { lockDataDir } from './storage/lock.ts';
import { expectOfNoCluster } from './storage/replicated/replica.ts';
import { checkParts, PART_CHECKS, type StoreParts } from './store-parts.ts';
import { StreamRates } from './usage/stream-rates.ts';
import { Usage } from './usage/usage.ts';

export interface OpenStoreParts extends StoreParts {
  /** Wraps the engine, to inject faults in tests. */
  readonly wrapEngine?: ((engine: Engine) => Engine) | undefined;
  /** A store that is open already, in a directory that is locked: that of a node which leads a cluster. */
  readonly over?: StoreBelow | undefined;
  /** What it has in common with other stores of its process, each in the place of one of its own; these outlive it. */
  readonly metrics?: Metrics | undefined;
  readonly audit?: Audit | undefined;
}

/** What a log is opened over. */
export interface StoreBelow {
  readonly engine: Engine;
  /** Absolute. */
  readonly storeFile: string;
  readonly isNew: boolean;
  /** Numbers of its basins and streams begin after it, where it has none yet. */
  readonly numbersFrom?: number;
  /** See `LogOptions`; also of basins that the settings or the init file name. */
  readonly holds?: (basin: string) => boolean;
  /** Called when what is stored is damaged. */
  readonly onDamaged?: (error: TailraceError) => void;
}

/** An open data directory, without servers. */
export interface OpenStore {
  readonly config: Config;
  /** Absolute. */
  readonly dataDir: string;
  /** The file of the store in it. */
  readonly storeFile: string;
  /** Whether the directory contained no store before. */
  readonly isNew: boolean;
  readonly engine: Engine;
  readonly log: Log;
  readonly usage: Usage;
  readonly metrics: Metrics;
  /** How much streams got lately. */
  readonly rates: StreamRates;
  /** Passes events to all of them. */
  readonly observer: LogObserver;
  readonly logger: Logger;
  readonly audit: Audit;
  readonly clock: Clock;
  /** What the init file declares. Only a server creates its tokens. */
  readonly init: InitSpec | undefined;
  /** Waits for work in progress, then releases the directory. May be called twice. */
  close(): Promise<void>;
}

const OPEN_CHECKS: Checks<OpenStoreParts> = {
  ...{ ...PART_CHECKS, wrapEngine: optional(expectFunction) },
  ...{ over: optional(expectObject), metrics: optional(expectObject), audit: optional(expectObject) },
};

/**
 * Opens a data directory for this process alone, and creates the default basin if it is missing.
 * @throws TailraceError as `createServer`
 */
export async function openStore(config: Config, parts: OpenStoreParts): Promise<OpenStore> {
  checkParts(parts, OPEN_CHECKS);
  const clock = parts.clock ?? SYSTEM_CLOCK;
  // Our own logger redacts whole lines, and only those that are written.
  const ownLogger = () => createLogger(config.logLevel, logDestination(config.logFormat));
  const logger = parts.logger === undefined ? ownLogger() : redactingLogger(parts.logger);
  const audit = parts.audit ?? new Audit(logger, clock);
  const dataDir = resolve(config.dataDir);
  // A mistake in the file is reported before anything is created.
  const init = await readInit(config);
  // Opened in this order and closed in reverse, also when a later step fails.
  const open: { close(): Promise<void> }[] = [];
  if (audit !== parts.audit) open.push({ close: async () => audit.close() });
  const close = async (): Promise<void> => {
    for (let last = open.pop(); last !== undefined; last = open.pop()) await last.close();
  };
  try {
    const below = parts.over ?? (await openDataDir(config, dataDir, logger, open));
    const engine = parts.wrapEngine?.(below.engine) ?? below.engine;
    open.push(engine);
    const onError = (error: unknown): void => logger.warn({ err: error }, 'usage metrics could not be written');
    const usage = await Usage.open({ engine, clock, onError });
    open.push(usage);
    const metrics = parts.metrics ?? new Metrics();
    const rates = new StreamRates(clock);
    const observer = observers(observers(usage, metrics), rates.observer);
    const holds = below.holds ?? (() => true);
    const isDefaultHere = holds(config.defaultBasin);
    const log = await Log.open(engine, {
      ...(isDefaultHere ? { keptBasin: defaultBasinOf(config, init) } : {}),
      ...(below.numbersFrom === undefined ? {} : { numbersFrom: below.numbersFrom }),
      holds: below.holds,
      clock,
      observer,
      onFatal: (error) => parts.onFatal?.(error),
      onBackgroundError: (error) => logger.warn({ err: error }, 'background work stopped: it is tried again'),
      whenFull: config.whenFull,
      onDamaged: (error) => below.onDamaged?.(error),
      onDropped: () => logger.warn({}, 'the store was full: its oldest records were dropped (--when-full drop-oldest)'),
      onClockPause: (pause) => logger.warn(pauseFields(pause), CLOCK_PAUSED),
    });
    open.push(log);
    if (isDefaultHere) await ensureDefaultBasin(log, config);
    if (init !== undefined) {
      const own = { ...init, basins: init.basins.filter(({ name }) => holds(name)) };
      const outcome = await audited(audit, 'apply-init-file', applyInitFile(own, log, clock));
      logger.info({ ...outcome }, 'applied the init file');
    }
    usage.start(log);
    const { storeFile, isNew } = below;
    const shared = { usage, metrics, rates, observer, logger, audit };
    return { config, dataDir, storeFile, isNew, engine, log, ...shared, clock, init, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs an action of the control plane at a start, and audits it. */
async function audited<T>(audit: Audit, action: AuditAction, work: Promise<T>): Promise<T> {
  try {
    const done = await work;
    audit.write(byOurselves(action));
    return done;
  } catch (error) {
    audit.write(byOurselves(action), asFatal(error));
    throw error;
  }
}

/** Subject of the actions that the server does by itself. */
export function byOurselves(action: AuditAction): AuditSubject {
  return { action, protocol: 'start', principal: 'server' };
}

/** What is opened before a later step fails is put into `open`. */
async function openDataDir(
  config: Config,
  dataDir: string,
  logger: Logger,
  open: { close(): Promise<void> }[],
): Promise<StoreBelow> {
  await ownDataDir(dataDir, logger, open);
  const isNew = !(await readdir(dataDir)).includes(STORE_FILE);
  const engine = await openEngine(config, dataDir);
  open.push(engine);
  await expectOfNoCluster(engine, dataDir);
  open.pop();
  return { engine, storeFile: storeFileIn(dataDir), isNew };
}

/** Makes or narrows the directory and locks it. @throws TailraceError `config`, `data_dir_in_use` */
export async function ownDataDir(dataDir: string, logger: Logger, open: { close(): Promise<void> }[]): Promise<void> {
  const narrowed = prepareDataDir(dataDir);
  if (narrowed !== undefined) logger.warn({ dataDir, was: octal(narrowed), now: octal(0o700) }, NARROWED);
  const lock = await lockDataDir(dataDir);
  open.push({ close: () => lock.release() });
}

/** The file of the store in a data directory. */
export function storeFileIn(dataDir: string): string {
  return join(dataDir, STORE_FILE);
}

/** Opens the store in a directory that is locked. @throws TailraceError as {@link openLmdbEngine} */
export function openEngine(config: Config, dir: string): Promise<LatchingEngine> {
  return openLmdbEngine({
    path: dir,
    allowNetworkFs: config.allowNetworkFs,
    ...(config.storeBytesMax === undefined ? {} : { storeBytesMax: config.storeBytesMax }),
  });
}

const NARROWED = 'others could write in the data directory: now only its owner may use it';

const CLOCK_PAUSED =
  'the clock of this machine jumped ahead: no record expires for a day, or until `tailrace clock confirm` says it is right';

function pauseFields({ expected, wall }: ClockPause): Record<string, string> {
  return { expected: new Date(expected).toISOString(), clock: new Date(wall).toISOString() };
}

/**
 * The default basin as a start of the server makes it. Its streams are created by appends, not by reads: a mistyped
 * name in a reader creates nothing. What the init file says about it counts too.
 */
function defaultBasinOf({ defaultBasin: name, defaultStream }: Config, init: InitSpec | undefined): KeptBasin {
  const own = resolveBasinConfig({ createStreamOnAppend: true, otlpDefaultStream: defaultStream });
  const declared = init?.basins.find((basin) => basin.name === name);
  return { name, config: declared === undefined ? own : resolveBasinConfig(declared.config, own) };
}

/** An existing default basin keeps its settings, except for the template, which is a setting of the server. */
async function ensureDefaultBasin(log: Log, config: Config): Promise<void> {
  const { defaultBasin: name, defaultStream: otlpDefaultStream } = config;
  const known = log.basin(name);
  if (known === undefined) {
    await log.ensureBasin(name, { createStreamOnAppend: true, otlpDefaultStream });
  } else if (known.deletedAt !== undefined) {
    // Deleted while another basin was the default: the deletion goes on, and the name gets a new basin.
    await log.deleteBasin(name);
  } else if (known.config.otlpDefaultStream !== otlpDefaultStream) {
    await log.reconfigureBasin(name, { otlpDefaultStream });
  }
}

/** An error that was not expected is our own fault. */
export function asFatal(error: unknown): TailraceError {
  return error instanceof TailraceError ? error : new TailraceError('fatal', 'a fault of the server', { cause: error });
}
