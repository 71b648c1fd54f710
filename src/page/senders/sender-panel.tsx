/** Everything known of one sender: what is wrong and what to do first, then where its data is, then what it is. */

import type { ComponentChildren } from 'preact';
import { Panel } from '../parts/panel.tsx';
import { agoText, countText, rateText, recentText, spanText } from '../parts/time.ts';
import { hrefOf, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import type { SenderEntry } from '../wire/senders.ts';
import { type Problem, problemsOf, type ShownSender, skewText } from './sender-facts.ts';
import { StateMark } from './sender-table.tsx';

export function SenderPanel({ sender, onReload }: { readonly sender: ShownSender; onReload(): void }) {
  const { entry, name, state, rate, refusedForGood, refusedForNow } = sender;
  const problems = problemsOf(sender);
  const now = Date.parse(entry.last_seen) + sender.idleMs;
  return (
    <Panel title={name} label="Sender" closed={{ sender: undefined }}>
      <p>
        <StateMark state={state} />
        {rate !== undefined && rate > 0 && ` ${rateText(rate)}`}
        {' · last request '}
        {recentText(sender.idleMs)}
      </p>
      <section aria-label="Problems">
        <h3>{problems.length === 0 ? 'Nothing is wrong' : 'What is wrong, and what to do'}</h3>
        {problems.length === 0 && (
          <p class="muted">Everything that it sent since the server started was stored, and its clock is right.</p>
        )}
        <ul class="problems">
          {problems.map((problem) => (
            <ProblemItem key={`${problem.title} ${problem.lastSeen}`} problem={problem} now={now} />
          ))}
        </ul>
      </section>
      <Data entry={entry} />
      <section aria-label="Facts">
        <h3>What it is</h3>
        <dl class="facts">
          <Fact name="Services">{entry.service_names.join(', ') || 'no service.name'}</Fact>
          <Fact name="Address">
            <span class="mono">{entry.address}</span>
          </Fact>
          <Fact name="Token">{entry.token ?? 'none that is valid'}</Fact>
          <Fact name="Basin">{entry.basin ?? 'none'}</Fact>
          <Fact name="Protocol">{[...entry.protocols, ...entry.encodings].join(', ') || '–'}</Fact>
          <Fact name="SDK">{sdkText(entry)}</Fact>
          <Fact name="User-Agent">{entry.user_agent ?? 'none'}</Fact>
          {entry.ack_ms !== null && entry.ack_ms !== undefined && (
            <Fact name="Acknowledged">
              after {spanText(entry.ack_ms.p50)} (p50), {spanText(entry.ack_ms.p99)} (p99)
            </Fact>
          )}
          <Fact name="Clock">{skewText(entry.clock_skew_ms)}</Fact>
          <Fact name="Refused">
            {entry.refused === 0
              ? 'no request'
              : `${countText(refusedForGood)} for good (4xx), ${countText(refusedForNow)} for now (429, 503)`}
          </Fact>
          <Fact name="First seen">{agoText(now - Date.parse(entry.first_seen))}</Fact>
        </dl>
      </section>
      <div class="buttons">
        <button type="button" class="button" onClick={onReload}>
          Look again
        </button>
      </div>
    </Panel>
  );
}

function ProblemItem({ problem, now }: { readonly problem: Problem; readonly now: number }) {
  const { level, title, text, count, lastSeen } = problem;
  return (
    <li class={`problem problem-${level}`}>
      <strong>{title}</strong>
      {count !== undefined && lastSeen !== undefined && (
        <span class="muted">
          {countText(count)}×, last {recentText(now - Date.parse(lastSeen))}
        </span>
      )}
      <p>{text}</p>
    </li>
  );
}

function Data({ entry }: { readonly entry: SenderEntry }) {
  const signals = Object.entries(entry.signals);
  if (signals.length === 0 && entry.streams.length === 0) return null;
  return (
    <section aria-label="Data">
      <h3>Its data</h3>
      {signals.length > 0 && (
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Signal</th>
              <th scope="col" class="number">
                Requests
              </th>
              <th scope="col" class="number">
                Accepted
              </th>
              <th scope="col" class="number">
                Rejected
              </th>
            </tr>
          </thead>
          <tbody>
            {signals.map(([signal, { requests, accepted, rejected }]) => (
              <tr key={signal}>
                <td>{signal}</td>
                <td class="number">{countText(requests)}</td>
                <td class="number">{countText(accepted)}</td>
                <td class="number">{countText(rejected)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {entry.streams.length > 0 && (
        <p class="links">
          Follow in Live:{' '}
          {entry.streams.map((stream) => (
            <a key={stream} href={liveHref(entry, stream)}>
              {stream}
            </a>
          ))}
        </p>
      )}
    </section>
  );
}

/** The stream, and in it only what this service sends. */
function liveHref({ basin: its, service_names: names }: SenderEntry, stream: string): string {
  const only = names.length === 1 && names[0] !== undefined ? `service=${JSON.stringify(names[0])}` : undefined;
  const kept = its === null || its === basin.value ? place.value.query.basin : its;
  return hrefOf('live', { basin: kept, streams: stream, filter: only });
}

function sdkText({ sdk }: SenderEntry): string {
  if (sdk === null) return 'does not say';
  return [sdk.name, sdk.language, sdk.version].filter((part) => part !== '').join(' ') || 'does not say';
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
