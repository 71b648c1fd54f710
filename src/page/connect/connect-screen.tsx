/** The screen Connect: what to paste where to send data here, a token for it, and beside it what comes in. */

import { useState } from 'preact/hooks';
import { change, place } from '../state/place.ts';
import { basin, who } from '../state/session.ts';
import { ArrivalsPanel } from './arrivals-panel.tsx';
import './connect.css';
import { endpointFor, type Fill, GRPC_PORT, ORIGINS, plainNameFault, STREAM } from './fill.ts';
import { StreamField, WhereFields } from './settings.tsx';
import { type MadeToken, TokenMaker } from './token-maker.tsx';
import { WayTabs } from './way-tabs.tsx';
import { WAYS } from './ways.ts';

export function ConnectScreen() {
  // Only here: the secret goes when the screen is left, and is never in a URL or in storage.
  const [made, setMade] = useState<MadeToken | undefined>();
  const { query } = place.value;
  const stream = query.stream ?? STREAM;
  const fault = plainNameFault(stream) ?? (plainNameFault(basin.value) === undefined ? undefined : WRONG_BASIN);
  const way = WAYS.find(({ id }) => id === query.with) ?? WAYS[0];
  if (way === undefined) return null;
  const isOpen = who.value?.root === true && who.value.id === 'anyone';
  const from = ORIGINS.find((name) => name === query.from) ?? 'here';
  const isGrpc = way.canGrpc && query.protocol === 'grpc';
  const endpoint = endpointFor(location.origin, from);
  const fill: Fill = {
    endpoint,
    grpcEndpoint: isGrpc ? endpointFor(location.origin, from, portOf(query.port)) : undefined,
    stream: fault === undefined ? stream : STREAM,
    // A token made here is for one basin, which then need not be named.
    basin:
      made !== undefined || basin.value === who.value?.default_basin || fault !== undefined ? undefined : basin.value,
    token: isOpen
      ? { type: 'none' }
      : made === undefined
        ? { type: 'variable' }
        : { type: 'made', secret: made.secret },
  };
  return (
    <div class="screen connect">
      <div class="connect-head">
        <h1>Connect</h1>
        <p class="muted">
          Send logs, traces and metrics of anything that speaks OpenTelemetry. Choose what it is, paste, run: what came
          in is beside it.
        </p>
      </div>
      <div class="connect-steps">
        <section class="connect-settings" aria-label="What the snippets are filled in with">
          <StreamField
            stream={stream}
            fault={fault}
            onChange={(next) => change({ stream: next }, { isSamePage: true })}
          />
          <TokenMaker isOpen={isOpen} stream={fill.stream} made={made} onMade={setMade} />
          <WhereFields way={way} from={from} isGrpc={isGrpc} port={portOf(query.port)} isOpen={isOpen} />
        </section>
        <WayTabs way={way} fill={fill} />
      </div>
      <ArrivalsPanel stream={stream} endpoint={fill.grpcEndpoint ?? endpoint} />
    </div>
  );
}

const WRONG_BASIN = 'The basin in the address of this page is no name of a basin: choose one above.';

function portOf(text: string | undefined): number {
  const port = /^\d{1,5}$/.test(text ?? '') ? Number(text) : GRPC_PORT;
  return port > 0 && port < 65_536 ? port : GRPC_PORT;
}
