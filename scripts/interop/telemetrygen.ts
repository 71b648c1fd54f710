/** What telemetrygen sends with several workers, over HTTP and gRPC, is stored as it sends it. */

import path from 'node:path';
import { SIGNALS } from '../../src/model/record.ts';
import { Capture } from './capture.ts';
import { compareWithReader } from './comparison.ts';
import { countText, expectThat, report } from './report.ts';
import { RestartableServer } from './restartable-server.ts';
import { built, needPrograms, run as start } from './tool-chain.ts';

const MODULE = 'github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@v0.161.0';
const WORKERS = 3;
const EACH = 200;

export async function run(): Promise<void> {
  needPrograms('go');
  const folder = await built('telemetrygen', { module: MODULE }, (step, target) => {
    step('env', `GOBIN=${target}`, 'go', 'install', MODULE);
  });
  for (const protocol of ['http', 'grpc'] as const) await generate(path.join(folder, 'telemetrygen'), protocol);
}

async function generate(file: string, protocol: 'http' | 'grpc'): Promise<void> {
  const server = await RestartableServer.start();
  const capture = await Capture.start({ ports: server.ports });
  try {
    for (const signal of SIGNALS) {
      const args = [
        ...[signal, `--${signal}`, String(EACH), '--workers', String(WORKERS), '--rate', '0', '--otlp-insecure'],
        ...['--otlp-endpoint', new URL(protocol === 'http' ? capture.httpUrl : capture.grpcUrl).host],
        ...['--otlp-header', `authorization="Bearer ${server.token}"`],
        ...['--otlp-attributes', `s2.stream="interop/${signal}"`, '--telemetry-attributes', 'text="häuser 世界"'],
        ...(protocol === 'http' ? ['--otlp-http', '--otlp-http-url-path', `/v1/${signal}`] : []),
      ];
      const { code, output } = await start({ file, args }, {}).ended;
      expectThat(code === 0, `telemetrygen ends with 0, not ${code}:\n${output}`);
    }
    const compared = await compareWithReader(capture.sent, server);
    report(`telemetrygen, ${protocol}: ${countText(compared)}`);
    expectThat(compared.requests === compared.acknowledged, 'every request is acknowledged');
    expectThat(compared.items >= SIGNALS.length * WORKERS * EACH, 'all items are stored');
  } finally {
    capture.close();
    await server.stop();
  }
}
