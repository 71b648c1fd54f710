/** The frame of the page: sign-in, header, and the screen that the URL names. Each screen loads when it is first shown. */

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import icon from './look/icon.svg';
import { BasinChoice } from './parts/basin-choice.tsx';
import { Fault } from './parts/fault.tsx';
import { KeysDialog } from './parts/keys-dialog.tsx';
import { SignIn } from './parts/sign-in.tsx';
import { hrefOf, place, type Query, type Screen } from './state/place.ts';
import { basin, session, signOut } from './state/session.ts';

interface ScreenEntry {
  readonly title: string;
  /** Without it the screen is reached from others. */
  readonly isInHeader: boolean;
  load(): Promise<ComponentType>;
}

const ENTRIES: Readonly<Record<Screen, ScreenEntry>> = {
  live: { title: 'Live', isInHeader: true, load: async () => (await import('./live/live-screen.tsx')).LiveScreen },
  record: {
    title: 'Record',
    isInHeader: false,
    load: async () => (await import('./record/record-screen.tsx')).RecordScreen,
  },
  trace: {
    title: 'Trace',
    isInHeader: false,
    load: async () => (await import('./trace/trace-screen.tsx')).TraceScreen,
  },
  conversation: {
    title: 'Conversation',
    isInHeader: false,
    load: async () => (await import('./conversation/conversation-screen.tsx')).ConversationScreen,
  },
  senders: {
    title: 'Senders',
    isInHeader: true,
    load: async () => (await import('./senders/senders-screen.tsx')).SendersScreen,
  },
  streams: {
    title: 'Streams',
    isInHeader: true,
    load: async () => (await import('./streams/streams-screen.tsx')).StreamsScreen,
  },
  metrics: {
    title: 'Metrics',
    isInHeader: true,
    load: async () => (await import('./metrics/metrics-screen.tsx')).MetricsScreen,
  },
  server: {
    title: 'Server',
    isInHeader: true,
    load: async () => (await import('./server/server-screen.tsx')).ServerScreen,
  },
  connect: {
    title: 'Connect',
    isInHeader: true,
    load: async () => (await import('./connect/connect-screen.tsx')).ConnectScreen,
  },
};

// The screen comes while the session starts.
void ENTRIES[place.peek().screen ?? 'live'].load().catch(() => {});

export function App() {
  const state = session.value;
  if (state.type === 'signed-out') return <SignIn reason={state.reason} />;
  if (state.type === 'unreachable') {
    return (
      <main class="state">
        <h1>Tailrace</h1>
        <Fault message={state.reason} fix="The page tries again every two seconds." />
      </main>
    );
  }
  if (state.type === 'starting') return <main class="state" aria-busy="true" />;
  return (
    <div class="shell">
      <Header isRoot={state.who.root} id={state.who.id} />
      <Main />
      <KeysDialog />
    </div>
  );
}

function Header({ id, isRoot }: { readonly id: string; readonly isRoot: boolean }) {
  const { screen = 'live', query } = place.value;
  // Other screens keep what is about the same data.
  const kept: Query = { basin: query.basin };
  return (
    <header>
      <a class="brand" href={hrefOf('live', kept)}>
        <img src={icon} alt="" />
        Tailrace
      </a>
      <nav aria-label="Screens">
        <ul>
          {(Object.entries(ENTRIES) as [Screen, ScreenEntry][])
            .filter(([, { isInHeader }]) => isInHeader)
            .map(([name, { title }]) => (
              <li key={name}>
                <a href={hrefOf(name, kept)} aria-current={name === screen ? 'page' : undefined}>
                  {title}
                </a>
              </li>
            ))}
        </ul>
      </nav>
      <div class="caller">
        <BasinChoice />
        <span class="muted" title={isRoot ? 'may do everything' : 'an access token'}>
          {id}
        </span>
        {id !== 'anyone' && (
          <button type="button" class="button quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        )}
      </div>
    </header>
  );
}

function Main() {
  const { screen = 'live' } = place.value;
  const [loaded, setLoaded] = useState<{ screen: Screen; Shown: ComponentType } | undefined>();
  const [fault, setFault] = useState<string | undefined>();
  useEffect(() => {
    let isCurrent = true;
    document.title = `${ENTRIES[screen].title} · Tailrace`;
    ENTRIES[screen].load().then(
      (Shown) => isCurrent && setLoaded({ screen, Shown }),
      (thrown: unknown) => isCurrent && setFault(String(thrown)),
    );
    return () => {
      isCurrent = false;
    };
  }, [screen]);
  if (fault !== undefined) {
    return (
      <main class="state">
        <Fault
          message={`a part of the page could not be loaded: ${fault}`}
          fix="Load the page again: the server may be another version now."
        />
      </main>
    );
  }
  // A new basin is new data: the screen starts again.
  return <main>{loaded?.screen === screen && <loaded.Shown key={basin.value} />}</main>;
}
