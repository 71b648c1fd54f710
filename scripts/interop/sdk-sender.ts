/** The sender of one language against fresh servers: in each protocol and compression, then while the server is killed. */

import { Capture } from './capture.ts';
import { compareWithReader } from './comparison.ts';
import type { Language, Variant } from './languages.ts';
import { countText, expectThat, report } from './report.ts';
import { RestartableServer } from './restartable-server.ts';
import { type Command, run } from './tool-chain.ts';

const ROUNDS = 10;
/** What a round of every sender holds. */
const LOGS = 20;
const SPANS = 10;
const KILLS = 3;
const ROUNDS_WITH_KILLS = 60;
const PAUSE_MS = 200;
/** Acknowledged requests before each kill. */
const ACKNOWLEDGED = 6;

export async function runSender(name: string, language: Language): Promise<void> {
  const command = await language.build();
  for (const variant of language.variants) await send(name, language, command, variant, 0);
  const protocols = new Set(language.variants.map(({ protocol }) => protocol));
  for (const protocol of protocols) {
    if (protocol === 'http/json') continue;
    await send(name, language, command, { protocol, compression: 'none' }, KILLS);
  }
}

async function send(
  name: string,
  language: Language,
  command: Command,
  { protocol, compression }: Variant,
  kills: number,
): Promise<void> {
  const server = await RestartableServer.start();
  const capture = await Capture.start({ ports: server.ports });
  try {
    const { ended } = run(command, {
      ...language.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? capture.grpcUrl : capture.httpUrl,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_INSECURE: 'true',
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer${language.undecoded?.includes(protocol) ? ' ' : '%20'}${server.token}`,
      ...(compression === 'none' ? {} : { OTEL_EXPORTER_OTLP_COMPRESSION: compression }),
      OTEL_SERVICE_NAME: 'interop',
      OTEL_RESOURCE_ATTRIBUTES: `s2.stream=interop/${name}`,
      INTEROP_ROUNDS: String(kills === 0 ? ROUNDS : ROUNDS_WITH_KILLS),
      INTEROP_PAUSE_MS: String(kills === 0 ? 0 : PAUSE_MS),
    });
    const killed = await killWhile(kills, server, capture, ended);
    const { code, output } = await ended;
    const compared = await compareWithReader(capture.sent, server);
    report(`${name}, ${protocol}, ${compression}${kills === 0 ? '' : `, ${killed} kills`}: ${countText(compared)}`);
    expectThat(code === 0, `the sender ends with 0, not ${code}:\n${output}`);
    expectThat(killed === kills, `the server is killed ${kills} times`);
    if (kills === 0) {
      const wanted = ROUNDS * (LOGS + SPANS);
      const refused = capture.sent.filter(({ isAcknowledged }) => !isAcknowledged);
      expectThat(refused.length === 0, `every request is acknowledged: ${refused[0]?.status} ${refused[0]?.answer}`);
      expectThat(compared.items > wanted, `more than ${wanted} logs and spans, and metrics, are stored`);
      const codings = new Set(capture.sent.map(({ coding }) => coding));
      expectThat(compression === 'none' ? codings.has('') : codings.has(compression), `the sender uses ${compression}`);
    }
  } finally {
    capture.close();
    await server.stop();
  }
}

/** Kills the server each time when some more requests were acknowledged; says how often, when the sender has ended. */
export async function killWhile(
  kills: number,
  server: RestartableServer,
  capture: Capture,
  ended: Promise<unknown>,
): Promise<number> {
  const sending = { is: true };
  const end = ended.finally(() => {
    sending.is = false;
  });
  for (let killed = 0; killed < kills; killed++) {
    const goal = capture.acknowledged + ACKNOWLEDGED;
    while (sending.is && capture.acknowledged < goal) await Promise.race([capture.nextEnd(), end]);
    if (!sending.is) return killed;
    await server.kill();
    await server.start();
  }
  return kills;
}
