/** Who reads a stream live, and how far behind each is. */

import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { agoText, bytesText, countText } from '../parts/time.ts';
import { type StreamReader, streamReaders } from '../wire/control.ts';

const EVERY_MS = 2_000;

export function Readers({ basin, stream }: { readonly basin: string; readonly stream: string }) {
  const { value, error } = usePolled((signal) => streamReaders(basin, stream, signal), EVERY_MS, [basin, stream]);
  const count = value === undefined ? '' : ` (${value.readers.length}${value.has_more ? ' and more' : ''})`;
  return (
    <section aria-label="Readers">
      <h3>Readers{count}</h3>
      {error !== undefined && <Fault error={error} />}
      {value !== undefined && value.readers.length === 0 && (
        <p class="muted">
          Nothing reads it live now. <code>tailrace tail {stream}</code> does, and so does Live.
        </p>
      )}
      {value !== undefined && value.readers.length > 0 && (
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Reader</th>
              <th scope="col" class="number">
                Next
              </th>
              <th scope="col" class="number">
                Behind
              </th>
            </tr>
          </thead>
          <tbody>
            {value.readers.map((reader, i) => (
              <ReaderRow key={`${reader.since} ${i}`} reader={reader} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function ReaderRow({ reader }: { readonly reader: StreamReader }) {
  const {
    protocol,
    view,
    since,
    next_seq_num: next,
    lag_records: lag,
    waiting_bytes: waiting,
    token,
    address,
  } = reader;
  const from = [address, token].filter((part) => part !== null).join(' · ') || 'another token';
  return (
    <tr>
      <td>
        {protocol}
        {view !== null && ` ${view}`}
        <br />
        <span class="muted">
          {from} · since {agoText(Math.max(0, Date.now() - Date.parse(since))).replace(' ago', '')}
        </span>
      </td>
      <td class="number">#{countText(next)}</td>
      <td class={`number${lag > 0 ? ' warned' : ''}`}>
        {lag === 0 ? 'level' : countText(lag)}
        {waiting > 0 && (
          <>
            <br />
            <span class="muted">{bytesText(waiting)} wait</span>
          </>
        )}
      </td>
    </tr>
  );
}
