/** The format version of a store: a new store gets ours, an older one is upgraded, a newer one is refused. */

import { TailraceError } from '../model/error.ts';
import type { CommitOptions, Engine, Entry, Write } from './engine.ts';
import { dueKey, FAMILY, familyRange, readStreamKey, settingsKey } from './keys.ts';
import { decodeFormat, decodeStream, encodeFormat, encodePending, encodeStream, FORMAT_VERSION } from './values.ts';

const FORMAT_KEY = settingsKey('format');
/** Present while an older store is upgraded; holds the version that it had. */
const UPGRADING_KEY = settingsKey('upgrading');
const PAGE_ROWS = 1_000;
const RESERVE: CommitOptions = { mayUseReserve: true };

/**
 * Must be called before anything else is written. Our version is written first, so that the build which made the store
 * refuses it from then on. When the rest is interrupted, the next start continues it.
 * @throws TailraceError `format_too_new`, `corrupt`, `storage_full`, `storage`
 */
export async function upgradeStore(engine: Engine, dataDir: string): Promise<void> {
  const value = await engine.get(FORMAT_KEY);
  const found = value === undefined ? 0 : decodeFormat(value);
  if (found > FORMAT_VERSION) {
    throw new TailraceError(
      'format_too_new',
      `the store in ${dataDir} has format ${found}, this Tailrace knows formats up to ${FORMAT_VERSION}: use the newer one`,
    );
  }
  if (found < FORMAT_VERSION) await engine.commit(versionRows(found), RESERVE);
  const before = await engine.get(UPGRADING_KEY);
  if (before === undefined) return;
  if (decodeFormat(before) < 2) await scheduleStreams(engine);
  await engine.commit([{ type: 'delete', key: UPGRADING_KEY }], RESERVE);
}

function versionRows(found: number): readonly Write[] {
  const ours: Write = { type: 'put', key: FORMAT_KEY, value: encodeFormat(FORMAT_VERSION) };
  // A new store has nothing to upgrade.
  return found === 0 ? [ours] : [ours, { type: 'put', key: UPGRADING_KEY, value: encodeFormat(found) }];
}

/** Format 1 had no schedule of retention: a stream that is not in the schedule would keep expired records forever. */
async function scheduleStreams(engine: Engine): Promise<void> {
  let { from, to } = familyRange(FAMILY.streams);
  for (;;) {
    const page = await engine.scan({ from, to, limit: PAGE_ROWS });
    const last = page.at(-1);
    if (last === undefined) return;
    await engine.commit(page.flatMap(scheduled), RESERVE);
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
}

/**
 * Due at once, because the creation of the stream is in the past. A stream that is in the schedule already, or does not
 * need it, stays as it is.
 */
function scheduled({ key, value }: Entry): readonly Write[] {
  const row = decodeStream(value);
  const { retentionAgeSeconds, deleteOnEmptyMinAgeSeconds } = row.config;
  const needsSchedule = retentionAgeSeconds !== undefined || deleteOnEmptyMinAgeSeconds > 0;
  if (row.dueAt !== undefined || !needsSchedule) return [];
  const dueAt = row.createdAt;
  return [
    { type: 'put', key, value: encodeStream({ ...row, dueAt }) },
    { type: 'put', key: dueKey(dueAt, row.number), value: encodePending(readStreamKey(key)) },
  ];
}
