/**
 * Starts the files that take longest first, so that none of them is left to run alone at the end. A clean clone has no
 * times of an earlier run, and without them jest goes by the size of files, which says little.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import TestSequencer from '@jest/test-sequencer';
import { ROOT } from './prepare.mjs';

/** Each takes more than twenty seconds where two processors are busy, or waits for so long. */
const LONG = [
  ...['conformance/cli-examples', 'page/live-flow', 'crash/linearizable', 'conformance/event-loop', 'crash/exporters'],
  ...[
    'crash/kill',
    'conformance/h2-restart',
    'conformance/cli-read',
    'conformance/backup-kept',
    'conformance/cli-apply',
  ],
  ...['page/trace', 'page/stream-actions', 'page/metrics', 'page/live', 'page/server', 'page/connect', 'page/streams'],
  ...['conformance/package', 'conformance/control-streams', 'conformance/data-dir', 'conformance/cli-maintenance'],
  ...['conformance/socket-session', 'conformance/readers-stalled', 'conformance/cli-root-token', 'crash/full-disk'],
].map((name) => path.join(ROOT, 'test', `${name}.test.ts`));

const missing = LONG.filter((file) => !existsSync(file));
if (missing.length > 0) throw new Error(`these test files are not there: ${missing.join(', ')}`);

export default class LongestFirst extends TestSequencer {
  sort(tests) {
    const place = ({ path: file }) => (LONG.indexOf(file) + LONG.length + 1) % (LONG.length + 1);
    return super.sort(tests).sort((a, b) => place(a) - place(b));
  }
}
