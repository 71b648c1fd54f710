/** Calls that look at many rows of the control plane: access tokens, usage, the counters of the server. */

import { type Attack, call, type Target } from './attack.ts';
import { distinctStreams } from './bodies.ts';

const TOKENS = 20_000;
const AT_ONCE = 50;
const STREAMS = 10_000;
const RANGE_SECONDS = 90 * 86_400;
const IN_TELEMETRY = { 's2-basin': 'telemetry' };

export const ROWS_ATTACKS: readonly Attack[] = [
  rows('list access tokens', 250, withTokens, '/v1/access-tokens?limit=1000'),
  rows('list access tokens of a prefix that is not there', 250, withTokens, '/v1/access-tokens?prefix=u&limit=1000'),
  rows('metrics of the server', 64, withStreams, '/metrics'),
  rows('a page of streams whose prefix is not there', 250, withStreams, '/v1/streams?prefix=zzz&limit=1000'),
  ...['storage', 'append-ops', 'read-throughput'].map((set) =>
    rows(`90 days of ${set} of a basin`, 64, withStreams, usage('/v1/metrics/telemetry', set)),
  ),
  rows('90 days of the account by hour', 64, withStreams, usage('/v1/metrics', 'account-ops')),
  rows('90 days of storage of a stream', 64, withStreams, usage('/v1/metrics/telemetry/s%2F0', 'storage')),
];

/** Issued once, by the first attack that needs them. */
let tokens: Promise<void> | undefined;

function withTokens(target: Target): Promise<void> {
  const issue = (index: number): Promise<string> => {
    const scope = { basins: { exact: 'telemetry' }, streams: { prefix: `s/${index}` }, ops: ['append', 'read'] };
    const body = JSON.stringify({ id: `t/${index}`, scope });
    const headers = { 'content-type': 'application/json' };
    return call(target, { method: 'POST', path: '/v1/access-tokens', headers, body });
  };
  tokens ??= (async () => {
    for (let i = 0; i < TOKENS; i += AT_ONCE) {
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, k) => issue(i + k)));
      if (!answers.every((answer) => answer.startsWith('201'))) throw new Error(`not issued: ${answers[0]}`);
    }
  })();
  return tokens;
}

async function withStreams(target: Target): Promise<void> {
  const headers = { 'content-type': 'application/x-protobuf' };
  await call(target, { method: 'POST', path: '/v1/logs', headers, body: distinctStreams(STREAMS) });
}

function usage(path: string, set: string): string {
  const end = Math.floor(Date.now() / 1000);
  return `${path}?set=${set}&start=${end - RANGE_SECONDS}&end=${end}`;
}

function rows(name: string, together: number, before: (target: Target) => Promise<void>, path: string): Attack {
  return {
    name: `rows: ${name}`,
    together,
    prepare: async (target) => {
      await before(target);
      const answer = await call(target, { method: 'GET', path, headers: IN_TELEMETRY });
      if (!answer.startsWith('200')) throw new Error(`${name}: ${answer}`);
      return () => call(target, { method: 'GET', path, headers: IN_TELEMETRY });
    },
  };
}
