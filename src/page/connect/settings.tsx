/** The fields of Connect: the stream, where the sender runs, and over which protocol it sends. */

import { useId } from 'preact/hooks';
import { change } from '../state/place.ts';
import { GRPC_PORT, isLoopback, OTHER_HOST, type SenderOrigin } from './fill.ts';
import type { Way } from './ways.ts';

export function StreamField(props: {
  readonly stream: string;
  readonly fault: string | undefined;
  onChange(stream: string): void;
}) {
  const { stream, fault, onChange } = props;
  const id = useId();
  return (
    <div class="labelled">
      <label for={id}>Stream</label>
      <input
        id={id}
        class="field mono"
        value={stream}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={fault !== undefined}
        aria-describedby={`${id}-about`}
        onInput={({ currentTarget }) => onChange(currentTarget.value.trim())}
      />
      <p id={`${id}-about`} class={fault === undefined ? 'muted' : 'connect-fault'} aria-live="polite">
        {fault ?? 'Any name. The first record makes the stream; one for each service is a good beginning.'}
      </p>
    </div>
  );
}

const ORIGIN_TEXTS: Readonly<Record<SenderOrigin, string>> = {
  here: 'This machine',
  container: 'A container on it',
  machine: 'Another machine',
};

export function WhereFields(props: {
  readonly way: Way;
  readonly from: SenderOrigin;
  readonly isGrpc: boolean;
  readonly port: number;
  readonly isOpen: boolean;
}) {
  const { way, from, isGrpc, port, isOpen } = props;
  const isLocal = isLoopback(location.hostname);
  return (
    <>
      <div class="connect-choices">
        {isLocal && (
          <Choice
            legend="Where it runs"
            name="from"
            value={from}
            options={Object.entries(ORIGIN_TEXTS)}
            onChange={(next) => change({ from: next === 'here' ? undefined : next }, { isSamePage: true })}
          />
        )}
        {way.canGrpc && (
          <Choice
            legend="Protocol"
            name="protocol"
            value={isGrpc ? 'grpc' : 'http'}
            options={[
              ['http', 'HTTP'],
              ['grpc', 'gRPC'],
            ]}
            onChange={(next) => change({ protocol: next === 'grpc' ? 'grpc' : undefined }, { isSamePage: true })}
          />
        )}
        {isGrpc && <PortField port={port} />}
      </div>
      {isLocal && (from !== 'here' || way.isRemote === true) && <BeyondLoopback from={from} isOpen={isOpen} />}
    </>
  );
}

/** The server tells its port of gRPC on its terminal only. */
function PortField({ port }: { readonly port: number }) {
  const id = useId();
  return (
    <div class="labelled">
      <label for={id}>gRPC port</label>
      <input
        id={id}
        class="field connect-port"
        inputMode="numeric"
        autocomplete="off"
        value={String(port)}
        aria-describedby={`${id}-about`}
        onInput={({ currentTarget }) => change({ port: currentTarget.value.trim() }, { isSamePage: true })}
      />
      <p id={`${id}-about`} class="muted">
        {GRPC_PORT}, unless <code>serve --grpc-port</code> says otherwise
      </p>
    </div>
  );
}

function BeyondLoopback({ from, isOpen }: { readonly from: SenderOrigin; readonly isOpen: boolean }) {
  return (
    <div class="connect-note">
      <p>
        <strong>You see this page on an address of this machine alone.</strong> Where the server listens there only,
        nothing from outside reaches it: start it with <code>tailrace serve --host 0.0.0.0</code>
        {isOpen && ' and without --no-auth, which works on this machine only'}, and open this page at its other address;
        the snippets follow. Beyond your own network use TLS (<code>--tls-cert</code>, <code>--tls-key</code>).
      </p>
      {from === 'container' && (
        <p>
          <code>host.docker.internal</code> is this machine as Docker Desktop and Podman name it. With Docker on Linux,
          run the container with <code>--add-host=host.docker.internal:host-gateway</code>.
        </p>
      )}
      {from === 'machine' && (
        <p>
          <code>{OTHER_HOST}</code> stands for the name or address of this machine in your network.
        </p>
      )}
    </div>
  );
}

function Choice(props: {
  readonly legend: string;
  readonly name: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  onChange(value: string): void;
}) {
  const { legend, name, value, options, onChange } = props;
  return (
    <fieldset class="connect-choice">
      <legend>{legend}</legend>
      {options.map(([option, text]) => (
        <label key={option}>
          <input type="radio" name={name} value={option} checked={option === value} onChange={() => onChange(option)} />
          {text}
        </label>
      ))}
    </fieldset>
  );
}
