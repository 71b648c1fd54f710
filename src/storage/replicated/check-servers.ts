/** Asks the monitoring port of each NATS server whether data is safe there, and says what is wrong in words for operators. */

import { MONITORING_BYTES_MAX, MONITORING_CALL_MS } from '../../model/limits.ts';

export interface ServerFinding {
  /** An error is no safe place for data; with a warning the data of the others is safe. */
  readonly severity: 'error' | 'warning';
  readonly kind: 'unreachable' | 'old' | 'no-jetstream' | 'unsynced' | 'lost';
  readonly what: string;
  readonly fix: string;
}

type MonitoringJson = Readonly<Record<string, unknown>>;

const VERSION_MIN: readonly [number, number] = [2, 15];

/** All servers at once; each has a time limit. @param monitors such as `http://host:8222` */
export async function checkServers(monitors: readonly string[], cluster: string): Promise<readonly ServerFinding[]> {
  const found = await Promise.all(monitors.map((monitor) => checkServer(monitor, cluster)));
  return found.flat();
}

async function checkServer(monitor: string, cluster: string): Promise<readonly ServerFinding[]> {
  const url = monitor.replace(/\/+$/, '');
  const [general, streams] = await Promise.all([ask(`${url}/varz`), ask(`${url}/jsz?streams=1`)]);
  if (general === undefined) {
    return [
      {
        severity: 'warning',
        kind: 'unreachable',
        what: `The NATS server at ${url} does not answer on its monitoring port.`,
        fix: 'Start it, and give it a monitoring port ("http: 8222" in its configuration) that this node can reach.',
      },
    ];
  }
  const name = typeof general.server_name === 'string' ? `${general.server_name} (${url})` : url;
  return [
    ...checkGeneral(name, general),
    ...streamsOf(streams, cluster).flatMap((stream) => checkStream(name, stream)),
  ];
}

function checkGeneral(name: string, general: MonitoringJson): readonly ServerFinding[] {
  const found: ServerFinding[] = [];
  const version = typeof general.version === 'string' ? general.version : 'unknown';
  if (!isNewEnough(version)) {
    found.push({
      severity: 'error',
      kind: 'old',
      what: `The NATS server ${name} has version ${version}.`,
      fix: `Install nats-server ${VERSION_MIN.join('.')} or later.`,
    });
  }
  const config = child(child(general, 'jetstream'), 'config');
  if (config === undefined) {
    found.push({
      severity: 'error',
      kind: 'no-jetstream',
      what: `The NATS server ${name} runs without JetStream.`,
      fix: 'Turn it on: "jetstream { store_dir: …, sync_interval: always }" in its configuration.',
    });
  } else if (config.sync_always !== true) {
    found.push({
      severity: 'error',
      kind: 'unsynced',
      what: `The NATS server ${name} acknowledges data before it is on its disk: a power failure may lose it.`,
      fix: 'Set "sync_interval: always" in the jetstream block of its configuration and restart it.',
    });
  }
  return found;
}

/** A copy with holes: nothing of ours deletes single messages. */
function checkStream(name: string, stream: MonitoringJson): readonly ServerFinding[] {
  const state = child(stream, 'state');
  const lost = child(state, 'lost');
  const messages = Math.max(count(state?.num_deleted), Array.isArray(lost?.msgs) ? lost.msgs.length : 0);
  if (messages === 0 && count(lost?.bytes) === 0) return [];
  return [
    {
      severity: 'warning',
      kind: 'lost',
      what: `The copy of the stream ${String(stream.name)} on the NATS server ${name} lacks ${messages} messages.`,
      fix: 'Check its disk. While the others are up, stop it, move all of its "store_dir" away, and start it: it takes its copies from the others.',
    },
  ];
}

/** All partitions of our cluster that a server has: the name of another cluster may begin with that of ours. */
function streamsOf(answer: MonitoringJson | undefined, cluster: string): readonly MonitoringJson[] {
  const partition = new RegExp(`^${cluster}-p\\d+$`);
  return objects(answer?.account_details)
    .flatMap((account) => objects(account.stream_detail))
    .filter(({ name }) => typeof name === 'string' && partition.test(name));
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [majorMin, minorMin] = VERSION_MIN;
  return major > majorMin || (major === majorMin && minor >= minorMin);
}

/** JSON of one page; undefined when there is none in time, or too much. */
async function ask(url: string): Promise<MonitoringJson | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(MONITORING_CALL_MS), redirect: 'error' });
    if (!response.ok || response.body === null) return undefined;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > MONITORING_BYTES_MAX) return undefined;
      chunks.push(chunk);
    }
    return asObject(JSON.parse(Buffer.concat(chunks).toString()));
  } catch {
    // Whatever it is, the operator has to look at that server.
    return undefined;
  }
}

function child(parent: MonitoringJson | undefined, name: string): MonitoringJson | undefined {
  return asObject(parent?.[name]);
}

function asObject(value: unknown): MonitoringJson | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

function objects(value: unknown): readonly MonitoringJson[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  return items.map(asObject).filter((item) => item !== undefined);
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
