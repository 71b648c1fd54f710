/** Nodes of a cluster with TLS of a private authority: requests that are passed on, copies of stores, and new certificates. */

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTailrace } from '../../src/library.ts';
import { type Certificate, HAS_OPENSSL, makeCertificate } from '../support/certificate.ts';
import { ClusterNode, leaderOf, untilStanding } from '../support/cluster-nodes.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { EXPORT, GrpcClient } from '../support/grpc-call.ts';
import { call } from '../support/http-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { logs } from '../support/otlp-post.ts';
import { requestOf } from '../support/otlp-send.ts';
import { field } from '../support/otlp-wire.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const AUTHORIZED = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

let dir: string;
let nats: NatsServers;
let first: Certificate;
let second: Certificate;
/** Where the nodes look for their certificate, and for those that they trust. */
let tls: { cert: string; key: string; ca: string };
let leader: ClusterNode;
let follower: ClusterNode;

// Certificates are made by openssl.
const TITLE = `a cluster with TLS between its nodes${HAS_OPENSSL ? '' : ' (skipped: openssl is missing)'}`;
(HAS_OPENSSL ? describeWithNats : describe.skip)(TITLE, () => {
  beforeAll(begin);
  afterAll(end);
  passOn();
  renewCertificates();
});

async function begin(): Promise<void> {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-cluster-tls-'));
  first = makeCertificate(dir, 'first');
  second = makeCertificate(dir, 'second');
  tls = { cert: path.join(dir, 'live.cert'), key: path.join(dir, 'live.key'), ca: path.join(dir, 'ca') };
  install(first);
  writeFileSync(tls.ca, `${first.ca}\n${second.ca}`);
  nats = await startNatsServers(1);
  const setup = { nats, replicas: 1, dir, token: TOKEN, tls } as const;
  leader = await ClusterNode.at(setup, 'a');
  follower = await ClusterNode.at(setup, 'b');
  const store = await openTailrace({ dataDir: leader.dataDir, logLevel: 'silent' });
  await store.append('before', [{ body: 'one' }]);
  await store.close();
  await leader.start();
  await leaderOf([leader]);
  await follower.start();
  await untilStanding(follower, (standing) => standing.leader === leader.url);
}

async function end(): Promise<void> {
  await Promise.all([leader, follower].map((node) => node.stop('SIGKILL')));
  await nats.dispose();
  rmSync(dir, { recursive: true });
}

function install({ cert, key }: Certificate): void {
  copyFileSync(cert, tls.cert);
  copyFileSync(key, tls.key);
}

function passOn(): void {
  test('a node that joins takes its copy over TLS', () => {
    expect(follower.server.stderr()).toContain('takes a snapshot');
  });

  test('a node that does not lead passes requests on over TLS: HTTP/1.1, HTTP/2 and gRPC', async () => {
    const ca = readFileSync(tls.ca, 'utf8');
    const posted = (text: string) => ({
      ...{ path: '/v1/logs', headers: AUTHORIZED },
      body: JSON.stringify(logs({ 's2.stream': 'otlp' }, { body: { stringValue: text } })),
    });
    expect(await call(follower.port, { ...posted('over HTTP/1.1'), ca })).toMatchObject({ status: 200 });
    const http2 = await connectHttp2(follower.url, { ca });
    expect(await http2.call(posted('over HTTP/2'))).toMatchObject({ status: 200 });
    await http2.close();
    const grpc = new GrpcClient(follower.server, { credentials: credentials.createSsl(Buffer.from(ca)) });
    expect(await grpc.call(EXPORT.logs, requestOf('otlp', field(5, field(1, 'over gRPC'))))).toMatchObject({ code: 0 });
    grpc.close();
    for (const { port } of [leader, follower]) {
      const read = { method: 'GET', path: '/v1/streams/otlp/records?seq_num=0', headers: AUTHORIZED, ca };
      const { body } = await call(port, read);
      const { records } = JSON.parse(body.toString()) as { records: readonly { body: string }[] };
      expect(records.map((record) => record.body)).toEqual(
        ['over HTTP/1.1', 'over HTTP/2', 'over gRPC'].map((text) => expect.stringContaining(text)),
      );
    }
  });
}

function renewCertificates(): void {
  test('a new certificate is shown after SIGHUP, and nodes go on to reach each other', async () => {
    expect(await shownBy(follower)).toBe('first');
    install(second);
    for (const node of [leader, follower]) {
      const before = node.server.stderr().length;
      node.signal('SIGHUP');
      await until(async () => node.server.stderr().slice(before).includes('read the TLS certificate'));
      expect(await shownBy(node)).toBe('second');
    }
    // The node that led is another process then, with the new certificate only.
    await leader.stop();
    await leaderOf([follower]);
    await leader.start();
    await untilStanding(leader, (standing) => standing.leader === follower.url);
    const ca = readFileSync(tls.ca, 'utf8');
    const tail = { method: 'GET', path: '/v1/streams/otlp/records/tail', headers: AUTHORIZED, ca };
    expect(await call(leader.port, tail)).toMatchObject({ status: 200 });
  });

  test('a node that trusts another authority reaches no node and says why: the control', async () => {
    await leader.stop();
    rmSync(leader.dataDir, { recursive: true });
    const other = makeCertificate(dir, 'other');
    await leader.start('--cluster-ca', other.cert);
    const { problems } = await untilStanding(leader, (standing) => standing.problems.length > 0);
    expect(problems[0]).toMatch(/cannot be reached: .*certificate/);
  });
}

/** The name on the certificate that a new connection gets. */
function shownBy({ port }: ClusterNode): Promise<string> {
  return new Promise((resolve, reject) => {
    const ca = [first.ca, second.ca];
    const socket = connect({ host: '127.0.0.1', port, ca }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}
