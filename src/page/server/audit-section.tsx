/** The last lines of the audit log: who did what to what, when, and with what result. Only the root token may see them. */

import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { countText, recentText } from '../parts/time.ts';
import { change, place } from '../state/place.ts';
import { type AuditEntry, type AuditPage, auditLog } from '../wire/server-state.ts';
import { type AuditRow, actionText, auditRows, isFound, resourceText, whoText } from './audit-facts.ts';
import { SectionSearch } from './section-search.tsx';

const EVERY_MS = 5_000;
/** More do not help to see what goes on; all of them are searched. */
const SHOWN_MAX = 50;

export function AuditSection() {
  const { audited = '', result } = place.value.query;
  const { value, error } = usePolled(auditLog, EVERY_MS, []);
  const isProblems = result === 'problems';
  const all = value === undefined ? [] : auditRows(value.lines);
  const found = all.filter(({ entry }) => isFound(entry, audited) && !(isProblems && entry.outcome === 'done'));
  return (
    <section class="server-section" aria-label="Audit log">
      <div class="server-bar">
        <h2>Audit log</h2>
        <SectionSearch part="audited" label="Search the audit log" placeholder="Who, action, stream, reason …" />
        <button
          type="button"
          class="button"
          aria-pressed={isProblems}
          onClick={() => change({ result: isProblems ? undefined : 'problems' }, { isSamePage: true })}
        >
          Refused or failed
        </button>
      </div>
      {error !== undefined && <Fault error={error} />}
      {value !== undefined && (
        <>
          {found.length > 0 && <AuditTable rows={found.slice(0, SHOWN_MAX)} now={Date.parse(value.now)} />}
          <p class="muted" role="status">
            {boundsText(all.length, found.length, value)}
          </p>
        </>
      )}
    </section>
  );
}

/** What is shown of what there is. */
function boundsText(all: number, found: number, { lines, has_more: hasMore, forgotten }: AuditPage): string {
  if (lines.length === 0) {
    return 'Nothing was done since the server started. Changes of basins, streams and tokens will be here, and whatever is refused.';
  }
  if (found === 0) return `None of the last ${countText(lines.length)} lines is like that.`;
  const shown = found > SHOWN_MAX ? `The newest ${SHOWN_MAX} of ${countText(found)} rows. ` : '';
  const searched = found < all ? `Found among the last ${countText(lines.length)} lines. ` : '';
  const older =
    hasMore || forgotten > 0 ? 'Older lines are in the log of the server.' : 'That is all since the server started.';
  return `${shown}${searched}${older}`;
}

function AuditTable({ rows, now }: { readonly rows: readonly AuditRow[]; readonly now: number }) {
  return (
    <table class="table server-table server-audit">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Who</th>
          <th scope="col">What</th>
          <th scope="col">Result</th>
          <th scope="col">From</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ entry, times }) => (
          <tr key={`${entry.time} ${entry.correlation_id} ${entry.action}`}>
            <td class="audit-when" title={entry.time}>
              {recentText(Math.max(0, now - Date.parse(entry.time)))}
            </td>
            <td class="audit-who">{whoText(entry)}</td>
            <td class="audit-what">
              {actionText(entry)} <span class="mono">{resourceText(entry)}</span>
            </td>
            <td class="audit-how">
              <Result entry={entry} times={times} />
            </td>
            <td class="audit-from">
              {entry.sender !== undefined && <span class="mono">{entry.sender}</span>}{' '}
              <span class="muted">{entry.protocol}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const MARKS: Readonly<Record<string, string>> = { done: '✓', failed: '▲', refused: '■' };

function Result({ entry, times }: { readonly entry: AuditEntry; readonly times: number }) {
  const { outcome, reason } = entry;
  return (
    <>
      <span class={`audit-result audit-${outcome}`}>
        <span aria-hidden="true">{MARKS[outcome] ?? '·'}</span> {outcome}
      </span>
      {times > 1 && <span class="muted"> {countText(times)} times</span>}
      {reason !== undefined && <span class="audit-reason">{reason}</span>}
    </>
  );
}
