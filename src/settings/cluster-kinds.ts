/** The kinds of values that the settings of a cluster have: see `value-kinds.ts`. */

import { z } from 'zod';
import { CLUSTER_PARTITIONS_MAX } from '../model/limits.ts';
import { textList, wholeNumber } from './value-kinds.ts';

const NATS_PORT = '4222';
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

/** As texts with commas between; each becomes `nats://HOST:PORT` or `tls://HOST:PORT`. An empty list means undefined. */
export function natsServers() {
  return urls((given) => {
    const url = urlOf(/^[a-z]+:\/\//.test(given) ? given : `nats://${given}`);
    if (url === undefined || !['nats:', 'tls:'].includes(url.protocol) || !isBare(url)) return undefined;
    return `${url.protocol}//${url.hostname}:${url.port || NATS_PORT}`;
  }, 'is no server of NATS: write nats://host:4222 or tls://host:4222, and put credentials into --cluster-credentials');
}

export function monitorUrls() {
  return urls((given) => {
    const url = urlOf(given);
    return url !== undefined && isHttp(url) && isBare(url) ? url.origin : undefined;
  }, 'is no monitoring URL: write http://host:8222');
}

/** The origin of a URL without a path. */
export function nodeUrl() {
  return z.string().transform((given, context): string => {
    const url = urlOf(given);
    if (url !== undefined && isHttp(url) && isBare(url)) return url.origin;
    context.addIssue({ code: 'custom', message: 'must be a URL without a path, such as http://10.0.0.7:4318' });
    return z.NEVER;
  });
}

export function clusterName() {
  return z.string().regex(NAME, 'must be 1 to 32 lower-case letters, digits and hyphens');
}

export function clusterReplicas() {
  return wholeNumber(1, 5).transform((copies, context): 1 | 3 | 5 => {
    if (copies === 1 || copies === 3 || copies === 5) return copies;
    context.addIssue({ code: 'custom', message: 'must be 3 or 5, or 1 for a trial' });
    return z.NEVER;
  });
}

export function clusterPartitions() {
  return wholeNumber(1, CLUSTER_PARTITIONS_MAX);
}

/** A refusal does not show the value: it may hold a password. */
function urls(normal: (given: string) => string | undefined, fault: string) {
  return textList(normal, () => `has a value that ${fault}`);
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function isHttp({ protocol }: URL): boolean {
  return protocol === 'http:' || protocol === 'https:';
}

function isBare({ username, password, pathname, search, hash, hostname }: URL): boolean {
  return (
    hostname !== '' &&
    username === '' &&
    password === '' &&
    ['', '/'].includes(pathname) &&
    search === '' &&
    hash === ''
  );
}
