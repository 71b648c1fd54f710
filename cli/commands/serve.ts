/** `tailrace serve`: the server, its banner, and an orderly end. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../src/config.ts';
import { TailraceError } from '../../src/model/error.ts';
import { createLogger, type Logger, logDestination } from '../../src/observe/logger.ts';
import type { ServerAddress, ServerDescription, SupervisedServer, TailraceServer } from '../../src/server.ts';
import { DEFAULT_ENDPOINT } from '../default-endpoint.ts';
import { EXIT } from '../exit.ts';
import { addSettingFlags, resolvedSettings } from '../flags/settings.ts';
import { watchHangUps } from '../hang-up.ts';
import { endAtOnce, firstSignal, watchdog } from '../lifetime.ts';
import { openBrowser } from '../open-browser.ts';
import { type Banner, type BannerAuth, bannerText, pageOf } from '../print/banner.ts';
import { openOutput, outlivePipe, type ReporterOptions } from '../print/console.ts';
import { createReload } from '../reload.ts';
import type { Supervisor } from '../supervisor.ts';

/** Where systemd's protocol begins to number the descriptors that it passes: sd_listen_fds(3). */
const FIRST_FD = 3;

const EXAMPLES = `
Each flag but --open has an environment variable, and a key in the file of --config. Flags win over variables,
these over the file, and it over the defaults. SIGHUP makes it read the TLS certificate and key and the log level again;
when its terminal is gone, it stops in order.

Examples:
  tailrace serve                                    on http://127.0.0.1:4318, with the store in ./data
  tailrace serve --port 0 --data-dir /tmp/try       on any free ports
  tailrace serve --open                             and open its page in the browser
  tailrace serve --no-auth                          without tokens, for this machine only
  tailrace serve --config tailrace.yaml             settings from a file, see \`tailrace config\`
  TAILRACE_PORT=5000 tailrace serve`;

/** Gives the command its flags and its action. */
export function addServe(command: Command): void {
  command
    .description('Takes OTLP in, keeps it in the data directory, and serves readers, until SIGTERM or Ctrl-C.')
    .addHelpText('after', EXAMPLES);
  addSettingFlags(command);
  command.option('--open', 'open the page in the browser (BROWSER names another one) as soon as the server is up');
  command.action((_options, self: Command) => serve(self));
}

async function serve(command: Command): Promise<void> {
  outlivePipe();
  const { config } = await resolvedSettings(command);
  const logger = createLogger(config.logLevel, logDestination(config.logFormat));
  const onFatal = (error: unknown) => {
    logger.error({ err: error }, 'a fault of the server: it ends here, and a restart is clean');
    endAtOnce('SIGABRT');
  };
  process.on('uncaughtException', onFatal);
  // Before anything is opened or printed: a reader of the banner may stop us at once.
  const hangUps = watchHangUps();
  const stopped = Promise.race([firstSignal(), hangUps.gone]);
  let signal: Awaited<typeof stopped>;
  const server = await serverFor(config, { logger, onFatal });
  const supervisor = await supervisorFor(server, logger);
  try {
    const address = await server.listen(inheritedSocket(process.env, process.pid));
    const settings = async (): Promise<Config> => (await resolvedSettings(command)).config;
    hangUps.onReload(createReload(config, { server, logger, settings }));
    // A login goes to a terminal only, as the root token does.
    const login = process.stdout.isTTY === true ? server.issueLogin() : undefined;
    await print(
      bannerText({ ...bannerOf(address, await server.describe(), config), login }),
      command.optsWithGlobals<ReporterOptions>(),
    );
    if (command.opts<{ readonly open?: true }>().open === true) openPage(server, address.url, logger);
    supervisor?.ready(`listening on ${address.url}`);
    signal = await stopped;
    supervisor?.stopping();
    logger.info({ signal }, 'stopping: finishing what is under way; a second signal ends at once');
  } finally {
    supervisor?.close();
    await closeInTime(server, config, logger);
  }
  logger.info({}, 'stopped');
  // An exit sets the modes of the terminal back, and Node takes it as a fault when there is none.
  if (signal === 'SIGHUP') return endAtOnce(signal);
  // Nothing is in flight any more, so nothing may keep the process alive.
  process.exit(EXIT.ok);
}

/** The store's native code is loaded only by the command that needs it, and what a cluster takes only by its nodes. */
async function serverFor(
  config: Config,
  parts: { readonly logger: Logger; readonly onFatal: (error: unknown) => void },
): Promise<SupervisedServer> {
  // The allocator of lz4-napi reads it when it is loaded. It then gives freed blocks back to the system at once, not late or
  // never: without this a server that gets large bodies keeps hundreds of megabytes of them.
  process.env.MIMALLOC_PURGE_DELAY ??= '0';
  if (config.cluster === undefined) return (await import('../../src/server.ts')).createServer(config, parts);
  return (await import('../../src/node/cluster-node.ts')).createClusterNode(config, parts);
}

/** Undefined when none wants to be told. A store that takes no writes until a restart is not alive, as for `/health`. */
async function supervisorFor(server: SupervisedServer, logger: Logger): Promise<Supervisor | undefined> {
  if (process.env.NOTIFY_SOCKET === undefined) return undefined;
  const { supervisorOf } = await import('../supervisor.ts');
  return supervisorOf({ env: process.env, logger, pid: process.pid, isAlive: () => server.isAlive() });
}

/** In the background, with a login of its own: the one that was shown is left to whoever reads it. */
function openPage(server: TailraceServer, url: string, logger: Logger): void {
  void openBrowser(pageOf(url, server.issueLogin())).then((fault) => {
    if (fault !== undefined) logger.warn({}, `${fault}: ${pageOf(url, undefined)}`);
  });
}

function bannerOf({ url, grpc }: ServerAddress, store: ServerDescription, config: Config): Banner {
  const { dataDir, isNew, streams, bytes, cluster } = store;
  const isDefault = url === DEFAULT_ENDPOINT && dataDir === path.resolve('data');
  const auth = authOf(store, config);
  return { url, grpcUrl: grpc?.url, dataDir, isNew, streams, bytes, auth, cluster, isDefault };
}

/** The secret goes to a terminal only: what stdout is piped into may be kept for years. */
function authOf({ rootToken: token, cluster }: ServerDescription, config: Config): BannerAuth {
  if (token === undefined) return { type: 'none' };
  if (config.rootToken !== undefined || token.file === undefined) return { type: 'variable' };
  const file = path.resolve(token.file);
  if (!existsSync(file)) {
    return cluster === undefined ? { type: 'elsewhere', dataDir: path.dirname(file) } : { type: 'cluster' };
  }
  const isShown = token.made !== undefined && process.stdout.isTTY === true;
  return isShown ? { type: 'secret', secret: token.made, file } : { type: 'file', file };
}

async function print(text: string, options: ReporterOptions): Promise<void> {
  const output = await openOutput(undefined, options);
  await output.write(text);
}

/** Closes the server; when that takes longer than the shutdown timeout, the process ends anyway. */
async function closeInTime(server: TailraceServer, config: Config, logger: Logger): Promise<void> {
  const cancel = watchdog(config.shutdownTimeout, () => {
    logger.error({}, `not closed within ${config.shutdownTimeout} ms: ending without waiting any longer`);
    endAtOnce('SIGTERM');
  });
  await server.close();
  cancel();
}

/**
 * The descriptor of the socket that was passed to the process `pid`; undefined when none was.
 * @throws TailraceError `config` when there are several
 */
export function inheritedSocket(env: Readonly<Record<string, string | undefined>>, pid: number): number | undefined {
  const { LISTEN_FDS: count, LISTEN_PID: meant } = env;
  // The variables of a parent that was activated are not meant for us.
  if (count === undefined || meant !== String(pid)) return undefined;
  if (count === '1') return FIRST_FD;
  throw new TailraceError(
    'config',
    `LISTEN_FDS is ${JSON.stringify(count)}, must be 1: the server takes one socket, so set one ListenStream`,
  );
}
