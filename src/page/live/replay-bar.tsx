/** Above the list while it replays: the moment that it shows, how fast, and the way back to what comes now. */

import { dayText, spanText, timeStyle, timeText } from '../parts/time.ts';
import type { LiveView } from './live-view.ts';
import type { Replay, ReplaySpeed } from './replay.ts';
import './replay.css';

const SPEEDS: readonly ReplaySpeed[] = [1, 10];
/** A shorter wait is not worth a word. */
const WAIT_MS_MIN = 2_000;

export function ReplayBar({ view }: { readonly view: LiveView }) {
  const replay = view.replays.replay.value;
  if (replay === undefined) return null;
  const isPlaying = replay.isPlaying.value;
  const isEnded = replay.isEnded.value;
  return (
    <section class="replay" aria-label="Replay">
      <strong class="replay-title">
        <span aria-hidden="true">{isEnded ? '■' : isPlaying ? '▶' : '❚❚'}</span>{' '}
        {isEnded ? 'Replayed' : isPlaying ? 'Replay' : 'Replay paused'}
      </strong>
      <Moment replay={replay} />
      {!isEnded && (
        <button type="button" class="button" title="p" onClick={() => view.replays.toggle()}>
          {isPlaying ? 'Pause' : 'Go on'}
        </button>
      )}
      <fieldset class="replay-speeds">
        <legend class="unseen">Speed</legend>
        {SPEEDS.map((speed) => (
          <button
            key={speed}
            type="button"
            class="button"
            title="x"
            aria-pressed={replay.speed.value === speed}
            onClick={() => view.replays.setSpeed(speed)}
          >
            ×{speed}
          </button>
        ))}
      </fieldset>
      <Wait replay={replay} />
      <button type="button" class="button primary replay-live" title="P" onClick={() => view.goLive()}>
        Back to live
      </button>
    </section>
  );
}

function Moment({ replay }: { readonly replay: Replay }) {
  void replay.version.value;
  const style = timeStyle.value === 'utc' ? 'utc' : 'local';
  return (
    <time class="replay-moment number" dateTime={new Date(replay.clock).toISOString()}>
      {dayText(replay.clock, style)} {timeText(replay.clock, style, 0).slice(0, 10)}
    </time>
  );
}

function Wait({ replay }: { readonly replay: Replay }) {
  void replay.version.value;
  const waitMs = replay.waitMs ?? 0;
  if (waitMs < WAIT_MS_MIN || replay.isEnded.value) return null;
  return (
    <span class="replay-wait">
      <span class="muted">next record in {spanText(Math.ceil(waitMs / 1_000) * 1_000)}</span>
      <button type="button" class="button" onClick={() => replay.skip()}>
        Skip to it
      </button>
    </span>
  );
}
