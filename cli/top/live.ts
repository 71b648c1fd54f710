/** `top` on a terminal: looks at the server, shows it, and does what keys and signals ask for, until the user leaves. */

import { TailraceError } from '../../src/model/error.ts';
import { EXIT } from '../exit.ts';
import type { ServerConnection } from '../flags/connection.ts';
import type { Colors } from '../print/format.ts';
import { pauseAfter, type TopCollector } from './collector.ts';
import { FullScreen } from './full-screen.ts';
import { keysIn, type TopKey } from './keys.ts';
import { openTail, tailArguments } from './open-tail.ts';
import type { TopSnapshot, TopSort } from './snapshot.ts';
import { chosenIndex, FIRST_STATE, pressed, rowsOf, type TopAct, type TopState } from './state.ts';
import { frameLines, pageRows, shownKeys } from './view.ts';

export interface LiveOptions {
  readonly collector: TopCollector;
  readonly connection: ServerConnection;
  readonly colors: Colors;
  readonly intervalMs: number;
  readonly sort: TopSort;
  /** Ends its calls. */
  readonly ending: AbortController;
}

/** Runs until the user leaves. Resolves with the exit code. */
export class LiveTop {
  readonly #options: LiveOptions;
  readonly #screen = new FullScreen();
  readonly #left: Promise<number>;
  #leave: (code: number) => void = () => {};
  #snapshot: TopSnapshot;
  #state: TopState;
  #lost: string | undefined;
  #onKey: (key: TopKey) => void = (key) => this.#press(key);
  #isElsewhere = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(first: TopSnapshot, options: LiveOptions) {
    this.#options = options;
    this.#snapshot = first;
    this.#state = { ...FIRST_STATE, sort: options.sort };
    this.#left = new Promise((resolve) => {
      this.#leave = resolve;
    });
  }

  async run(): Promise<number> {
    const stopListening = this.#listen();
    this.#screen.enter();
    this.#draw();
    this.#plan(0);
    const code = await this.#left;
    clearTimeout(this.#timer);
    stopListening();
    this.#screen.leave();
    process.stdin.pause();
    this.#options.ending.abort();
    return code;
  }

  #listen(): () => void {
    const onData = (data: Buffer) => {
      for (const key of keysIn(data.toString('utf8'))) this.#onKey(key);
    };
    const onSignal = () => this.#leave(EXIT.interrupted);
    const onStop = () => this.#suspend();
    const onGoOn = () => this.#resume();
    const onResize = () => {
      this.#screen.forget();
      this.#draw();
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const signal of signals) process.on(signal, onSignal);
    process.on('SIGTSTP', onStop).on('SIGCONT', onGoOn);
    process.stdin.on('data', onData);
    process.stdin.on('end', onSignal);
    process.stdout.on('resize', onResize);
    return () => {
      for (const signal of signals) process.removeListener(signal, onSignal);
      process.removeListener('SIGTSTP', onStop).removeListener('SIGCONT', onGoOn);
      process.stdin.removeListener('data', onData).removeListener('end', onSignal);
      process.stdout.removeListener('resize', onResize);
    };
  }

  #plan(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#lookAgain(), delayMs);
  }

  async #lookAgain(): Promise<void> {
    const began = performance.now();
    if (!this.#state.isPaused && !this.#isElsewhere) await this.#look();
    if (this.#options.ending.signal.aborted) return;
    this.#draw();
    const tookMs = performance.now() - began;
    this.#plan(pauseAfter(tookMs, this.#options.intervalMs, this.#lost !== undefined));
  }

  async #look(): Promise<void> {
    const rows = rowsOf(this.#snapshot, this.#state);
    const shown = shownKeys(rows, this.#state, pageRows(this.#snapshot, this.#screen.size));
    try {
      this.#snapshot = await this.#options.collector.look(shown);
      this.#lost = undefined;
    } catch (error) {
      if (!(error instanceof TailraceError)) throw error;
      this.#lost = `${error.code === 'unavailable' ? 'reconnecting' : 'trying again'}: ${error.message}`;
    }
  }

  #draw(): void {
    if (this.#isElsewhere) return;
    const rows = rowsOf(this.#snapshot, this.#state);
    const about = { colors: this.#options.colors, lost: this.#lost };
    this.#screen.draw(frameLines(this.#snapshot, this.#state, rows, this.#screen.size, about));
  }

  #press(key: TopKey): void {
    const rows = rowsOf(this.#snapshot, this.#state);
    const { state, act } = pressed(this.#state, key, rows, pageRows(this.#snapshot, this.#screen.size));
    this.#state = state;
    if (act !== undefined) this.#do(act);
    this.#draw();
  }

  #do(act: TopAct): void {
    if (act === 'quit') this.#leave(EXIT.ok);
    else if (act === 'interrupt') this.#leave(EXIT.interrupted);
    // As the terminal would: the whole group of processes, whoever started us.
    else if (act === 'suspend') process.kill(0, 'SIGTSTP');
    else void this.#open();
  }

  async #open(): Promise<void> {
    const rows = rowsOf(this.#snapshot, this.#state);
    const row = rows[chosenIndex(rows, this.#state)];
    const args = row === undefined ? undefined : tailArguments(row);
    if (args === undefined) {
      this.#lost = 'nothing of it was stored, so there is nothing to tail';
      return this.#draw();
    }
    this.#isElsewhere = true;
    this.#screen.leave({ keepsKeys: true });
    await openTail(args, this.#options.connection, (listener) => {
      this.#onKey = listener;
    });
    this.#onKey = (key) => this.#press(key);
    this.#isElsewhere = false;
    this.#screen.enter();
    this.#draw();
  }

  #suspend(): void {
    this.#screen.leave();
    process.kill(process.pid, 'SIGSTOP');
  }

  #resume(): void {
    if (this.#isElsewhere) return;
    this.#screen.enter();
    this.#draw();
  }
}
