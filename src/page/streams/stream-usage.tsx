/** How much a stream held in the last day, minute by minute. */

import { usePolled } from '../parts/polled.ts';
import { bytesText, spanText } from '../parts/time.ts';
import { streamUsage } from '../wire/control.ts';

const DAY_S = 86_400;
const [WIDTH, HEIGHT] = [240, 32];

export function StreamUsage({ basin, stream }: { readonly basin: string; readonly stream: string }) {
  const { value } = usePolled(
    (signal) => {
      const end = Math.floor(Date.now() / 1_000);
      return streamUsage(basin, stream, { start: end - DAY_S, end }, signal);
    },
    60_000,
    [basin, stream],
  );
  const first = value?.[0];
  const last = value?.at(-1);
  if (value === undefined || first === undefined || last === undefined || value.length < 2) return null;
  const span = spanText((last[0] - first[0]) * 1_000);
  const text = `${bytesText(first[1])} ${span} ago, ${bytesText(last[1])} now`;
  return (
    <section aria-label="Usage">
      <h3>Stored in the last day</h3>
      <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={text} preserveAspectRatio="none">
        <polyline points={pointsOf(value)} />
      </svg>
      <p class="muted">{text}</p>
    </section>
  );
}

function pointsOf(values: readonly (readonly [number, number])[]): string {
  const max = Math.max(1, ...values.map(([, bytes]) => bytes));
  return values
    .map(([, bytes], i) => `${(i / (values.length - 1)) * WIDTH},${HEIGHT - 2 - (bytes / max) * (HEIGHT - 4)}`)
    .join(' ');
}
