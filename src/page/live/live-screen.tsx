/** The screen Live: all streams that the token may read in one ordered list, followed as records come. */

import { useSignalEffect } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { levelsOf } from '../filter/conditions.ts';
import { FILTER_FIELD_ID } from '../filter/filter-field.tsx';
import { useKeys } from '../state/keys.ts';
import { change, go, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { GoToDialog } from './go-to-dialog.tsx';
import { LevelHistory, SPANS, type SpanName } from './level-history.ts';
import { LiveDetail } from './live-detail.tsx';
import { LiveList } from './live-list.tsx';
import { LiveSidebar } from './live-sidebar.tsx';
import { type LiveDialog, LiveToolbar } from './live-toolbar.tsx';
import { LiveView } from './live-view.ts';
import './live.css';
import '../rows/rows.css';
import './side.css';
import '../filter/filter.css';
import { ValuesDialog } from './values-dialog.tsx';

export function LiveScreen() {
  const [view] = useState(() => new LiveView());
  const [dialog, setDialog] = useState<LiveDialog>();
  useSignalEffect(() => {
    void view.sync();
  });
  useEffect(() => () => view.close(), []);
  useLiveKeys(view, setDialog);
  const feed = view.feed.value;
  const history = useHistory(view);
  if (feed === undefined || history === undefined) return <div class="live" aria-busy="true" />;
  if (feed.isReady.value && feed.streams.size === 0 && isUntouched()) go('connect', { basin: place.value.query.basin });
  const isDetail = view.isDetailOpen.value && view.selected.value !== undefined;
  return (
    <div class={isDetail ? 'live live-with-detail' : 'live'}>
      <h1 class="unseen">Live</h1>
      <LiveToolbar view={view} feed={feed} history={history} onDialog={setDialog} />
      <LiveSidebar view={view} feed={feed} history={history} />
      <LiveList view={view} feed={feed} onValues={() => setDialog('values')} />
      {isDetail && <LiveDetail view={view} feed={feed} />}
      {dialog === 'go-to' && <GoToDialog view={view} onClose={() => setDialog(undefined)} />}
      {dialog === 'values' && <ValuesDialog view={view} onClose={() => setDialog(undefined)} />}
    </div>
  );
}

/** Nothing was asked for: a link to a place stays there. */
function isUntouched(): boolean {
  const { streams, filter, from, row } = place.value.query;
  return [streams, filter, from, row].every((value) => value === undefined);
}

function useHistory(view: LiveView): LevelHistory | undefined {
  const [history, setHistory] = useState<LevelHistory | undefined>();
  const feed = view.feed.value;
  const filter = place.value.query.filter ?? '';
  const span: SpanName = isSpan(place.value.query.span) ? place.value.query.span : '15m';
  useEffect(() => {
    if (feed === undefined) return;
    const made = new LevelHistory(basin.peek(), filter, span, () => [...feed.streams.keys()]);
    const stopTaking = feed.onBatch((batch) => made.take(batch));
    const stopWaiting = feed.isReady.subscribe((isReady) => {
      if (isReady && feed.error.peek() === undefined) void made.refresh();
    });
    setHistory(made);
    return () => {
      stopTaking();
      stopWaiting();
      made.close();
    };
  }, [feed, span]);
  return history;
}

function isSpan(text: string | undefined): text is SpanName {
  return text !== undefined && Object.hasOwn(SPANS, text);
}

function useLiveKeys(view: LiveView, setDialog: (dialog: LiveDialog) => void): void {
  const levelName = (): string => {
    const levels = levelsOf(place.peek().query.filter ?? '');
    return levels === undefined ? 'every level' : [...levels].join(', ');
  };
  useKeys([
    { key: '/', does: 'filter', run: () => document.getElementById(FILTER_FIELD_ID)?.focus() },
    { key: 'j', does: 'next record', run: () => view.step(1) },
    { key: 'k', does: 'record before', run: () => view.step(-1) },
    { key: 'ArrowDown', does: 'next record', run: () => view.step(1) },
    { key: 'ArrowUp', does: 'record before', run: () => view.step(-1) },
    { key: 'Enter', does: 'open the record', run: () => openDetail(view) },
    { key: 'Escape', does: 'close the record, then select none', run: () => closeDetail(view) },
    { key: 'f', does: 'follow, or stay here', run: () => (view.scroll.isFollowing ? view.pause() : view.follow()) },
    { key: 'g', does: 'go to the first record', run: () => view.goFirst() },
    { key: 'G', does: 'go to the end and follow', run: () => view.follow() },
    { key: 'Home', does: 'go to the first record', run: () => view.goFirst() },
    { key: 'End', does: 'go to the end and follow', run: () => view.follow() },
    { key: ' ', does: 'a page down; with Shift up', run: (event) => view.page(event.shiftKey ? -1 : 1) },
    { key: 'p', does: 'replay from the record; pause the replay, or go on', run: () => view.replays.toggle() },
    { key: 'x', does: 'replay ten times as fast, or not', run: () => view.replays.toggleSpeed() },
    { key: 'P', does: 'end the replay: back to live', run: () => view.goLive() },
    { key: ':', does: 'go to a position or a time', run: () => setDialog('go-to') },
    {
      key: 'l',
      does: 'level: warnings, errors, all',
      run: () => {
        view.cycleLevel();
        view.say(`Level: ${levelName()}.`);
      },
    },
    { key: 't', does: 'the trace of the record', run: () => view.jumps.trace() },
    { key: 'v', does: 'what stands around the record', run: () => view.jumps.context() },
    { key: 'n', does: 'next error', run: () => view.jumps.nextError(1) },
    { key: 'N', does: 'error before', run: () => view.jumps.nextError(-1) },
    { key: 'i', does: 'filter by a value of the record', run: () => openValues(view, setDialog) },
    { key: 'c', does: 'copy the record as lines', run: () => copySelected(view) },
    {
      key: 'w',
      does: 'wrap lines',
      run: () => change({ wrap: place.peek().query.wrap === 'yes' ? undefined : 'yes' }, { isSamePage: true }),
    },
  ]);
}

/** Text that is selected is the browser's to copy. */
function copySelected(view: LiveView): boolean {
  if (document.getSelection()?.isCollapsed === false) return false;
  void view.copy();
  return true;
}

function openDetail(view: LiveView): void {
  const selected = view.selected.peek();
  if (selected !== undefined) view.select(selected, true);
}

function closeDetail(view: LiveView): void {
  if (view.isDetailOpen.peek()) view.select(view.selected.peek(), false);
  else view.select(undefined);
}

function openValues(view: LiveView, setDialog: (dialog: LiveDialog) => void): void {
  if (view.selectedRow === undefined) view.say('Select a record first.');
  else setDialog('values');
}
