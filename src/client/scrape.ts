/** What a server counts of itself, as Prometheus scrapes it. */

import { exchange, expectSuccess, identityHeaders } from './calls.ts';
import type { RequestOptions, ServerTarget } from './request.ts';

/** One number of one series. */
export interface ScrapedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const PATH = '/metrics';
const BAD_REQUEST = 400;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** @throws TailraceError `permission_denied` without the operation account-metrics */
export async function fetchScrape(
  target: ServerTarget,
  { signal }: Pick<RequestOptions, 'signal'> = {},
): Promise<readonly ScrapedSample[]> {
  const headers = { ...identityHeaders(target, undefined), accept: 'text/plain' };
  const ask = (path: string) => exchange({ method: 'GET', url: target.endpoint + path, headers, signal });
  // A node of a cluster that does not lead counts its own readers alone.
  let answer = await ask(`${PATH}?of=leader`);
  // Older servers do not know the parameter.
  if (answer.status === BAD_REQUEST) answer = await ask(PATH);
  expectSuccess(answer, `GET ${PATH}`);
  return Buffer.from(answer.body).toString('utf8').split('\n').flatMap(sampleIn);
}

/** Comments and what is no sample are left out. */
function sampleIn(line: string): readonly ScrapedSample[] {
  const [, name, labels = '', number = ''] = SAMPLE.exec(line) ?? [];
  if (name === undefined) return [];
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
  const pairs = [...labels.matchAll(LABEL)].map(([, label = '', text = '']) => [label, text] as const);
  return [{ name, labels: Object.fromEntries(pairs), value }];
}
