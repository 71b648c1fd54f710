/** A node that leads nothing: ports that pass everything on to another node. */

import { NodeTrust } from '../../src/access/node-trust.ts';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import type { ListenerHandlers } from '../../src/http/connection/handlers.ts';
import { Listener } from '../../src/http/connection/listener.ts';
import { Forwarder, type ForwarderDeps, type ForwardTarget } from '../../src/http/forward/forwarder.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { SYSTEM_CLOCK } from '../../src/observe/system-clock.ts';

/** What all nodes of a test know. */
export const NODE_SECRET = 'the-secret-of-the-nodes-of-a-test';

export interface ForwardingNode {
  readonly port: number;
  readonly url: string;
  readonly grpcUrl: string;
  /** Of the HTTP port. */
  readonly forwarder: Forwarder;
  close(): void;
}

export async function startForwardingNode(
  target: () => ForwardTarget | undefined,
  { secret = NODE_SECRET, ...deps }: Partial<ForwarderDeps> & { readonly secret?: string } = {},
): Promise<ForwardingNode> {
  const [http, grpc] = (['http', 'grpc'] as const).map(
    (port) =>
      new Forwarder({
        ...{ clock: SYSTEM_CLOCK, warnings: { warn: () => {} }, memory: new MemoryBudget() },
        ...{ trust: new NodeTrust(secret), port, target, closing: () => false, ...deps },
      }),
  ) as [Forwarder, Forwarder];
  const ports = await Promise.all([http, grpc].map((handlers) => openPort(handlers)));
  const [own, ofGrpc] = ports as [OpenPort, OpenPort];
  return {
    port: own.port,
    url: `http://127.0.0.1:${own.port}`,
    grpcUrl: `http://127.0.0.1:${ofGrpc.port}`,
    forwarder: http,
    close: () => {
      for (const forwarder of [http, grpc]) forwarder.close();
      for (const port of ports) port.close();
    },
  };
}

export interface OpenPort {
  readonly port: number;
  close(): void;
}

/** A port that outlives those who serve it. */
export async function openPort(handlers: ListenerHandlers): Promise<OpenPort> {
  const logger = createLogger('silent');
  const listener = new Listener(handlers, {
    clock: SYSTEM_CLOCK,
    logger,
    tls: undefined,
    portAdvice: 'choose another',
  });
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 });
  return {
    port,
    close: () => {
      listener.stopAccepting();
      listener.cut();
    },
  };
}
