/** The screen Server: how it does, what was used over the last day, who has tokens, what was done, and where to find the rest. */

import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { may, who } from '../state/session.ts';
import { readiness } from '../wire/server-state.ts';
import { AboutServer } from './about.tsx';
import { AuditSection } from './audit-section.tsx';
import { ClusterSection } from './cluster-section.tsx';
import { ServerMetrics } from './server-metrics.tsx';
import './server.css';
import { TokenSection } from './token-section.tsx';
import { UsageSection } from './usage-section.tsx';

const EVERY_MS = 5_000;

export function ServerScreen() {
  const caller = who.value;
  if (caller === undefined) return null;
  const seesMetrics = may('account-metrics');
  return (
    <div class="screen server">
      <div class="server-head">
        <h1>Server</h1>
        <Readiness />
        <p class="muted">
          Tailrace {caller.server_version} at {location.host}, default basin {caller.default_basin}
        </p>
      </div>
      {seesMetrics ? (
        <ServerMetrics />
      ) : (
        <p>
          Your token <strong>{caller.id}</strong> may not see how the server does. Ask for one with{' '}
          <code>--ops account-metrics</code>.
        </p>
      )}
      {seesMetrics && <ClusterSection />}
      {may('basin-metrics') && <UsageSection />}
      {may('list-access-tokens') || may('issue-access-token') ? <TokenSection /> : null}
      {caller.root && <AuditSection />}
      <AboutServer />
    </div>
  );
}

/** What the writes of the store are, in words: a colour alone says nothing. */
const WRITES: Readonly<Record<string, readonly [state: 'good' | 'bad', text: string]>> = {
  ok: ['good', 'Ready'],
  full: [
    'bad',
    'Full: it takes no writes until there is space. Reads go on. Trim or delete streams, or give it more disk.',
  ],
  read_only: [
    'bad',
    'Read-only: a write failed. Reads go on. See the log of the server, repair the disk, and restart it.',
  ],
};

function Readiness() {
  const { value, error } = usePolled(readiness, EVERY_MS, []);
  if (error !== undefined) return <Fault error={error} />;
  if (value === undefined) return null;
  const [state, text] =
    value.status === 'draining'
      ? (['bad', 'It takes no requests now: it is stopping, or no node of its cluster leads.'] as const)
      : (WRITES[value.writes] ?? (['bad', `Takes no writes (${value.writes}).`] as const));
  return (
    <p class={`server-state ${state}`} role="status">
      <span aria-hidden="true">{state === 'good' ? '✓' : '!'}</span> {text}
    </p>
  );
}
