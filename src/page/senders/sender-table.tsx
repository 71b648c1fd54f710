/** The list of senders, one row each: how it is doing stands first, as shape, word and colour. */

import { hueOf } from '../parts/hue.ts';
import { SortHeader } from '../parts/sort-header.tsx';
import type { SortOrder } from '../parts/sorting.ts';
import { countText, rateText, recentText, spanText } from '../parts/time.ts';
import { hrefOf, place } from '../state/place.ts';
import { who } from '../state/session.ts';
import type { SenderEntry } from '../wire/senders.ts';
import { type SenderState, type ShownSender, SKEW_MS_MAX, skewText } from './sender-facts.ts';

const MARKS: Readonly<Record<SenderState, string>> = { sending: '●', losing: '▲', refused: '■', silent: '○' };

export function StateMark({ state }: { readonly state: SenderState }) {
  return (
    <span class={`mark mark-${state}`}>
      <span aria-hidden="true">{MARKS[state]}</span> <span class="mark-word">{state}</span>
    </span>
  );
}

export function SenderTable(props: {
  readonly senders: readonly ShownSender[];
  readonly order: SortOrder;
  readonly showsBasin: boolean;
  readonly chosen: string | undefined;
}) {
  const { senders, order, showsBasin, chosen } = props;
  const showsAck = senders.some(({ entry }) => hasAck(entry));
  return (
    <div class="table-frame">
      <table class="table senders">
        <thead>
          <tr>
            <SortHeader by="state" label="State" order={order} />
            <SortHeader by="name" label="Service" order={order} />
            {showsBasin && (
              <th scope="col" class="wide">
                Basin
              </th>
            )}
            <SortHeader by="rate" label="Rate" title="Records a second, over the last 10 s" order={order} isNumber />
            <SortHeader by="accepted" label="Accepted" title="Records stored" order={order} isNumber class="middle" />
            <SortHeader
              by="rejected"
              label="Rejected"
              title="Records that were not stored"
              order={order}
              isNumber
              class="middle"
            />
            <SortHeader
              by="refused"
              label="Refused"
              title="Requests of which nothing was stored: 4xx, and 429 or 503, which exporters send again"
              order={order}
              isNumber
              class="middle"
            />
            {showsAck && (
              <SortHeader
                by="ack"
                label="Ack p50 / p99"
                title="From the end of the request's headers until it is answered, when its data is on disk"
                order={order}
                isNumber
                class="middle"
              />
            )}
            <SortHeader
              by="skew"
              label="Clock"
              title="How far its newest times are ahead of the server's (+) or behind (−)"
              order={order}
              isNumber
              class="wide"
            />
            <SortHeader by="seen" label="Last seen" order={order} isNumber />
            <th scope="col" class="wide">
              From
            </th>
          </tr>
        </thead>
        <tbody>
          {senders.map((sender) => (
            <SenderRow
              key={sender.key}
              sender={sender}
              {...{ showsBasin, showsAck }}
              isChosen={sender.key === chosen}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function SenderRow(props: {
  readonly sender: ShownSender;
  readonly showsBasin: boolean;
  readonly showsAck: boolean;
  readonly isChosen: boolean;
}) {
  const { sender, showsBasin, showsAck, isChosen } = props;
  const { entry, name, state, rate, idleMs, key, isNew } = sender;
  const { clock_skew_ms: skew, ack_ms: ack } = entry;
  const isSkewed = skew !== null && Math.abs(skew) >= SKEW_MS_MAX;
  return (
    <tr class={`row${isChosen ? ' is-chosen' : ''}${isNew ? ' is-new' : ''}`}>
      <td>
        <StateMark state={state} />
      </td>
      <td class="name">
        <a
          class="row-link"
          style={{ color: hueOf(name) }}
          href={hrefOf('senders', { ...place.value.query, sender: key })}
          aria-current={isChosen ? 'true' : undefined}
        >
          {name}
        </a>
        {isNew && <span class="chip">new</span>}
        {entry.token === null && who.value?.id !== 'anyone' && <span class="chip">no valid token</span>}
      </td>
      {showsBasin && <td class="wide">{entry.basin ?? '–'}</td>}
      <td class="number">{rate === undefined ? '–' : rateText(rate)}</td>
      <td class="number middle">{countText(entry.accepted)}</td>
      <td class={`number middle${entry.rejected > 0 ? ' bad' : ''}`}>{countText(entry.rejected)}</td>
      <td class={`number middle${sender.refusedForGood > 0 ? ' bad' : sender.refusedForNow > 0 ? ' warned' : ''}`}>
        {countText(entry.refused)}
      </td>
      {showsAck && (
        <td class="number middle">
          {ack === null || ack === undefined ? '–' : `${spanText(ack.p50)} / ${spanText(ack.p99)}`}
        </td>
      )}
      <td class={`number wide${isSkewed ? ' warned' : ''}`}>{skewText(skew)}</td>
      <td class="number" title={entry.last_seen}>
        {recentText(idleMs)}
      </td>
      <td class="wide from">
        <span class="mono">{entry.address}</span>{' '}
        <span class="muted">{[...entry.protocols, ...entry.encodings].join(' ')}</span>
      </td>
    </tr>
  );
}

/** Servers that do not measure it tell none. */
function hasAck({ ack_ms: ack }: SenderEntry): boolean {
  return ack !== null && ack !== undefined;
}
