/** What lines of the audit log say in words, and which of them are one row: a refusal that is repeated is told once. */

import type { AuditEntry } from '../wire/server-state.ts';

export interface AuditRow {
  /** The newest of them. */
  readonly entry: AuditEntry;
  /** How many in a row say the same. */
  readonly times: number;
}

/** `entries` and the result have the newest first. */
export function auditRows(entries: readonly AuditEntry[]): readonly AuditRow[] {
  const rows: AuditRow[] = [];
  for (const entry of entries) {
    const last = rows.at(-1);
    if (last !== undefined && sameness(last.entry) === sameness(entry)) {
      rows[rows.length - 1] = { ...last, times: last.times + 1 };
    } else {
      rows.push({ entry, times: 1 });
    }
  }
  return rows;
}

function sameness({ time, correlation_id, done_at, ...said }: AuditEntry): string {
  return JSON.stringify(said);
}

/** Principals that are no token: an id may be any text, but only a token has a number. */
const NO_TOKENS: Readonly<Record<string, string>> = {
  none: 'without a token',
  unknown: 'an unknown token',
  anyone: 'anyone',
  root: 'root',
  server: 'the server itself',
  operator: 'the operator',
};

export function whoText({ principal, principal_number: number }: AuditEntry): string {
  if (principal === undefined) return 'several';
  return (number === undefined ? NO_TOKENS[principal] : undefined) ?? principal;
}

/** `create basin`. */
export function actionText({ action }: AuditEntry): string {
  return action.replaceAll('-', ' ');
}

/** `telemetry / shop`, `token ci`; empty for what is about the whole server. */
export function resourceText({ basin, stream, token_id: token }: AuditEntry): string {
  const place = [basin, stream].filter((part) => part !== undefined).join(' / ');
  return [place, ...(token === undefined ? [] : [`token ${token}`])].filter((part) => part !== '').join(', ');
}

/** Whether each word of the search is somewhere in a line. */
export function isFound(entry: AuditEntry, search: string): boolean {
  const text = `${whoText(entry)}\n${actionText(entry)}\n${Object.values(entry).join('\n')}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
