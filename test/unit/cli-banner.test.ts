/** What `serve` prints: lines to paste, and a secret only where it may be shown. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Banner, bannerText } from '../../cli/print/banner.ts';

const banner: Banner = {
  url: 'http://127.0.0.1:4318',
  grpcUrl: undefined,
  dataDir: '/var/lib/tailrace',
  isNew: true,
  streams: 0,
  bytes: 0,
  auth: { type: 'file', file: '/var/lib/tailrace/root-token' },
  isDefault: true,
};
const SECRET = `trk_${'ab'.repeat(24)}`;

describe('the banner', () => {
  test('begins with the line that scripts wait for', () => {
    expect(bannerText(banner).split('\n')[0]).toBe('listening on http://127.0.0.1:4318');
  });

  test('says where the data is, and whether it was there before', () => {
    expect(bannerText(banner)).toContain('# data directory /var/lib/tailrace (new; 0 streams, 0 B)');
    const found = bannerText({ ...banner, isNew: false, streams: 1, bytes: 2_048 });
    expect(found).toContain('(found; 1 stream, 2.0 KiB)');
  });

  test('shows the secret only when it is handed over for that', () => {
    const auth = { type: 'secret', secret: SECRET, file: '/d/root-token' } as const;
    expect(bannerText({ ...banner, auth })).toContain(`"Authorization=Bearer%20${SECRET}"`);
    expect(bannerText({ ...banner, auth: { type: 'none' } })).not.toContain('HEADERS');
    expect(bannerText({ ...banner, auth: { type: 'variable' } })).toContain('Bearer%20$TAILRACE_ROOT_TOKEN');
  });

  test('shows where the page is, and a login only when it is handed over for that', () => {
    expect(bannerText(banner)).toContain('\n# open the page:  http://127.0.0.1:4318/\n');
    const shown = bannerText({ ...banner, url: 'http://0.0.0.0:4318', login: 'lgn_1' });
    expect(shown).toContain('\n# open the page:  http://127.0.0.1:4318/#login=lgn_1  (60 s, once)\n');
  });

  test('names an address that can be connected to', () => {
    expect(bannerText({ ...banner, url: 'http://0.0.0.0:1' })).toContain('ENDPOINT=http://127.0.0.1:1\n');
    expect(bannerText({ ...banner, url: 'http://[::]:1' })).toContain('ENDPOINT=http://127.0.0.1:1\n');
  });

  test('names the port of gRPC in a line to paste, and only where it is on', () => {
    const line =
      '# over gRPC:  export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n';
    expect(bannerText({ ...banner, grpcUrl: 'http://127.0.0.1:4317' })).toContain(line);
    expect(bannerText({ ...banner, grpcUrl: 'http://0.0.0.0:4317' })).toContain(line);
    expect(bannerText(banner)).not.toContain('grpc');
  });

  test('says how to watch, also where nothing is found by itself', () => {
    expect(bannerText(banner)).toContain('npx tailrace tail my-app\n');
    expect(bannerText({ ...banner, isDefault: false })).toContain(
      'tail my-app --endpoint http://127.0.0.1:4318 --token-file /var/lib/tailrace/root-token\n',
    );
  });

  test('says which node of the cluster leads, or that none is known to, and counts no streams that it does not know', () => {
    const cluster = { name: 'shops', leader: 'http://10.0.0.7:4318' };
    const node = { ...banner, cluster, streams: undefined, auth: { type: 'cluster' } } as const;
    expect(bannerText(node)).toContain('\n# node of cluster shops: http://10.0.0.7:4318 leads\n');
    expect(bannerText(node)).toContain('(new; 0 B)');
    const alone = bannerText({ ...node, cluster: { ...cluster, leader: undefined } });
    expect(alone).toContain('\n# node of cluster shops: no node is known to lead yet\n');
    expect(bannerText(banner)).not.toContain('cluster');
  });

  test('says that the root token is that of the cluster where this node does not have it, and not that none is needed', () => {
    const shown = bannerText({ ...banner, auth: { type: 'cluster' } });
    expect(shown).toContain('# the root token is that of the cluster');
    expect(shown).toContain('Bearer%20$TAILRACE_TOKEN');
    expect(shown).not.toContain('no authentication');
  });

  test('can be pasted into a shell, whatever the path looks like', () => {
    const folder = mkdtempSync(join(tmpdir(), "tailrace it's $HOME "));
    try {
      const file = join(folder, 'root-token');
      writeFileSync(file, `${SECRET}\n`);
      const lines = bannerText({ ...banner, auth: { type: 'file', file } });
      const script = `${lines.slice(lines.indexOf('\n'))}\nprintf %s "$OTEL_EXPORTER_OTLP_HEADERS|$OTEL_SERVICE_NAME|$OTEL_RESOURCE_ATTRIBUTES"`;
      expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(
        `Authorization=Bearer%20${SECRET}|my-app|s2.stream=my-app`,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
